"""Between codes and the latents of the convolution stacks (``rvq.py`` of fish-speech 0.1.0)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_tts.codec.causal_layers import CausalTransposedConv, ConvNeXtBlock, make_conv, make_projection
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.state import StateLayout
from s1_tts.codec.transformer import Sight, WindowTransformer
from s1_tts.codec.weights import Weights


class CodesToLatent:
    """Codes to latents at the rate of the convolution decoder.

    The codebooks' entries lie in one table and their projections in one matrix, so ten lookups and ten projections
    are one of each.

    Args:
        weights: Below ``quantizer``.
        config: Sizes.
        layout: Where the states' spans are reserved.
    """

    def __init__(self, weights: Weights, config: CodecConfig, layout: StateLayout) -> None:
        codebooks = _codebooks(weights, config)
        self.entries = torch.cat([book.tensor("codebook.weight") for book in codebooks])  # [all entries, codebook_dim]
        projections = [book.conv("out_proj") for book in codebooks]
        weight = torch.cat([weight.squeeze(2) for weight, _ in projections], dim=1)  # [latent, C * codebook_dim]
        bias = torch.stack([bias for _, bias in projections]).sum(0)
        self.projection = make_projection(weights.kernels, weight, bias)
        sizes = torch.tensor(config.codebook_sizes)
        self.first_entry = (sizes.cumsum(0) - sizes).to(weights.device)  # [C]
        self.last_code = (sizes - 1).to(weights.device)  # [C]
        self.transformer = WindowTransformer(weights.under("post_module"), config.quantizer_transformer, layout)
        upsample = weights.under("upsample")
        self.steps = [
            (
                CausalTransposedConv(*upsample.conv(f"{index}.0.conv"), layout, stride=factor, kernels=weights.kernels),
                ConvNeXtBlock(upsample.under(f"{index}.1"), layout),
            )
            for index, factor in enumerate(reversed(config.downsample_factors))
        ]

    def __call__(self, codes: Tensor, positions: Tensor, states: Tensor) -> Tensor:
        """Decode the next frames; moves the states on.

        Args:
            codes: ``[B, C, T]`` int64, not negative; a code past the end of its codebook counts as its last.
            positions: ``[B]`` on the CPU: frames already decoded of each stream.
            states: ``[B, N]``.

        Returns:
            ``[B, T * prod(downsample_factors), latent]``.
        """
        return self.apply(codes, self.sight(positions, codes.shape[2]).to(codes.device), states)

    def look_up(self, codes: Tensor) -> Tensor:
        """Entries of codes ``[B, C, T]``, projected and summed: ``[B, T, latent]``."""
        entry = torch.minimum(codes.transpose(1, 2), self.last_code) + self.first_entry  # [B, T, C]
        return self.projection(F.embedding(entry, self.entries).flatten(2))

    def sight(self, positions: Tensor, num_frames: int) -> Sight:
        """What the next frames of streams at these positions ``[B]`` see, on the CPU."""
        return self.transformer.sight(positions, num_frames)

    def apply(self, codes: Tensor, sight: Sight, states: Tensor) -> Tensor:
        """As a call, with the sight in place of the positions."""
        x = self.transformer.apply(self.look_up(codes), sight, states)
        for upsample, block in self.steps:
            x = block(upsample(x, states), states)
        return x


class LatentToCodes:
    """Latents of the convolution encoder to codes.

    Args:
        weights: Below ``quantizer``.
        config: Sizes.
        layout: Where the states' spans are reserved.
    """

    def __init__(self, weights: Weights, config: CodecConfig, layout: StateLayout) -> None:
        downsample = weights.under("downsample")
        self.steps = [
            (
                make_conv(weights.kernels, *downsample.conv(f"{index}.0.conv"), layout, stride=factor),
                ConvNeXtBlock(downsample.under(f"{index}.1"), layout),
            )
            for index, factor in enumerate(config.downsample_factors)
        ]
        self.transformer = WindowTransformer(weights.under("pre_module"), config.quantizer_transformer, layout)
        self.codebooks = [VectorQuantizer(book) for book in _codebooks(weights, config)]

    def __call__(self, x: Tensor, positions: Tensor, states: Tensor) -> Tensor:
        """Encode the next latents; moves the states on.

        Args:
            x: ``[B, T * prod(downsample_factors), latent]``.
            positions: ``[B]`` on the CPU: frames already encoded.
            states: ``[B, N]``.

        Returns:
            Codes ``[B, C, T]`` int64.
        """
        residual = self.frames(x, positions, states)  # [B, T, latent]
        codes = []
        for codebook in self.codebooks:
            code, quantized = codebook(residual)
            residual = residual - quantized
            codes.append(code)
        return torch.stack(codes, dim=1)

    def frames(self, x: Tensor, positions: Tensor, states: Tensor) -> Tensor:
        """One latent a frame ``[B, T, latent]``, not quantized; arguments as of a call."""
        for downsample, block in self.steps:
            x = block(downsample(x, states), states)
        return self.transformer(x, positions, states)


class VectorQuantizer:
    """Nearest entry of one codebook by cosine, in a low-dimensional space (``VectorQuantize`` of ``quantize.py``).

    Args:
        weights: Below the codebook.
    """

    def __init__(self, weights: Weights) -> None:
        in_weight, self.in_bias = weights.conv("in_proj")
        out_weight, self.out_bias = weights.conv("out_proj")
        self.in_weight, self.out_weight = in_weight.squeeze(2), out_weight.squeeze(2)
        self.entries = weights.tensor("codebook.weight")  # [entries, codebook_dim]
        self.unit_entries = F.normalize(self.entries)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Quantize ``x [B, T, latent]``.

        Returns:
            Codes ``[B, T]`` int64 and what they stand for ``[B, T, latent]``.
        """
        point = F.linear(x, self.in_weight, self.in_bias)  # [B, T, codebook_dim]
        unit = F.normalize(point, dim=-1)
        # squared distance, written as the reference does: near ties must fall the same way
        distance = (
            unit.pow(2).sum(-1, keepdim=True) - 2 * unit @ self.unit_entries.t() + self.unit_entries.pow(2).sum(-1)
        )
        code = distance.neg().argmax(-1)
        nearest = F.embedding(code, self.entries)
        return code, F.linear(point + (nearest - point), self.out_weight, self.out_bias)


def _codebooks(weights: Weights, config: CodecConfig) -> list[Weights]:
    residual = weights.under("quantizer.quantizers")
    return [
        weights.under("semantic_quantizer.quantizers.0"),
        *(residual.under(str(index)) for index in range(config.num_residual_codebooks)),
    ]
