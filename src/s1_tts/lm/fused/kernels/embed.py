"""Sum the embeddings of a column."""

import triton
import triton.language as tl

from s1_tts.lm.fused.kernels.draw import AGE, POSITION


@triton.jit
def embed(
    rows,
    columns,
    embeddings,
    codebook_embeddings,
    out,
    stride_rows,
    semantic_begin,
    num_semantic,
    codebook_size,
    scale,
    FIRST_COLUMN: tl.constexpr,
    NUM_CODEBOOKS: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_DIM: tl.constexpr,
):
    """Embed each row's column: that of the table at its start, else the one that its last frame left.

    Args:
        rows: Table of rows ``[R, stride_rows]`` int64; a negative position: no such row.
        columns: ``[R, 1 + NUM_CODEBOOKS]`` int64.
        embeddings: Of tokens ``[*, DIM]``.
        codebook_embeddings: Of the codes of all codebooks ``[*, DIM]``.
        out: ``[R, DIM]``, written.
        stride_rows: Width of the table.
        semantic_begin: Token id of semantic code 0.
        num_semantic: Semantic codes.
        codebook_size: Embeddings of a codebook.
        scale: Of a sum that has codes in it, a float32.
        FIRST_COLUMN: Where a column is in the table.
        NUM_CODEBOOKS: Codebooks of a frame.
        DIM: Width.
        BLOCK_DIM: Width computed by a program, a power of two.
    """
    row = tl.program_id(0)
    if tl.load(rows + row * stride_rows + POSITION) < 0:
        return
    if tl.load(rows + row * stride_rows + AGE) == 0:
        column = rows + row * stride_rows + FIRST_COLUMN
    else:
        column = columns + row * (1 + NUM_CODEBOOKS)
    width = tl.program_id(1) * BLOCK_DIM + tl.arange(0, BLOCK_DIM)
    inside = width < DIM
    token = tl.load(column)
    total = tl.load(embeddings + token * DIM + width, mask=inside, other=0.0).to(tl.float32)
    if (token >= semantic_begin) & (token < semantic_begin + num_semantic):
        for codebook in range(NUM_CODEBOOKS):
            code = tl.load(column + 1 + codebook) + codebook * codebook_size
            total += tl.load(codebook_embeddings + code * DIM + width, mask=inside, other=0.0).to(tl.float32)
        total = total * scale
    tl.store(out + row * DIM + width, total.to(out.dtype.element_ty), mask=inside)
