"""One kernel each in the place of three to five: what a convolution reads, and the end of a residual unit."""

from dataclasses import dataclass

from torch import Tensor

from s1_tts.codec.causal_layers import CausalConv, Snake
from s1_tts.codec.kernels.join import join
from s1_tts.codec.kernels.pointwise import pointwise_added
from s1_tts.kernel_launch import launch, power_of_two

JOIN_BLOCK = 1024


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


def fused_join(x: Tensor, tail: Tensor, snake: Snake | None) -> Tensor:
    """As :func:`s1_tts.codec.causal_layers.plain_join`.

    Args:
        x: ``[B, T, C]``.
        tail: ``[B, context, C]``, a part of the streams' states.
        snake: Activation of ``x``.
    """
    batch, length, channels = x.shape
    context = tail.shape[1]
    joined = x.new_empty(batch, context + length, channels)
    activation = (None, None) if snake is None else (snake.alpha, snake.inverse)
    launch(
        join,
        (-(-joined[0].numel() // JOIN_BLOCK), batch),
        *(x.contiguous(), tail, *activation, joined, length * channels, context * channels, tail.stride(0)),
        HAS_SNAKE=snake is not None,
        CHANNELS=channels,
        BLOCK=JOIN_BLOCK,
        num_warps=4,
    )
    return joined


def fused_unit_end(y: Tensor, conv: CausalConv, states: Tensor, residual: Tensor) -> Tensor:
    """As :func:`s1_tts.codec.causal_layers.plain_unit_end`.

    Args:
        y: ``[B, T, C]``.
        conv: Of one tap, with a snake before it; its weights are plain ones.
        states: Not read.
        residual: ``[B, T, C]``.

    Raises:
        ValueError: the convolution is another one.
    """
    del states
    channels = y.shape[2]
    weight, snake = conv.conv.weight, conv.snake
    if conv.conv.is_packed or snake is None or weight.shape != (channels, channels, 1, 1):
        raise ValueError(f"no end of a residual unit: weights {list(weight.shape)}")
    y, residual = y.contiguous(), residual.contiguous()
    out = y.new_empty(y.shape)
    num_rows = y.shape[0] * y.shape[1]
    tile = unit_tile(channels)
    launch(
        pointwise_added,
        (-(-num_rows // tile.rows) * -(-channels // tile.outputs),),
        *(y, snake.alpha, snake.inverse, weight.flatten(1), conv.conv.bias, residual, out, num_rows),
        CHANNELS=channels,
        BLOCK_ROWS=tile.rows,
        BLOCK_OUTPUTS=tile.outputs,
        BLOCK_WIDTH=tile.width,
        num_warps=tile.num_warps,
        num_stages=tile.num_stages,
    )
    return out
