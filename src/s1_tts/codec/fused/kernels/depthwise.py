"""Convolution of each channel by itself, and the layer norm over channels that comes after it."""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["length"])
def depthwise_normed(
    joined,
    weight,
    bias,
    norm_weight,
    norm_bias,
    out,
    length,
    eps,
    CHANNELS: tl.constexpr,
    TAPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write the layer norm of a depthwise convolution; a program has one output of one row.

    Args:
        joined: ``[B, TAPS - 1 + length, CHANNELS]``.
        weight: ``[TAPS, CHANNELS]``.
        bias: ``[CHANNELS]``.
        norm_weight: ``[CHANNELS]``.
        norm_bias: ``[CHANNELS]``.
        out: ``[B, length, CHANNELS]``, written.
        length: Outputs of a row.
        eps: Of the norm.
        CHANNELS: Channels.
        TAPS: Taps.
        BLOCK: Power of two that holds the channels.
    """
    time, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    inside = channel < CHANNELS
    begin = joined + (row * (TAPS - 1 + length) + time) * CHANNELS + channel
    total = tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    for tap in tl.static_range(TAPS):
        factor = tl.load(weight + tap * CHANNELS + channel, mask=inside, other=0.0).to(tl.float32)
        total += factor * tl.load(begin + tap * CHANNELS, mask=inside, other=0.0).to(tl.float32)
    centred = tl.where(inside, total - tl.sum(total, axis=0) / CHANNELS, 0.0)
    centred *= tl.rsqrt(tl.sum(centred * centred, axis=0) / CHANNELS + eps)
    centred *= tl.load(norm_weight + channel, mask=inside, other=0.0).to(tl.float32)
    centred += tl.load(norm_bias + channel, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + (row * length + time) * CHANNELS + channel, centred.to(out.dtype.element_ty), mask=inside)
