"""The convolution decoder: latents to samples (``Decoder`` of ``modded_dac.py``, fish-speech 0.1.0)."""

import torch
from torch import Tensor

from s1_tts.codec.config import CodecConfig
from s1_tts.codec.layers import CausalConv, CausalTransposedConv, ResidualUnit, Snake
from s1_tts.codec.state import StateLayout
from s1_tts.codec.weights import Weights

DILATIONS = (1, 3, 9)


class DecoderBlock:
    """Upsampling by a stride and three residual units.

    Args:
        weights: Below the block.
        layout: Where the states' spans are reserved.
        stride: Outputs per input.
    """

    def __init__(self, weights: Weights, layout: StateLayout, stride: int) -> None:
        block = weights.under("block")
        self.stride = stride
        self.upsample = CausalTransposedConv(
            *block.conv("1.conv"), layout, stride=stride, snake=Snake(block.under("0"))
        )
        self.units = [
            ResidualUnit(block.under(str(index + 2)), layout, dilation) for index, dilation in enumerate(DILATIONS)
        ]

    def __call__(self, x: Tensor, states: Tensor) -> Tensor:
        """Apply to the next chunk ``[B, T, C]``; gives ``[B, T * stride, C / 2]`` and moves the states on."""
        x = self.upsample(x, states)
        for unit in self.units:
            x = unit(x, states)
        return x


class ConvDecoder:
    """Latents to samples.

    Args:
        weights: Below ``decoder``.
        config: Sizes.
        layout: Where the states' spans are reserved.
    """

    def __init__(self, weights: Weights, config: CodecConfig, layout: StateLayout) -> None:
        model = weights.under("model")
        self.first = CausalConv(*model.conv("0.conv"), layout)
        self.blocks = [
            DecoderBlock(model.under(str(index + 1)), layout, rate) for index, rate in enumerate(config.decoder_rates)
        ]
        last = len(config.decoder_rates) + 1
        self.last = CausalConv(*model.conv(f"{last + 1}.conv"), layout, snake=Snake(model.under(str(last))))

    def __call__(self, x: Tensor, states: Tensor) -> Tensor:
        """Decode the next latents; moves the states on.

        Args:
            x: ``[B, T, latent]``.
            states: ``[B, N]``.

        Returns:
            Samples ``[B, T * prod(decoder_rates)]`` float32 in [-1, 1].
        """
        x = self.first(x, states)
        for block in self.blocks:
            x = block(x, states)
        return torch.tanh(self.last(x, states).squeeze(-1).float())
