"""The way from codes to samples by kernels, for streams that each have a slot."""

import torch
from torch import Tensor

from s1_tts.codec.causal_layers import CausalConv, ResidualUnit
from s1_tts.codec.decoder import ConvDecoder, DecoderBlock
from s1_tts.codec.fused.blocks import FusedUpsampling, transform
from s1_tts.codec.fused.convs import convolve, joined_inputs, plain_conv, unit_end
from s1_tts.codec.quantizer import CodesToLatent
from s1_tts.codec.state import SlotStates
from s1_tts.codec.transformer import Sight


class FusedDecoder:
    """As :class:`~s1_tts.codec.quantizer.CodesToLatent` and :class:`~s1_tts.codec.decoder.ConvDecoder`, in place.

    Its layers are theirs; they hold the weights.

    Args:
        to_latent: Codes to latents.
        to_samples: Latents to samples.

    Raises:
        ValueError: their weights are laid out for a CPU.
    """

    def __init__(self, to_latent: CodesToLatent, to_samples: ConvDecoder) -> None:
        self._to_latent = to_latent
        self._upsamplings = [FusedUpsampling(upsample, block) for upsample, block in to_latent.steps]
        self._first, self._last = plain_conv(to_samples.first), plain_conv(to_samples.last)
        self._blocks = [_Block(block) for block in to_samples.blocks]

    def __call__(self, codes: Tensor, sight: Sight, states: SlotStates) -> Tensor:
        """Decode the next frames of some streams.

        Args:
            codes: ``[B, num_codebooks, T]`` int64.
            sight: Of the rows.
            states: Of the rows, moved on; keys and values lie in them in another order than torch's layers have them.

        Returns:
            Samples ``[B, T * samples_per_frame]`` float32.
        """
        x = transform(self._to_latent.transformer, self._to_latent.look_up(codes), sight, states)
        for upsampling in self._upsamplings:
            x = upsampling(x, states)
        x = convolve(joined_inputs(x, self._first, states), self._first)
        bias: Tensor | None = self._first.conv.bias
        for block in self._blocks:
            x, bias = block(x, bias, states), None
        y = self._last.conv(joined_inputs(x, self._last, states, bias))
        return torch.tanh(y.squeeze(-1).float())


class _Block:
    """Upsampling by a stride and residual units."""

    def __init__(self, block: DecoderBlock) -> None:
        self._upsample, self._stride = plain_conv(block.upsample.conv), block.upsample.stride
        # a bias of the convolution that stands for the transposed one is repeated for each output of an input
        self._bias = self._upsample.conv.bias.view(self._stride, -1)[0]
        self._units = [_Unit(unit) for unit in block.units]

    def __call__(self, x: Tensor, bias: Tensor | None, states: SlotStates) -> Tensor:
        """Apply to ``x + bias [B, T, C]``; gives ``[B, T * stride, C / 2]``."""
        y = convolve(joined_inputs(x, self._upsample, states, bias), self._upsample)  # [B, T, stride * C / 2]
        x, bias = y.reshape(y.shape[0], y.shape[1] * self._stride, -1), self._bias
        for unit in self._units:
            x, bias = unit(x, bias, states), None
        return x


class _Unit:
    """A residual unit."""

    def __init__(self, unit: ResidualUnit) -> None:
        self._wide: CausalConv = plain_conv(unit.wide)
        self._pointwise: CausalConv = plain_conv(unit.pointwise)

    def __call__(self, x: Tensor, bias: Tensor | None, states: SlotStates) -> Tensor:
        """Apply to ``x + bias [B, T, C]``."""
        y = convolve(joined_inputs(x, self._wide, states, bias), self._wide)
        return unit_end(y, self._wide.conv.bias, self._pointwise, x, bias)
