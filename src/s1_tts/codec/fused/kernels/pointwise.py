"""The end of a residual unit: snake, convolution of one tap, bias and residual in one kernel."""

import triton
import triton.language as tl

from s1_tts.codec.fused.kernels.snake import snake


@triton.jit(do_not_specialize=["num_rows"])
def pointwise_added(
    x,
    x_bias,
    alpha,
    inverse,
    weight,
    bias,
    residual,
    residual_bias,
    out,
    num_rows,
    HAS_RESIDUAL_BIAS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUTPUTS: tl.constexpr,
    BLOCK_WIDTH: tl.constexpr,
):
    """Write ``residual + residual_bias + weight (y + sin(alpha y)^2 / alpha) + bias``, where ``y = x + x_bias``.

    The biases are those of the convolutions before: adding them here costs no pass over memory. Programs that follow
    each other have the same rows, which they find in the cache.

    Args:
        x: ``[num_rows, CHANNELS]``.
        x_bias: ``[CHANNELS]``.
        alpha: ``[CHANNELS]``.
        inverse: ``[CHANNELS]``, of ``alpha``.
        weight: ``[CHANNELS, CHANNELS]``, outputs first.
        bias: ``[CHANNELS]``.
        residual: ``[num_rows, CHANNELS]``.
        residual_bias: ``[CHANNELS]``, read if ``HAS_RESIDUAL_BIAS``.
        out: ``[num_rows, CHANNELS]``, written.
        num_rows: Rows.
        HAS_RESIDUAL_BIAS: Whether there is a bias to the residual.
        CHANNELS: Channels.
        BLOCK_ROWS: Rows of a program.
        BLOCK_OUTPUTS: Outputs of a program.
        BLOCK_WIDTH: Inputs of a step.
    """
    num_tiles: tl.constexpr = (CHANNELS + BLOCK_OUTPUTS - 1) // BLOCK_OUTPUTS
    tile, block = tl.program_id(0) % num_tiles, tl.program_id(0) // num_tiles
    row = block * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    output = tile * BLOCK_OUTPUTS + tl.arange(0, BLOCK_OUTPUTS)
    is_row, is_output = row < num_rows, output < CHANNELS
    begin = row.to(tl.int64) * CHANNELS  # rows of a large batch times channels are over 2^31
    total = tl.zeros([BLOCK_ROWS, BLOCK_OUTPUTS], tl.float32)
    for start in range(0, CHANNELS, BLOCK_WIDTH):
        channel = start + tl.arange(0, BLOCK_WIDTH)
        inside = channel < CHANNELS
        values = tl.load(x + begin[:, None] + channel[None, :], mask=is_row[:, None] & inside[None, :], other=0.0).to(
            tl.float32
        )
        values += tl.load(x_bias + channel, mask=inside, other=0.0).to(tl.float32)[None, :]
        scale = tl.load(alpha + channel, mask=inside, other=0.0).to(tl.float32)
        inverse_scale = tl.load(inverse + channel, mask=inside, other=0.0).to(tl.float32)
        activated = snake(values, scale[None, :], inverse_scale[None, :]).to(weight.dtype.element_ty)
        weights = tl.load(
            weight + output[:, None] * CHANNELS + channel[None, :],
            mask=is_output[:, None] & inside[None, :],
            other=0.0,
        )
        total = tl.dot(activated, tl.trans(weights), total, input_precision="ieee")
    total += tl.load(bias + output, mask=is_output, other=0.0).to(tl.float32)[None, :]
    if HAS_RESIDUAL_BIAS:
        total += tl.load(residual_bias + output, mask=is_output, other=0.0).to(tl.float32)[None, :]
    place = begin[:, None] + output[None, :]
    is_inside = is_row[:, None] & is_output[None, :]
    total += tl.load(residual + place, mask=is_inside, other=0.0).to(tl.float32)
    tl.store(out + place, total.to(out.dtype.element_ty), mask=is_inside)
