"""What a causal convolution reads: the last inputs of the chunk before, and the activated ones of this chunk."""

import triton
import triton.language as tl

from s1_tts.codec.kernels.snake import snake


@triton.jit
def join(
    x,
    tail,
    alpha,
    inverse,
    out,
    num_new,
    num_past,
    stride_tail,
    HAS_SNAKE: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write ``tail`` and then ``x + sin(alpha x)^2 / alpha``, row by row.

    The number of channels is compiled in: a remainder by a number that is not known costs more than the sine. Within a
    row 32 bits are enough.

    Args:
        x: ``[B, T, CHANNELS]``.
        tail: ``[B, context, CHANNELS]``, rows ``stride_tail`` apart.
        alpha: ``[CHANNELS]``, read if ``HAS_SNAKE``.
        inverse: ``[CHANNELS]``, of ``alpha``.
        out: ``[B, context + T, CHANNELS]``, written.
        num_new: Values of a row of ``x``, below 2^31.
        num_past: Values of a row of ``tail``; may be 0.
        stride_tail: Values from a row of ``tail`` to the next.
        HAS_SNAKE: Whether ``x`` is activated.
        CHANNELS: Channels.
        BLOCK: Values of a program.
    """
    row = tl.program_id(1).to(tl.int64)
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    is_past = index < num_past
    is_new = (index >= num_past) & (index < num_past + num_new)
    past = tl.load(tail + row * stride_tail + index, mask=is_past, other=0.0)
    value = tl.load(x + row * num_new + (index - num_past), mask=is_new, other=0.0)
    if HAS_SNAKE:
        channel = index % CHANNELS
        scales = tl.load(alpha + channel).to(tl.float32), tl.load(inverse + channel).to(tl.float32)
        value = snake(value.to(tl.float32), scales[0], scales[1]).to(value.dtype)
    joined = tl.where(is_past, past.to(value.dtype), value)
    tl.store(out + row * (num_past + num_new) + index, joined, mask=is_past | is_new)
