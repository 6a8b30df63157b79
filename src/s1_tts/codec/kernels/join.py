"""What a causal convolution reads: the last inputs of the chunk before, and the activated ones of this chunk."""

import triton
import triton.language as tl


@triton.jit
def join(
    x,
    tail,
    alpha,
    inverse,
    out,
    num_new,
    num_past,
    channels,
    stride_tail,
    HAS_SNAKE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write ``tail`` and then ``x + sin(alpha x)^2 / alpha``, row by row.

    Args:
        x: ``[B, T, channels]``.
        tail: ``[B, context, channels]``, rows ``stride_tail`` apart.
        alpha: ``[channels]``, read if ``HAS_SNAKE``.
        inverse: ``[channels]``, of ``alpha``.
        out: ``[B, context + T, channels]``, written.
        num_new: Values of a row of ``x``.
        num_past: Values of a row of ``tail``; may be 0.
        channels: Channels.
        stride_tail: Values from a row of ``tail`` to the next.
        HAS_SNAKE: Whether ``x`` is activated.
        BLOCK: Values of a program.
    """
    row = tl.program_id(1).to(tl.int64)
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    is_past = index < num_past
    is_new = (index >= num_past) & (index < num_past + num_new)
    past = tl.load(tail + row * stride_tail + index, mask=is_past, other=0.0)
    value = tl.load(x + row * num_new + index - num_past, mask=is_new, other=0.0)
    if HAS_SNAKE:
        channel = index % channels
        wide = value.to(tl.float32)
        sine = tl.sin(wide * tl.load(alpha + channel).to(tl.float32))
        value = (wide + sine * sine * tl.load(inverse + channel).to(tl.float32)).to(value.dtype)
    joined = tl.where(is_past, past.to(value.dtype), value)
    tl.store(out + row * (num_past + num_new) + index, joined, mask=is_past | is_new)
