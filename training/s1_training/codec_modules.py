"""The codec's own modules on weights that are being trained: whole pieces from a stream's beginning, with gradients.

Nothing of the codec is defined here a second time. Its modules are built anew from the published tensors in every
step, since folding a weight norm is part of what is differentiated.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.decoder import ConvDecoder
from s1_tts.codec.encoder import ConvEncoder
from s1_tts.codec.quantizer import CodesToLatent, LatentToCodes
from s1_tts.codec.state import StateLayout, StateSpan
from s1_tts.codec.weights import NEW_DIRECTION, NEW_NORM, OLD_DIRECTION, OLD_NORM, TABLES, Weights, published_shapes

_TRANSPOSED: Final = re.compile(r"decoder\.model\.\d+\.block\.1\.conv\.")
_DECODER_PARTS: Final = ("decoder.", "quantizer.post_module.", "quantizer.upsample.", ".out_proj.", ".codebook.")


class FreshSpan(StateSpan):
    """State of a stream that has not begun, made anew in every call: what a module leaves there is forgotten."""

    def of(self, states: Tensor) -> Tensor:
        """Zeros ``[B, *shape]``, of the type and on the device of ``states [B, ...]``."""
        return states.new_zeros(states.shape[0], *self.shape)


class FreshLayout(StateLayout):
    """Gives every module a :class:`FreshSpan`."""

    def take(self, *shape: int) -> StateSpan:
        """State of this shape."""
        return FreshSpan(0, shape)


def is_of_decoder(key: str) -> bool:
    """Whether a published key belongs to the decoder's side; the others belong to the encoder's."""
    return any(part in key for part in _DECODER_PARTS)


def decode_codes(tensors: Mapping[str, Tensor], config: CodecConfig, codes: Tensor) -> Tensor:
    """Decode pieces from their beginning.

    Args:
        tensors: The codec by published key.
        config: Its sizes.
        codes: ``[B, num_codebooks, T]``, int64.

    Returns:
        Samples ``[B, T * samples_per_frame]``, float32.
    """
    weights, layout = _weights(tensors), FreshLayout()
    to_latent = CodesToLatent(weights.under("quantizer"), config, layout)
    to_samples = ConvDecoder(weights.under("decoder"), config, layout)
    to_samples.is_tiled = False  # tiles hand on states
    states = weights.tensor("quantizer.semantic_quantizer.quantizers.0.out_proj.bias").new_zeros(codes.shape[0], 1)
    return to_samples(to_latent(codes, torch.zeros(codes.shape[0], dtype=torch.int64), states), states)


def code_logits(tensors: Mapping[str, Tensor], config: CodecConfig, samples: Tensor, codes: Tensor) -> list[Tensor]:
    """How near the encoder's points are to the entries of each codebook, given the right codes of those before it.

    Args:
        tensors: The codec by published key.
        config: Its sizes.
        samples: ``[B, T * samples_per_frame]``.
        codes: The right ones ``[B, num_codebooks, T]``, int64.

    Returns:
        Of each codebook: cosines ``[B, T, entries]``.
    """
    weights, layout = _weights(tensors), FreshLayout()
    to_codes = LatentToCodes(weights.under("quantizer"), config, layout)
    positions = torch.zeros(samples.shape[0], dtype=torch.int64)
    states = samples.new_zeros(samples.shape[0], 1)
    latents = ConvEncoder(weights.under("encoder"), config, layout)(samples[..., None], positions, states)
    residual = to_codes.frames(latents, positions, states)  # [B, T, latent]
    cosines = []
    for index, codebook in enumerate(to_codes.codebooks):
        point = F.linear(residual, codebook.in_weight, codebook.in_bias)
        cosines.append(F.normalize(point, dim=-1) @ codebook.unit_entries.T)
        right = F.embedding(codes[:, index], codebook.entries)
        residual = residual - F.linear(right, codebook.out_weight, codebook.out_bias)
    return cosines


def fresh_codec(config: CodecConfig, seed: int) -> dict[str, Tensor]:
    """Weights to begin with, by published key; the tables, which are computed at load, are left out.

    Args:
        config: Sizes.
        seed: Same seed, same weights.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for key, shape in published_shapes(config):
        if not key.endswith(TABLES):
            tensors[key] = _fresh(key, shape, generator)
    for key in list(tensors):
        for norm, direction in ((NEW_NORM, NEW_DIRECTION), (OLD_NORM, OLD_DIRECTION)):
            if key.endswith(norm):
                values = tensors[key.removesuffix(norm) + direction]
                tensors[key] = values.flatten(1).norm(dim=1).view(-1, 1, 1)
    return tensors


def _fresh(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    kind = key.rpartition(".")[2]
    if kind == "alpha" or key.endswith("norm.weight"):
        return torch.ones(shape)
    if kind == "gamma":  # layer scales: a block begins as little more than what goes around it
        return torch.full(shape, 0.1)
    if kind == "bias":
        return torch.zeros(shape)
    taps = math.prod(shape[1:])
    if _TRANSPOSED.match(key):
        taps = 2 * shape[0]  # that add up in an output
    scale = 0.3 if ".block.3.conv" in key else 1.0  # adds to what goes around it
    return torch.randn(shape, generator=generator) * scale / math.sqrt(taps)


def _weights(tensors: Mapping[str, Tensor]) -> Weights:
    device = next(iter(tensors.values())).device
    return Weights(tensors, device, torch.float32)
