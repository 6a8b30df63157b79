"""Attention of the slow transformer over a pool of slots: each row has a length of its own."""

import triton
import triton.language as tl

from s1_tts.lm.fused.kernels.draw import POSITION


@triton.jit
def turn_and_keep(
    qkv,
    query_norm,
    key_norm,
    rotations,
    rows,
    slots,
    keys,
    values,
    stride_rows,
    stride_slot,
    eps,
    HAS_NORM: tl.constexpr,
    HEADS: tl.constexpr,
    KEY_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
):
    """Norm and turn the queries in place, and keep normed and turned keys, and values, in the pool.

    Args:
        qkv: ``[R, HEADS + 2 * KEY_HEADS, HEAD_DIM]``; queries are written.
        query_norm: ``[HEAD_DIM]``, read if ``HAS_NORM``.
        key_norm: As ``query_norm``.
        rotations: Cosine and sine of each position and pair ``[*, HEAD_DIM / 2, 2]`` float32.
        rows: Table of rows ``[R, stride_rows]`` int64; a negative position: no such row.
        slots: Slot of each row ``[R]`` int64.
        keys: Of the layer ``[slots, positions, KEY_HEADS, HEAD_DIM]``, written.
        values: As ``keys``.
        stride_rows: Width of the table.
        stride_slot: Values from a slot to the next.
        eps: Added to the mean square.
        HAS_NORM: Whether queries and keys are normed.
        HEADS: Query heads.
        KEY_HEADS: Key heads.
        HEAD_DIM: Width of a head, a power of two.
    """
    row, head = tl.program_id(0), tl.program_id(1)
    position = tl.load(rows + row * stride_rows + POSITION)
    if position < 0:
        return
    pair = tl.arange(0, HEAD_DIM // 2)
    source = qkv + (row * (HEADS + 2 * KEY_HEADS) + head) * HEAD_DIM
    even = tl.load(source + 2 * pair).to(tl.float32)
    odd = tl.load(source + 2 * pair + 1).to(tl.float32)
    if HAS_NORM:
        norm = query_norm if head < HEADS else key_norm
        scale = 1.0 / tl.sqrt((tl.sum(even * even, axis=0) + tl.sum(odd * odd, axis=0)) / HEAD_DIM + eps)
        even = even * scale * tl.load(norm + 2 * pair).to(tl.float32)
        odd = odd * scale * tl.load(norm + 2 * pair + 1).to(tl.float32)
    turn = rotations + position * HEAD_DIM + 2 * pair
    cosine, sine = tl.load(turn), tl.load(turn + 1)
    turned_even = even * cosine - odd * sine
    turned_odd = odd * cosine + even * sine
    if head < HEADS:
        tl.store(source + 2 * pair, turned_even.to(qkv.dtype.element_ty))
        tl.store(source + 2 * pair + 1, turned_odd.to(qkv.dtype.element_ty))
    else:
        slot = tl.load(slots + row)
        place = slot * stride_slot + (position * KEY_HEADS + head - HEADS) * HEAD_DIM
        tl.store(keys + place + 2 * pair, turned_even.to(keys.dtype.element_ty))
        tl.store(keys + place + 2 * pair + 1, turned_odd.to(keys.dtype.element_ty))
        width = tl.arange(0, HEAD_DIM)
        value = tl.load(source + KEY_HEADS * HEAD_DIM + width)
        tl.store(values + place + width, value.to(values.dtype.element_ty))


@triton.jit(do_not_specialize=["num_rows"])
def attend(
    qkv,
    rows,
    slots,
    keys,
    values,
    partial,
    extent,
    num_rows,
    stride_rows,
    stride_slot,
    scale,
    HEADS: tl.constexpr,
    KEY_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    QUERIES: tl.constexpr,
    BLOCK_QUERIES: tl.constexpr,
    BLOCK_KEYS: tl.constexpr,
    SPLIT_KEYS: tl.constexpr,
    SPLITS: tl.constexpr,
):
    """Attend over one part of the keys, from the queries of some rows that share a slot and of one key head.

    A part begins at the same key for every row, and a row's numbers end where its own length does, so they do not
    depend on the other rows.

    Args:
        qkv: ``[R, HEADS + 2 * KEY_HEADS, HEAD_DIM]``, queries turned.
        rows: Table of rows ``[R, stride_rows]`` int64; a negative position: no such row.
        slots: Slot of each row ``[R]`` int64.
        keys: Of the layer ``[slots, positions, KEY_HEADS, HEAD_DIM]``.
        values: As ``keys``.
        partial: Weighted values ``[R, HEADS, SPLITS, HEAD_DIM]`` float32, written.
        extent: Largest score and mass of each ``[R, HEADS, SPLITS, 2]`` float32, written.
        num_rows: Rows ``R``.
        stride_rows: Width of the table.
        stride_slot: Values from a slot to the next.
        scale: Of the scores.
        HEADS: Query heads.
        KEY_HEADS: Key heads.
        HEAD_DIM: Width of a head, a power of two of at least 16.
        QUERIES: Neighbouring rows of a program; they are in one slot.
        BLOCK_QUERIES: Queries of a program, at least those of its rows and 16.
        BLOCK_KEYS: Keys of a step.
        SPLIT_KEYS: Keys of a part.
        SPLITS: Parts.
    """
    group: tl.constexpr = HEADS // KEY_HEADS
    tile, key_head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    query = tl.arange(0, BLOCK_QUERIES)
    row = tile * QUERIES + query // group
    head = key_head * group + query % group
    is_query = (query < QUERIES * group) & (row < num_rows)
    position = tl.load(rows + row * stride_rows + POSITION, mask=is_query, other=-1)
    last = tl.max(position, axis=0)
    begin = split * SPLIT_KEYS
    if begin > last:
        return
    slot = tl.load(slots + tile * QUERIES)
    width = tl.arange(0, HEAD_DIM)
    is_seen = is_query & (position >= 0)
    q = tl.load(
        qkv + (row * (HEADS + 2 * KEY_HEADS) + head)[:, None] * HEAD_DIM + width[None, :],
        mask=is_seen[:, None],
        other=0.0,
    )
    best = tl.full([BLOCK_QUERIES], float("-inf"), tl.float32)
    mass = tl.zeros([BLOCK_QUERIES], tl.float32)
    total = tl.zeros([BLOCK_QUERIES, HEAD_DIM], tl.float32)
    base = slot * stride_slot + key_head * HEAD_DIM
    for start in range(begin, tl.minimum(begin + SPLIT_KEYS, last + 1), BLOCK_KEYS):
        index = start + tl.arange(0, BLOCK_KEYS)
        place = base + index[:, None] * (KEY_HEADS * HEAD_DIM) + width[None, :]
        k = tl.load(keys + place, mask=(index <= last)[:, None], other=0.0)
        scores = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
        scores = tl.where(index[None, :] <= position[:, None], scores, float("-inf"))
        higher = tl.maximum(best, tl.max(scores, axis=1))
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        weights = tl.exp(scores - shift[:, None])
        fade = tl.exp(best - shift)
        mass = mass * fade + tl.sum(weights, axis=1)
        v = tl.load(values + place, mask=(index <= last)[:, None], other=0.0)
        total = tl.dot(weights.to(v.dtype), v, total * fade[:, None], input_precision="ieee")
        best = higher
    place = (row * HEADS + head) * SPLITS + split
    tl.store(partial + place[:, None] * HEAD_DIM + width[None, :], total, mask=is_seen[:, None])
    tl.store(extent + place * 2, best, mask=is_seen)
    tl.store(extent + place * 2 + 1, mass, mask=is_seen)


@triton.jit
def combine(
    partial,
    extent,
    rows,
    out,
    stride_rows,
    HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    SPLIT_KEYS: tl.constexpr,
    SPLITS: tl.constexpr,
):
    """Put the parts of :func:`attend` together.

    Args:
        partial: ``[R, HEADS, SPLITS, HEAD_DIM]`` float32.
        extent: ``[R, HEADS, SPLITS, 2]`` float32.
        rows: Table of rows ``[R, stride_rows]`` int64; a negative position: no such row.
        out: ``[R, HEADS, HEAD_DIM]``, written; zeros where there is no row.
        stride_rows: Width of the table.
        HEADS: Query heads.
        HEAD_DIM: Width of a head, a power of two.
        SPLIT_KEYS: Keys of a part.
        SPLITS: Parts.
    """
    row, head = tl.program_id(0), tl.program_id(1)
    position = tl.load(rows + row * stride_rows + POSITION)
    width = tl.arange(0, HEAD_DIM)
    best = float("-inf")
    mass = 0.0
    total = tl.zeros([HEAD_DIM], tl.float32)
    # One after another: how many parts there are changes nothing for a row that needs fewer.
    for split in range(SPLITS):
        if split * SPLIT_KEYS <= position:
            place = (row * HEADS + head) * SPLITS + split
            part_best = tl.load(extent + place * 2)
            part_mass = tl.load(extent + place * 2 + 1)
            higher = tl.maximum(best, part_best)
            fade = tl.exp(best - higher)
            share = tl.exp(part_best - higher)
            mass = mass * fade + part_mass * share
            total = total * fade + tl.load(partial + place * HEAD_DIM + width) * share
            best = higher
    result = total / tl.where(position >= 0, mass, 1.0)
    tl.store(out + (row * HEADS + head) * HEAD_DIM + width, result.to(out.dtype.element_ty))
