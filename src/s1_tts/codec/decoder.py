"""The convolution decoder: latents to samples (``Decoder`` of ``modded_dac.py``, fish-speech 0.1.0)."""

import math

import torch
from torch import Tensor

from s1_tts.codec.causal_layers import CausalTransposedConv, ResidualUnit, Snake, make_conv
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.state import StateLayout
from s1_tts.codec.weights import Weights

DILATIONS = (1, 3, 9)

CACHED_ELEMENTS = 1 << 20
"""Elements of an activation that stay in a CPU's cache from one layer to the next."""


class DecoderBlock:
    """Upsampling by a stride and three residual units.

    Args:
        weights: Below the block.
        layout: Where the states' spans are reserved.
        stride: Outputs per input.
    """

    def __init__(self, weights: Weights, layout: StateLayout, stride: int) -> None:
        block = weights.under("block")
        snake = Snake(block.under("0"))
        self.upsample = CausalTransposedConv(
            *block.conv("1.conv"), layout, stride=stride, snake=snake, kernels=weights.kernels
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
        self.first = make_conv(weights.kernels, *model.conv("0.conv"), layout)
        self.blocks = [
            DecoderBlock(model.under(str(index + 1)), layout, rate) for index, rate in enumerate(config.decoder_rates)
        ]
        # of each block, and of the last layer: samples per input, and elements of its output per input
        self.samples_per_step = [math.prod(config.decoder_rates[index:]) for index in range(len(self.blocks) + 1)]
        self.elements_per_step = [
            rate * (config.decoder_dim >> index + 1) for index, rate in enumerate(config.decoder_rates)
        ]
        self.is_tiled = weights.device.type == "cpu"
        last = len(config.decoder_rates) + 1
        last_snake = Snake(model.under(str(last)))
        self.last = make_conv(weights.kernels, *model.conv(f"{last + 1}.conv"), layout, snake=last_snake)

    def __call__(self, x: Tensor, states: Tensor) -> Tensor:
        """Decode the next latents; moves the states on.

        Args:
            x: ``[B, T, latent]``.
            states: ``[B, N]``.

        Returns:
            Samples ``[B, T * prod(decoder_rates)]`` float32 in [-1, 1].
        """
        return self._decode_from(0, self.first(x, states), states)

    def _decode_from(self, index: int, x: Tensor, states: Tensor) -> Tensor:
        """Apply the blocks from ``index`` on, and the last layer.

        On a CPU a block takes as much of the time of one row as its activations fit in the cache, and what follows
        goes on with that before the block takes more: over a large batch activations would go to memory and back
        after every layer.

        Args:
            index: First block.
            x: Its input ``[B, T, C]``.
            states: ``[B, N]``.

        Returns:
            Samples ``[B, T * samples_per_step[index]]`` float32.
        """
        if index == len(self.blocks):
            return torch.tanh(self.last(x, states).squeeze(-1).float())
        batch, length, _ = x.shape
        tile = max(1, CACHED_ELEMENTS // self.elements_per_step[index])
        if not self.is_tiled or batch * length <= tile:
            return self._decode_from(index + 1, self.blocks[index](x, states), states)
        samples = x.new_empty(batch, length, self.samples_per_step[index], dtype=torch.float32)
        for row in range(batch):
            state = states[row : row + 1]
            for start in range(0, length, tile):
                y = self.blocks[index](x[row : row + 1, start : start + tile], state)
                out = samples[row, start : start + tile]
                out.copy_(self._decode_from(index + 1, y, state).view_as(out))
        return samples.flatten(1)
