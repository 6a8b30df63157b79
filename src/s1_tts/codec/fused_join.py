"""One kernel in the place of three to five: a stream's past, and the activated chunk behind it."""

from torch import Tensor

from s1_tts.codec.causal_layers import Snake
from s1_tts.codec.kernels.join import join
from s1_tts.kernel_launch import launch

BLOCK = 1024


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
        (-(-joined[0].numel() // BLOCK), batch),
        *(x.contiguous(), tail, *activation, joined, length * channels, context * channels, channels, tail.stride(0)),
        HAS_SNAKE=snake is not None,
        BLOCK=BLOCK,
        num_warps=4,
    )
    return joined
