"""The published layout of ``codec.pth``: which keys, which shapes, and how modules read them.

Layout read from fish-speech 0.1.0 (``models/dac/modded_dac.py``, ``models/dac/rvq.py``) and descript-audio-codec
1.0.0 (``dac/nn/quantize.py``). A weight-normed convolution is stored as norm and direction, in the newer style
(``parametrizations.weight.original0/1``) for the convolutions of encoder and decoder and in the older one
(``weight_g``/``weight_v``) for the projections of the quantizers; both styles are taken at every place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from s1_tts.codec.codec_config import CODEC_WEIGHTS_FILE, CodecConfig, TransformerConfig
from s1_tts.codec.native.tile_layers import TileKernels
from s1_tts.state_dict import StateDict, check_keys, read_state_dict, strip_prefix

NEW_NORM, NEW_DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"
OLD_NORM, OLD_DIRECTION = ".weight_g", ".weight_v"
TABLES = (".freqs_cis", ".causal_mask")
"""Endings of buffers that the checkpoint carries and that are recomputed here."""

Shape = tuple[int, ...]


def read_codec_weights(path: Path) -> StateDict:
    """Read ``codec.pth``; of a training checkpoint only the generator.

    Raises:
        CheckpointError: see :func:`read_state_dict`.
    """
    return strip_prefix(read_state_dict(path), ("generator.",))


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors of a checkpoint below one point of the module tree.

    Args:
        tensors: The whole checkpoint by published key.
        device: Where the tensors are wanted.
        dtype: Type they are wanted in; folding happens in float32 before.
        prefix: The point, with its dot.
        kernels: What makes convolutions and linear layers; none: they are torch's.
    """

    tensors: Mapping[str, Tensor]
    device: torch.device
    dtype: torch.dtype
    prefix: str = ""
    kernels: TileKernels | None = None

    @classmethod
    def load(
        cls,
        folder: Path,
        config: CodecConfig,
        device: torch.device,
        dtype: torch.dtype,
        kernels: TileKernels | None = None,
    ) -> "Weights":
        """Map ``codec.pth`` and check every key and shape in it; nothing is read into memory yet.

        What :meth:`tensor` and :meth:`conv` give has memory of its own.

        Raises:
            CheckpointError: the file is missing, unreadable, or does not fit the config.
        """
        path = folder / CODEC_WEIGHTS_FILE
        tensors = read_codec_weights(path)
        check_codec_keys(config, tensors, str(path))
        return cls(tensors, device, dtype, kernels=kernels)

    @classmethod
    def on_meta(cls, config: CodecConfig, dtype: torch.dtype) -> "Weights":
        """Weights without values, to build modules of which only the shapes matter."""
        meta = torch.device("meta")
        tensors = {key: torch.empty(shape, device=meta) for key, shape in published_shapes(config)}
        return cls(tensors, meta, dtype)

    def under(self, name: str) -> "Weights":
        """The weights of a submodule."""
        return Weights(self.tensors, self.device, self.dtype, f"{self.prefix}{name}.", self.kernels)

    def tensor(self, name: str) -> Tensor:
        """One tensor, converted, in memory of its own."""
        return self.tensors[self.prefix + name].to(self.device, self.dtype, copy=True)

    def conv(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of a convolution, weight norm folded if it has one.

        The norm is taken over all dimensions but the first, for transposed convolutions too, as
        ``torch.nn.utils.weight_norm`` does with ``dim=0``.

        Returns:
            Weight in the published shape, and bias.
        """
        base = self.prefix + name
        for norm_key, direction_key in ((NEW_NORM, NEW_DIRECTION), (OLD_NORM, OLD_DIRECTION)):
            if base + direction_key in self.tensors:
                direction = self.tensors[base + direction_key].float()
                norm = self.tensors[base + norm_key].float()
                weight = torch._weight_norm(direction, norm, 0)
                break
        else:
            weight = self.tensors[base + ".weight"].float().clone()
        return weight.to(self.device, self.dtype), self.tensor(f"{name}.bias")


def check_codec_keys(config: CodecConfig, tensors: Mapping[str, Tensor], source: str) -> None:
    """Compare the whole checkpoint with the published layout: encoder, quantizer and decoder.

    Args:
        config: Sizes.
        tensors: The checkpoint; only names and shapes are looked at.
        source: Name of the checkpoint for the message.

    Raises:
        CheckpointError: a key is missing, surplus, or has another shape.
    """
    expected: dict[str, torch.Size] = {}
    for key, shape in published_shapes(config):
        expected[_as_stored(key, tensors)] = torch.Size(shape)
    for table in [key for key in expected if key.endswith(TABLES) and key not in tensors]:
        del expected[table]
    check_keys(expected, tensors, source)


def published_shapes(config: CodecConfig) -> Iterator[tuple[str, Shape]]:
    """Every key of a published checkpoint with its shape, tables included."""
    yield from _encoder(config)
    yield from _quantizer(config)
    yield from _decoder(config)


def _as_stored(key: str, tensors: Mapping[str, Tensor]) -> str:
    """The name under which a checkpoint has a weight-normed tensor: ours, or that of the other style."""
    for one, other in ((NEW_NORM, OLD_NORM), (NEW_DIRECTION, OLD_DIRECTION)):
        for ours, theirs in ((one, other), (other, one)):
            stored = key.removesuffix(ours) + theirs
            if key.endswith(ours) and stored in tensors:
                return stored
    return key


def _normed(name: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.conv.bias", (shape[0],)
    yield f"{name}.conv{NEW_NORM}", (shape[0], 1, 1)
    yield f"{name}.conv{NEW_DIRECTION}", shape


def _normed_transposed(name: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.conv.bias", (shape[1],)
    yield f"{name}.conv{NEW_NORM}", (shape[0], 1, 1)
    yield f"{name}.conv{NEW_DIRECTION}", shape


def _residual_unit(name: str, channels: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.block.0.alpha", (1, channels, 1)
    yield from _normed(f"{name}.block.1", (channels, channels, 7))
    yield f"{name}.block.2.alpha", (1, channels, 1)
    yield from _normed(f"{name}.block.3", (channels, channels, 1))


def _encoder(config: CodecConfig) -> Iterator[tuple[str, Shape]]:
    channels = config.encoder_dim
    yield from _normed("encoder.block.0", (channels, 1, 7))
    for index, rate in enumerate(config.encoder_rates):
        name = f"encoder.block.{index + 1}.block"
        for unit in range(3):
            yield from _residual_unit(f"{name}.{unit}", channels)
        yield f"{name}.3.alpha", (1, channels, 1)
        yield from _normed(f"{name}.4", (2 * channels, channels, 2 * rate))
        channels *= 2
        if config.encoder_transformer_layers[index]:
            yield from _transformer(f"{name}.5", config.encoder_transformer(index))
    last = len(config.encoder_rates) + 1
    yield f"encoder.block.{last}.alpha", (1, channels, 1)
    yield from _normed(f"encoder.block.{last + 1}", (config.latent_dim, channels, 3))


def _transformer(name: str, size: TransformerConfig) -> Iterator[tuple[str, Shape]]:
    heads_dim = size.num_heads * size.head_dim
    yield f"{name}.freqs_cis", (size.block_size, size.head_dim // 2, 2)
    yield f"{name}.causal_mask", (size.block_size, size.block_size)
    for index in range(size.num_layers):
        layer = f"{name}.layers.{index}"
        yield f"{layer}.attention.wqkv.weight", (3 * heads_dim, size.dim)
        yield f"{layer}.attention.wo.weight", (size.dim, heads_dim)
        yield f"{layer}.feed_forward.w1.weight", (size.intermediate_size, size.dim)
        yield f"{layer}.feed_forward.w3.weight", (size.intermediate_size, size.dim)
        yield f"{layer}.feed_forward.w2.weight", (size.dim, size.intermediate_size)
        for vector in (
            "ffn_norm.weight",
            "attention_norm.weight",
            "attention_layer_scale.gamma",
            "ffn_layer_scale.gamma",
        ):
            yield f"{layer}.{vector}", (size.dim,)
    yield f"{name}.norm.weight", (size.dim,)


def _codebook(name: str, entries: int, config: CodecConfig) -> Iterator[tuple[str, Shape]]:
    for projection, rows, columns in (
        ("in_proj", config.codebook_dim, config.latent_dim),
        ("out_proj", config.latent_dim, config.codebook_dim),
    ):
        yield f"{name}.{projection}.bias", (rows,)
        yield f"{name}.{projection}{OLD_NORM}", (rows, 1, 1)
        yield f"{name}.{projection}{OLD_DIRECTION}", (rows, columns, 1)
    yield f"{name}.codebook.weight", (entries, config.codebook_dim)


def _convnext(name: str, dim: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.gamma", (dim,)
    yield f"{name}.dwconv.conv.weight", (dim, 1, 7)
    yield f"{name}.dwconv.conv.bias", (dim,)
    yield f"{name}.norm.weight", (dim,)
    yield f"{name}.norm.bias", (dim,)
    yield f"{name}.pwconv1.weight", (4 * dim, dim)
    yield f"{name}.pwconv1.bias", (4 * dim,)
    yield f"{name}.pwconv2.weight", (dim, 4 * dim)
    yield f"{name}.pwconv2.bias", (dim,)


def _quantizer(config: CodecConfig) -> Iterator[tuple[str, Shape]]:
    yield from _codebook("quantizer.semantic_quantizer.quantizers.0", config.semantic_codebook_size, config)
    for index in range(config.num_residual_codebooks):
        yield from _codebook(f"quantizer.quantizer.quantizers.{index}", config.residual_codebook_size, config)
    dim = config.latent_dim
    sides = (("downsample", config.downsample_factors), ("upsample", config.downsample_factors[::-1]))
    for side, factors in sides:
        for index, factor in enumerate(factors):
            yield f"quantizer.{side}.{index}.0.conv.weight", (dim, dim, factor)
            yield f"quantizer.{side}.{index}.0.conv.bias", (dim,)
            yield from _convnext(f"quantizer.{side}.{index}.1", dim)
    yield from _transformer("quantizer.pre_module", config.quantizer_transformer)
    yield from _transformer("quantizer.post_module", config.quantizer_transformer)


def _decoder(config: CodecConfig) -> Iterator[tuple[str, Shape]]:
    channels = config.decoder_dim
    yield from _normed("decoder.model.0", (channels, config.latent_dim, 7))
    for index, rate in enumerate(config.decoder_rates):
        name = f"decoder.model.{index + 1}.block"
        yield f"{name}.0.alpha", (1, channels, 1)
        yield from _normed_transposed(f"{name}.1", (channels, channels // 2, 2 * rate))
        channels //= 2
        for unit in range(3):
            yield from _residual_unit(f"{name}.{unit + 2}", channels)
    last = len(config.decoder_rates) + 1
    yield f"decoder.model.{last}.alpha", (1, channels, 1)
    yield from _normed(f"decoder.model.{last + 1}", (1, channels, 7))
