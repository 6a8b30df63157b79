"""Write a codec checkpoint with random weights in the published format, to develop and test without the real one.

Its voice is noise, but audible noise that depends on every code: norms keep the level about even from layer to
layer, and the last convolution is set so that random codes give the wanted level.
"""

import math
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from s1_tts.codec.codec_config import CODEC_CONFIG_FILE, CODEC_WEIGHTS_FILE, CodecConfig, TransformerConfig
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.transformer import Rotary
from s1_tts.codec.weights import NEW_NORM, OLD_NORM, Weights, published_shapes

CodecSize = Literal["tiny", "mid", "full"]

LEVEL_RMS = 0.15
"""Wanted level of the decoded noise before ``tanh``, in parts of full scale."""

INNER_LEVEL = 0.25
"""Norm of the decoder's first convolution."""

PROBE_FRAMES = 12


def dev_codec_config(size: CodecSize, num_codebooks: int = 10) -> CodecConfig:
    """Sizes of a development codec; all have S1-mini's frame of 2048 samples and its codebooks.

    Args:
        size: ``full`` is S1-mini's own, ``tiny`` decodes far faster than real time on any machine.
        num_codebooks: The semantic codebook and the residual ones.
    """
    residual = num_codebooks - 1
    if size == "full":
        return CodecConfig(num_residual_codebooks=residual)
    if size == "mid":
        return CodecConfig(
            encoder_dim=16,
            encoder_transformer_layers=(0, 0, 0, 2),
            encoder_block_size=1024,
            decoder_dim=128,
            num_residual_codebooks=residual,
            quantizer_layers=3,
            quantizer_heads=4,
            quantizer_intermediate_size=512,
            quantizer_block_size=512,
        )
    return CodecConfig(
        encoder_dim=4,
        encoder_transformer_layers=(0, 0, 0, 1),
        encoder_block_size=512,
        decoder_dim=32,
        num_residual_codebooks=residual,
        quantizer_layers=2,
        quantizer_heads=1,
        quantizer_intermediate_size=128,
        quantizer_block_size=512,
    )


def write_dev_codec(folder: Path, size: CodecSize = "tiny", seed: int = 0, num_codebooks: int = 10) -> CodecConfig:
    """Write ``codec.pth``, and ``codec.json`` unless the sizes are S1-mini's.

    Args:
        folder: Where to; made if missing. Files of these names are replaced.
        size: See :func:`dev_codec_config`.
        seed: Same seed, same weights.
        num_codebooks: The semantic codebook and the residual ones.

    Returns:
        The sizes.
    """
    config = dev_codec_config(size, num_codebooks)
    generator = torch.Generator().manual_seed(seed)
    tables = _tables(config)
    tensors = {
        key: tables[key] if key in tables else _random(key, shape, generator) for key, shape in published_shapes(config)
    }
    _balance_decoder(tensors, config)
    _set_level(tensors, config, generator)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, folder / CODEC_WEIGHTS_FILE)
    if config == CodecConfig():
        (folder / CODEC_CONFIG_FILE).unlink(missing_ok=True)
    else:
        config.save(folder)
    return config


def _random(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    kind = key.rpartition(".")[2]
    if kind == "alpha":
        return torch.empty(shape).uniform_(0.4, 1.6, generator=generator)
    if kind == "gamma":
        return torch.empty(shape).uniform_(0.2, 0.6, generator=generator)
    if key.endswith((NEW_NORM, OLD_NORM)):
        # the second convolution of a residual unit adds to what goes around it
        level = 0.3 if ".block.3.conv" in key else 1.0
        return torch.empty(shape).uniform_(0.9 * level, 1.1 * level, generator=generator)
    if key.endswith("norm.weight"):
        return torch.empty(shape).uniform_(0.9, 1.1, generator=generator)
    values = torch.randn(shape, generator=generator)
    if kind == "bias":
        values.mul_(0.05)
    elif "codebook" not in key:
        values.mul_(1 / math.sqrt(math.prod(shape[1:])))
    return values


def _balance_decoder(tensors: dict[str, Tensor], config: CodecConfig) -> None:
    """Set the levels inside the decoder.

    The norm of a transposed convolution spreads over its outputs. And the signal begins small, since large ones fold
    over in the many snakes, which would make random weights multiply rounding errors as no trained ones do.
    """
    for name in (f"conv{NEW_NORM}", "conv.bias"):
        tensors[f"decoder.model.0.{name}"].mul_(INNER_LEVEL)
    for index, rate in enumerate(config.decoder_rates):
        tensors[f"decoder.model.{index + 1}.block.1.conv{NEW_NORM}"].mul_(math.sqrt(rate / 2))


def _set_level(tensors: dict[str, Tensor], config: CodecConfig, generator: torch.Generator) -> None:
    """Set the last convolution so that random codes sound at the wanted level and without offset."""
    last = f"decoder.model.{len(config.decoder_rates) + 2}.conv"
    norm, bias = tensors[last + NEW_NORM], tensors[last + ".bias"]
    bias.zero_()
    quiet = 1e-3  # far below the bend of tanh
    norm.fill_(quiet)
    decoder = StreamingDecoder(Weights(tensors, torch.device("cpu"), torch.float32), config)
    codes = torch.stack(
        [torch.randint(entries, (PROBE_FRAMES,), generator=generator) for entries in config.codebook_sizes]
    )
    noise = decoder.decode([decoder.new_state()], [codes])[0].atanh()
    factor = LEVEL_RMS / noise.std()
    norm.mul_(factor)
    bias.sub_(noise.mean() * factor)


def _tables(config: CodecConfig) -> dict[str, Tensor]:
    """The rotary tables and masks that the published file carries."""
    transformers = {
        f"encoder.block.{index + 1}.block.5": config.encoder_transformer(index)
        for index, layers in enumerate(config.encoder_transformer_layers)
        if layers
    }
    transformers["quantizer.pre_module"] = config.quantizer_transformer
    transformers["quantizer.post_module"] = config.quantizer_transformer
    tables = {}
    for name, size in transformers.items():
        tables[f"{name}.freqs_cis"] = _rotary_table(size)
        tables[f"{name}.causal_mask"] = torch.ones(size.block_size, size.block_size, dtype=torch.bool).tril_()
    return tables


def _rotary_table(size: TransformerConfig) -> Tensor:
    return Rotary(size).angles(torch.arange(size.block_size)[None])[0, :, 0]
