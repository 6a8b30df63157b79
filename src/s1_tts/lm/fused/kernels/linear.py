"""Linear layers of a few rows, with what comes before and after them.

Reading the weights is the work, so each program reads its weights once, in one go, for a tile of rows. The tiles of
rows count fastest in the grid: programs that run together share weights in the cache.
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["num_rows"])
def normed_linear(
    x,
    norm,
    weight,
    bias,
    out,
    num_rows,
    num_outputs,
    stride_x,
    eps,
    WIDTH: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUTPUTS: tl.constexpr,
    BLOCK_WIDTH: tl.constexpr,
):
    """RMS norm and linear layer. The scale of the norm is the same over a row, so it is applied to the sums.

    Args:
        x: ``[num_rows, WIDTH]``, rows ``stride_x`` apart.
        norm: ``[WIDTH]``.
        weight: ``[num_outputs, WIDTH]``.
        bias: ``[num_outputs]``, read if ``HAS_BIAS``.
        out: ``[num_rows, num_outputs]``, written.
        num_rows: Rows.
        num_outputs: Outputs.
        stride_x: Values from a row to the next.
        eps: Added to the mean square.
        WIDTH: Inputs.
        HAS_BIAS: Whether there is a bias.
        BLOCK_ROWS: Rows of a program.
        BLOCK_OUTPUTS: Outputs of a program.
        BLOCK_WIDTH: Inputs of a step.
    """
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    output = tl.program_id(1) * BLOCK_OUTPUTS + tl.arange(0, BLOCK_OUTPUTS)
    is_row, is_output = row < num_rows, output < num_outputs
    total = tl.zeros([BLOCK_ROWS, BLOCK_OUTPUTS], tl.float32)
    squares = tl.zeros([BLOCK_ROWS], tl.float32)
    for start in range(0, WIDTH, BLOCK_WIDTH):
        index = start + tl.arange(0, BLOCK_WIDTH)
        inside = index < WIDTH
        values = tl.load(
            x + row[:, None] * stride_x + index[None, :], mask=is_row[:, None] & inside[None, :], other=0.0
        ).to(tl.float32)
        squares += tl.sum(values * values, axis=1)
        scale = tl.load(norm + index, mask=inside, other=0.0).to(tl.float32)
        weights = tl.load(
            weight + output[:, None] * WIDTH + index[None, :], mask=is_output[:, None] & inside[None, :], other=0.0
        )
        scaled = (values * scale[None, :]).to(weight.dtype.element_ty)
        total = tl.dot(scaled, tl.trans(weights), total, input_precision="ieee")
    total = total * (1.0 / tl.sqrt(squares / WIDTH + eps))[:, None]
    if HAS_BIAS:
        total += tl.load(bias + output, mask=is_output, other=0.0).to(tl.float32)[None, :]
    place = out + row[:, None].to(tl.int64) * num_outputs + output[None, :]
    tl.store(place, total.to(out.dtype.element_ty), mask=is_row[:, None] & is_output[None, :])


@triton.jit(do_not_specialize=["num_rows"])
def linear_added(
    x,
    weight,
    bias,
    residual,
    num_rows,
    num_outputs,
    WIDTH: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUTPUTS: tl.constexpr,
    BLOCK_WIDTH: tl.constexpr,
):
    """Linear layer, added to the residual stream in place.

    Args:
        x: ``[num_rows, WIDTH]``.
        weight: ``[num_outputs, WIDTH]``.
        bias: ``[num_outputs]``, read if ``HAS_BIAS``.
        residual: ``[num_rows, num_outputs]``, added to.
        num_rows: Rows.
        num_outputs: Outputs.
        WIDTH: Inputs.
        HAS_BIAS: Whether there is a bias.
        BLOCK_ROWS: Rows of a program.
        BLOCK_OUTPUTS: Outputs of a program.
        BLOCK_WIDTH: Inputs of a step.
    """
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    output = tl.program_id(1) * BLOCK_OUTPUTS + tl.arange(0, BLOCK_OUTPUTS)
    is_row, is_output = row < num_rows, output < num_outputs
    total = tl.zeros([BLOCK_ROWS, BLOCK_OUTPUTS], tl.float32)
    for start in range(0, WIDTH, BLOCK_WIDTH):
        index = start + tl.arange(0, BLOCK_WIDTH)
        inside = index < WIDTH
        values = tl.load(x + row[:, None] * WIDTH + index[None, :], mask=is_row[:, None] & inside[None, :], other=0.0)
        weights = tl.load(
            weight + output[:, None] * WIDTH + index[None, :], mask=is_output[:, None] & inside[None, :], other=0.0
        )
        total = tl.dot(values, tl.trans(weights), total, input_precision="ieee")
    if HAS_BIAS:
        total += tl.load(bias + output, mask=is_output, other=0.0).to(tl.float32)[None, :]
    place = residual + row[:, None] * num_outputs + output[None, :]
    is_inside = is_row[:, None] & is_output[None, :]
    total += tl.load(place, mask=is_inside, other=0.0).to(tl.float32)
    tl.store(place, total.to(residual.dtype.element_ty), mask=is_inside)


@triton.jit(do_not_specialize=["num_rows"])
def normed_gate(
    x,
    norm,
    gate,
    up,
    out,
    num_rows,
    num_outputs,
    eps,
    WIDTH: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUTPUTS: tl.constexpr,
    BLOCK_WIDTH: tl.constexpr,
):
    """RMS norm and the first half of SwiGLU: ``silu(gate x) * (up x)``.

    Args:
        x: ``[num_rows, WIDTH]``.
        norm: ``[WIDTH]``.
        gate: ``[num_outputs, WIDTH]``.
        up: As ``gate``.
        out: ``[num_rows, num_outputs]``, written.
        num_rows: Rows.
        num_outputs: Outputs.
        eps: Added to the mean square.
        WIDTH: Inputs.
        BLOCK_ROWS: Rows of a program.
        BLOCK_OUTPUTS: Outputs of a program.
        BLOCK_WIDTH: Inputs of a step.
    """
    row = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    output = tl.program_id(1) * BLOCK_OUTPUTS + tl.arange(0, BLOCK_OUTPUTS)
    is_row, is_output = row < num_rows, output < num_outputs
    gates = tl.zeros([BLOCK_ROWS, BLOCK_OUTPUTS], tl.float32)
    ups = tl.zeros([BLOCK_ROWS, BLOCK_OUTPUTS], tl.float32)
    squares = tl.zeros([BLOCK_ROWS], tl.float32)
    for start in range(0, WIDTH, BLOCK_WIDTH):
        index = start + tl.arange(0, BLOCK_WIDTH)
        inside = index < WIDTH
        values = tl.load(
            x + row[:, None] * WIDTH + index[None, :], mask=is_row[:, None] & inside[None, :], other=0.0
        ).to(tl.float32)
        squares += tl.sum(values * values, axis=1)
        scale = tl.load(norm + index, mask=inside, other=0.0).to(tl.float32)
        scaled = (values * scale[None, :]).to(gate.dtype.element_ty)
        place = output[:, None] * WIDTH + index[None, :]
        is_weight = is_output[:, None] & inside[None, :]
        gates = tl.dot(
            scaled, tl.trans(tl.load(gate + place, mask=is_weight, other=0.0)), gates, input_precision="ieee"
        )
        ups = tl.dot(scaled, tl.trans(tl.load(up + place, mask=is_weight, other=0.0)), ups, input_precision="ieee")
    scale_of_row = (1.0 / tl.sqrt(squares / WIDTH + eps))[:, None]
    gates = gates * scale_of_row
    total = gates / (1.0 + tl.exp(-gates)) * (ups * scale_of_row)
    place = out + row[:, None] * num_outputs + output[None, :]
    tl.store(place, total.to(out.dtype.element_ty), mask=is_row[:, None] & is_output[None, :])
