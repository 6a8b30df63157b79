"""What a causal convolution reads: the last inputs of the piece before, and the activated ones of this piece."""

import triton
import triton.language as tl

from s1_tts.codec.fused.kernels.snake import snake


@triton.jit(do_not_specialize=["length"])
def join(
    x,
    bias,
    alpha,
    inverse,
    tails,
    slots,
    out,
    length,
    stride_slot,
    HAS_BIAS: tl.constexpr,
    HAS_SNAKE: tl.constexpr,
    CHANNELS: tl.constexpr,
    CONTEXT: tl.constexpr,
    BLOCK_CONTEXT: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write each row's tail and then ``y + sin(alpha y)^2 / alpha`` of ``y = x + bias``; its end is the new tail.

    A program of the tails has all of the past of its channels, so nobody else reads or writes what it writes. The
    number of channels is compiled in: a remainder by a number that is not known costs more than the sine. Within a row
    32 bits are enough.

    Args:
        x: ``[B, length, CHANNELS]``.
        bias: ``[CHANNELS]``, read if ``HAS_BIAS``.
        alpha: ``[CHANNELS]``, read if ``HAS_SNAKE``.
        inverse: ``[CHANNELS]``, of ``alpha``.
        tails: Of all slots ``[S, CONTEXT, CHANNELS]``, slots ``stride_slot`` apart; those of the rows are moved on.
        slots: ``[B]`` int64.
        out: ``[B, CONTEXT + length, CHANNELS]``, written.
        length: New inputs of a row, below 2^31 values.
        stride_slot: Values from a slot to the next.
        HAS_BIAS: Whether a bias is added.
        HAS_SNAKE: Whether the sum is activated.
        CHANNELS: Channels.
        CONTEXT: Inputs of the past; may be 0.
        BLOCK_CONTEXT: Power of two that holds them.
        BLOCK_CHANNELS: Channels of a program of the tails.
        BLOCK: Values of one of the other programs.
    """
    num_tails: tl.constexpr = 0 if CONTEXT == 0 else (CHANNELS + BLOCK_CHANNELS - 1) // BLOCK_CHANNELS
    row = tl.program_id(1).to(tl.int64)
    part = tl.program_id(0)
    begin = x + row * length * CHANNELS
    joined = out + row * (CONTEXT + length) * CHANNELS
    if part < num_tails:
        channel = part * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)
        time = tl.arange(0, BLOCK_CONTEXT)
        inside = (time < CONTEXT)[:, None] & (channel < CHANNELS)[None, :]
        place = time[:, None] * CHANNELS + channel[None, :]
        tail = tails + tl.load(slots + row) * stride_slot
        tl.store(joined + place, tl.load(tail + place, mask=inside, other=0.0), mask=inside)
        # what is `length` later in the whole of past and new
        is_kept = (time + length < CONTEXT)[:, None]
        kept = tl.load(tail + place + length * CHANNELS, mask=inside & is_kept, other=0.0)
        is_new = inside & (time + length >= CONTEXT)[:, None]
        new = tl.load(begin + place + (length - CONTEXT) * CHANNELS, mask=is_new, other=0.0)
        new = _activated(new, channel[None, :], bias, alpha, inverse, HAS_BIAS, HAS_SNAKE, CHANNELS)
        tl.debug_barrier()  # all of the past is read before it is written over
        tl.store(tail + place, tl.where(is_kept, kept, new), mask=inside)
    else:
        index = (part - num_tails) * BLOCK + tl.arange(0, BLOCK)
        is_there = index < length * CHANNELS
        value = tl.load(begin + index, mask=is_there, other=0.0)
        value = _activated(value, index % CHANNELS, bias, alpha, inverse, HAS_BIAS, HAS_SNAKE, CHANNELS)
        tl.store(joined + CONTEXT * CHANNELS + index, value, mask=is_there)


@triton.jit
def _activated(
    value,
    channel,
    bias,
    alpha,
    inverse,
    HAS_BIAS: tl.constexpr,
    HAS_SNAKE: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    wide = value.to(tl.float32)
    inside = channel < CHANNELS
    if HAS_BIAS:
        wide += tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    if HAS_SNAKE:
        scale = tl.load(alpha + channel, mask=inside, other=0.0).to(tl.float32)
        inverse_scale = tl.load(inverse + channel, mask=inside, other=0.0).to(tl.float32)
        wide = snake(wide, scale, inverse_scale)
    return wide.to(value.dtype)
