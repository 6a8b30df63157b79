"""The end of a part of a block: its result, scaled by channel, is added to what went around it, and the sum normed."""

import triton
import triton.language as tl


@triton.jit
def add_scaled(
    x,
    y,
    scale,
    norm,
    out,
    normed,
    eps,
    HAS_NORM: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write ``x + y * scale``, and the RMS norm of that.

    Args:
        x: ``[R, WIDTH]``.
        y: ``[R, WIDTH]``.
        scale: ``[WIDTH]``.
        norm: Weight of the norm ``[WIDTH]``, read if ``HAS_NORM``.
        out: ``[R, WIDTH]``, written.
        normed: ``[R, WIDTH]``, written if ``HAS_NORM``.
        eps: Of the norm.
        HAS_NORM: Whether the sum is normed.
        WIDTH: Width.
        BLOCK: Power of two that holds it.
    """
    begin = tl.program_id(0).to(tl.int64) * WIDTH
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    added = tl.load(y + begin + column, mask=inside, other=0.0).to(tl.float32)
    added *= tl.load(scale + column, mask=inside, other=0.0).to(tl.float32)
    total = (tl.load(x + begin + column, mask=inside, other=0.0).to(tl.float32) + added).to(out.dtype.element_ty)
    tl.store(out + begin + column, total, mask=inside)
    if HAS_NORM:
        wide = total.to(tl.float32)
        wide *= tl.rsqrt(tl.sum(wide * wide, axis=0) / WIDTH + eps)
        wide *= tl.load(norm + column, mask=inside, other=0.0).to(tl.float32)
        tl.store(normed + begin + column, wide.to(normed.dtype.element_ty), mask=inside)


@triton.jit
def gated(gate, up, out, num_values, BLOCK: tl.constexpr):
    """Write ``silu(gate) * up``.

    Args:
        gate: ``[num_values]``.
        up: ``[num_values]``.
        out: ``[num_values]``, written.
        num_values: How many, below 2^31.
        BLOCK: Values of a program.
    """
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = index < num_values
    opening = tl.load(gate + index, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(up + index, mask=inside, other=0.0).to(tl.float32)
    gated_value = opening / (1.0 + tl.exp(-opening)) * value
    tl.store(out + index, gated_value.to(out.dtype.element_ty), mask=inside)
