"""A draw: penalty, nucleus, race and soundness of one row in one program, and what follows from the code drawn."""

import triton
import triton.language as tl

from s1_tts.lm.fused.kernels.philox import uniform

POSITION = tl.constexpr(0)
DRAW = tl.constexpr(1)
SEED = tl.constexpr(2)
AGE = tl.constexpr(3)
"""Columns of the table of rows; ``step.py`` names them for the host."""


@triton.jit(do_not_specialize=["codebook", "first_block"])
def draw(
    logits,
    rows,
    sampling,
    window,
    columns,
    frames,
    sound,
    embeddings,
    first,
    inputs,
    stride_rows,
    codebook,
    first_block,
    semantic_begin,
    IS_FIRST: tl.constexpr,
    IS_LAST: tl.constexpr,
    NUM_CODEBOOKS: tl.constexpr,
    CANDIDATES: tl.constexpr,
    BLOCK: tl.constexpr,
    WINDOW: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_DIM: tl.constexpr,
):
    """Draw a code of each row, as :func:`s1_tts.lm.sampling.sample_codes` does.

    Args:
        logits: ``[R, CANDIDATES]`` float32.
        rows: Table of rows ``[R, stride_rows]`` int64; a negative position: no such row.
        sampling: Temperature, top_p and penalty ``[R, 3]`` float32.
        window: Latest codes ``[R, NUM_CODEBOOKS, WINDOW]`` int64, a ring by age.
        columns: Next column ``[R, 1 + NUM_CODEBOOKS]`` int64, written.
        frames: ``[R, NUM_CODEBOOKS]`` int32, written; the first value is -1 where logits were not finite.
        sound: Whether all logits so far were finite ``[R]`` int32.
        embeddings: Of the codes, for the fast transformer ``[*, DIM]``.
        first: Its first inputs ``[R, DIM]``; read with the first codebook.
        inputs: Its next inputs, written: ``[R, 2, DIM]`` with the first codebook, else ``[R, DIM]``.
        stride_rows: Width of the table.
        codebook: Which one is drawn.
        first_block: First block of its noise.
        semantic_begin: Token id of semantic code 0.
        IS_FIRST: Whether it is the first codebook, whose last candidate ends the utterance.
        IS_LAST: Whether it is the last one.
        NUM_CODEBOOKS: Codebooks of a frame.
        CANDIDATES: Codes to choose from.
        BLOCK: The next power of two.
        WINDOW: Frames that a penalty looks back.
        DIM: Width of the fast transformer.
        BLOCK_DIM: The next power of two.
    """
    row = tl.program_id(0)
    position = tl.load(rows + row * stride_rows + POSITION)
    if position < 0:
        return
    age = tl.load(rows + row * stride_rows + AGE)
    temperature = tl.load(sampling + row * 3)
    top_p = tl.load(sampling + row * 3 + 1)
    penalty = tl.load(sampling + row * 3 + 2)
    code_index = tl.arange(0, BLOCK)
    inside = code_index < CANDIDATES
    x = tl.load(logits + row * CANDIDATES + code_index, mask=inside, other=0.0)
    total = tl.sum(x, axis=0)
    is_sound = total - total == 0.0

    latest = window + (row * NUM_CODEBOOKS + codebook) * WINDOW
    hit = tl.zeros([BLOCK], dtype=tl.int1)
    for i in range(WINDOW):
        hit = hit | ((code_index == tl.load(latest + i)) & (i < age))
    x = tl.where(hit, tl.where(x < 0, x * penalty, x / penalty), x)
    x = tl.where(inside, x, float("-inf"))
    best = tl.max(x, axis=0)

    # The nucleus: the most of the likeliest codes whose mass is at most top_p, never none. Their smallest weight is
    # found by halving: {weight >= high} always fits or is the likeliest alone, {weight >= low} never fits.
    weight = tl.where(inside, tl.exp(x - best), 0.0)
    mass = tl.sum(weight, axis=0)
    low = 0.0
    high = 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        fits = tl.sum(tl.where(weight >= middle, weight, 0.0), axis=0) <= top_p * mass
        high = tl.where(fits, middle, high)
        low = tl.where(fits, low, middle)
    kept = inside & (weight >= tl.where(top_p >= 1.0, 0.0, high))

    seed = tl.load(rows + row * stride_rows + SEED)
    number = tl.load(rows + row * stride_rows + DRAW)
    noise = tl.maximum(uniform(seed, number, first_block, BLOCK), 2.98023223876953125e-08)  # 2 ** -25
    race = x / tl.maximum(temperature, 1e-5) - tl.log(-tl.log(1.0 - noise))
    score = tl.where(temperature == 0.0, x, tl.where(kept, race, float("-inf")))
    code = tl.argmax(tl.where(inside, score, float("-inf")), axis=0)
    code = tl.minimum(code, CANDIDATES - 1)  # of NaN alone any place is the largest, and no embedding is beyond

    is_all_sound = is_sound
    if not IS_FIRST:
        is_all_sound = is_sound & (tl.load(sound + row) != 0)
    tl.store(sound + row, is_all_sound.to(tl.int32))
    tl.store(frames + row * NUM_CODEBOOKS + codebook, code)
    if IS_LAST:
        tl.store(frames + row * NUM_CODEBOOKS, -1, mask=is_all_sound == 0)
    if IS_FIRST:
        code = tl.minimum(code, CANDIDATES - 2)
        tl.store(columns + row * (1 + NUM_CODEBOOKS), semantic_begin + code.to(tl.int64))
    tl.debug_barrier()  # all have read the window
    tl.store(latest + age % WINDOW, code.to(tl.int64))
    tl.store(columns + row * (1 + NUM_CODEBOOKS) + 1 + codebook, code.to(tl.int64))
    if not IS_LAST:
        width = tl.arange(0, BLOCK_DIM)
        embedded = tl.load(embeddings + code.to(tl.int64) * DIM + width, mask=width < DIM)
        if IS_FIRST:
            begun = tl.load(first + row * DIM + width, mask=width < DIM)
            tl.store(inputs + row * 2 * DIM + width, begun, mask=width < DIM)
            tl.store(inputs + row * 2 * DIM + DIM + width, embedded, mask=width < DIM)
        else:
            tl.store(inputs + row * DIM + width, embedded, mask=width < DIM)
