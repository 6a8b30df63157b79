"""Tell one codec from another by what its encoder does."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from s1_tts.codec.codec_config import CODEC_WEIGHTS_FILE, CodecConfig
from s1_tts.codec.weights import TABLES, read_codec_weights

ENCODE_PATH = (
    "encoder.",
    "quantizer.downsample.",
    "quantizer.pre_module.",
    "quantizer.semantic_quantizer.",
    "quantizer.quantizer.",
)
"""Weights that codes depend on; a codec that differs only in its decoder makes the same ones."""


def codec_fingerprint(folder: Path) -> str:
    """Fingerprint of a checkpoint's encoder: 32 hexadecimal digits, the same wherever the files lie.

    Args:
        folder: Holds ``codec.pth``. Its encode path is read once, at disk speed.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    return fingerprint(CodecConfig.load(folder), read_codec_weights(folder / CODEC_WEIGHTS_FILE))


def fingerprint(config: CodecConfig, tensors: Mapping[str, Tensor]) -> str:
    """Fingerprint of an encoder.

    Args:
        config: Sizes; two encoders may have the same weights and differ in their windows.
        tensors: The checkpoint by published key.
    """
    digest = hashlib.sha256(repr(config).encode())
    for key in sorted(tensors):
        if key.startswith(ENCODE_PATH) and not key.endswith(TABLES):
            tensor = tensors[key].detach().contiguous()
            digest.update(f"{key} {tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
