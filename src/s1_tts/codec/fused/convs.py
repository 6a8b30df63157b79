"""What lies between the convolutions, which are cuDNN's: one kernel each in the place of three to six."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_tts.codec.causal_layers import CausalConv
from s1_tts.codec.fused.kernels.join import join
from s1_tts.codec.fused.kernels.pointwise import pointwise_added
from s1_tts.codec.native.tile_layers import TileConv
from s1_tts.codec.state import SlotStates
from s1_tts.kernel_launch import launch, power_of_two

JOIN_BLOCK = 1024
TAIL_BLOCK = 2048
"""Values of the past of a program that moves it on."""


@dataclass(frozen=True)
class UnitTile:
    """Tile of the end of a residual unit; no GPU has had its say yet.

    Args:
        rows: Rows of a program, for any number of rows the same: a stream does not depend on its company.
        outputs: Outputs of a program.
        width: Inputs of a step.
        num_warps: Warps of a program.
        num_stages: Steps whose loads are in flight.
    """

    rows: int
    outputs: int
    width: int
    num_warps: int
    num_stages: int


def unit_tile(channels: int) -> UnitTile:
    """Tile for so many channels: all outputs in one program where they fit, so that each input is activated once."""
    if channels <= 128:
        return UnitTile(rows=128, outputs=max(16, power_of_two(channels)), width=32, num_warps=8, num_stages=3)
    if channels <= 256:
        return UnitTile(rows=64, outputs=256, width=32, num_warps=8, num_stages=3)
    return UnitTile(rows=128, outputs=128, width=64, num_warps=8, num_stages=3)


def plain_conv(conv: CausalConv | TileConv) -> CausalConv:
    """A convolution whose weights torch takes as they are.

    Raises:
        ValueError: they are laid out for a CPU.
    """
    if isinstance(conv, TileConv) or conv.conv.is_packed:
        raise ValueError("no kernels for weights that are laid out for a CPU")
    return conv


def joined_inputs(x: Tensor, conv: CausalConv, states: SlotStates, bias: Tensor | None = None) -> Tensor:
    """What a convolution reads, and the states moved on.

    Args:
        x: ``[B, T, C]``.
        conv: The convolution; its stride is 1.
        states: Of the rows.
        bias: ``[C]``, added before the activation.

    Returns:
        ``[B, context + T, C]``: the last inputs of the piece before, and ``x``, activated.
    """
    x = x.contiguous()
    batch, length, channels = x.shape
    joined = x.new_empty(batch, conv.context + length, channels)
    tails = conv.span.of(states.pool)
    block_context = power_of_two(max(1, conv.context))
    block_channels = max(1, min(power_of_two(channels), TAIL_BLOCK // block_context))
    num_tails = -(-channels // block_channels) if conv.context else 0
    activation = (None, None) if conv.snake is None else (conv.snake.alpha, conv.snake.inverse)
    launch(
        join,
        (num_tails - (-length * channels // JOIN_BLOCK), batch),
        *(x, bias, *activation, tails, states.slots, joined, length, states.pool.stride(0)),
        HAS_BIAS=bias is not None,
        HAS_SNAKE=conv.snake is not None,
        CHANNELS=channels,
        CONTEXT=conv.context,
        BLOCK_CONTEXT=block_context,
        BLOCK_CHANNELS=block_channels,
        BLOCK=JOIN_BLOCK,
        num_warps=4,
    )
    return joined


def convolve(joined: Tensor, conv: CausalConv) -> Tensor:
    """Convolve without the bias, for which PyTorch launches a kernel of its own on a GPU.

    Args:
        joined: See :func:`joined_inputs`.
        conv: The convolution.

    Returns:
        ``[B, T, C_out]``.
    """
    image = joined.transpose(1, 2).unsqueeze(2)  # [B, C_in, 1, context + T], channels-last in memory
    y = F.conv2d(image, conv.conv.weight, None, conv.conv.stride, 0, conv.conv.dilation, conv.conv.groups)
    return y.squeeze(2).transpose(1, 2)


def unit_end(
    y: Tensor, y_bias: Tensor, conv: CausalConv, residual: Tensor, residual_bias: Tensor | None = None
) -> Tensor:
    """The last convolution of a residual unit, which has one tap, and what went into the unit.

    Args:
        y: ``[B, T, C]``.
        y_bias: ``[C]``, added to it.
        conv: The convolution, with a snake before it.
        residual: ``[B, T, C]``.
        residual_bias: ``[C]``, added to it.

    Returns:
        ``[B, T, C]``.

    Raises:
        ValueError: the convolution is another one.
    """
    channels = y.shape[2]
    weight, snake = conv.conv.weight, conv.snake
    if snake is None or weight.shape != (channels, channels, 1, 1):
        raise ValueError(f"no end of a residual unit: weights {list(weight.shape)}")
    y, residual = y.contiguous(), residual.contiguous()
    out = torch.empty_like(y)
    num_rows = y.shape[0] * y.shape[1]
    tile = unit_tile(channels)
    launch(
        pointwise_added,
        (-(-num_rows // tile.rows) * -(-channels // tile.outputs),),
        *(y, y_bias, snake.alpha, snake.inverse, conv.conv.weight.flatten(1), conv.conv.bias),
        *(residual, residual_bias, out, num_rows),
        HAS_RESIDUAL_BIAS=residual_bias is not None,
        CHANNELS=channels,
        BLOCK_ROWS=tile.rows,
        BLOCK_OUTPUTS=tile.outputs,
        BLOCK_WIDTH=tile.width,
        num_warps=tile.num_warps,
        num_stages=tile.num_stages,
    )
    return out
