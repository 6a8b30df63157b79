"""Attention over a window of positions, of which a stream's slot keeps the keys and values."""

import triton
import triton.language as tl

UNSEEN = tl.constexpr(-1e30)


@triton.jit(do_not_specialize=["length"])
def window_attend(
    joint,
    angles,
    keys,
    values,
    slots,
    positions,
    out,
    length,
    stride_slot,
    scale,
    HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    CONTEXT: tl.constexpr,
    BLOCK_PAST: tl.constexpr,
    BLOCK_NEW: tl.constexpr,
):
    """Turn queries and keys, attend from each new position to its window, and keep the new keys and values.

    A slot keeps those of position ``p`` in place ``p % CONTEXT``, so that nothing is moved but what is new. A program
    has one head of one row, and nobody else reads or writes what it keeps.

    Args:
        joint: Queries, keys and values ``[B, length, 3, HEADS, HEAD_DIM]``.
        angles: Cosines and sines ``[B, length, HEAD_DIM / 2, 2]``.
        keys: Of all slots ``[S, CONTEXT, HEADS, HEAD_DIM]``, slots ``stride_slot`` apart; turned.
        values: As ``keys``.
        slots: ``[B]`` int64.
        positions: ``[B]`` int64: position of each row's first new element in its stream.
        out: ``[B, length, HEADS, HEAD_DIM]``, written.
        length: New positions of a row.
        stride_slot: Values from a slot to the next.
        scale: Of the products.
        HEADS: Heads.
        HEAD_DIM: Width of a head, a power of two.
        CONTEXT: Positions of the past that a slot keeps; a position sees itself and as many before it.
        BLOCK_PAST: Power of two that holds them.
        BLOCK_NEW: Power of two that holds the new positions.
    """
    width: tl.constexpr = HEADS * HEAD_DIM
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    position = tl.load(positions + row)
    begin = tl.load(slots + row) * stride_slot + head * HEAD_DIM
    column = tl.arange(0, HEAD_DIM)
    new = tl.arange(0, BLOCK_NEW)
    is_new = (new < length)[:, None]
    query, key = _turned(joint, angles, row, head, length, new, column, width, HEAD_DIM)
    place = (row * length + new)[:, None] * (3 * width) + head * HEAD_DIM + column[None, :]
    value = tl.load(joint + place + 2 * width, mask=is_new, other=0.0)

    past = tl.arange(0, BLOCK_PAST)
    is_past = (past < CONTEXT)[:, None]
    old_place = begin + past[:, None] * width + column[None, :]
    old_keys = tl.load(keys + old_place, mask=is_past, other=0.0)
    old_values = tl.load(values + old_place, mask=is_past, other=0.0)
    # the oldest, `position - CONTEXT`, is in the place that the first new one takes
    order = (past - position % CONTEXT + CONTEXT) % CONTEXT
    was_there = (past < CONTEXT) & (position - CONTEXT + order >= 0)
    sees_old = was_there[None, :] & (order[None, :] >= new[:, None])
    sees_new = (new[None, :] <= new[:, None]) & (new[None, :] >= new[:, None] - CONTEXT) & (new < length)[None, :]
    to_old = tl.dot(query, tl.trans(old_keys), input_precision="ieee") * scale
    to_new = tl.dot(query, tl.trans(key), input_precision="ieee") * scale
    to_old, to_new = tl.where(sees_old, to_old, UNSEEN), tl.where(sees_new, to_new, UNSEEN)
    peak = tl.maximum(tl.max(to_old, axis=1), tl.max(to_new, axis=1))[:, None]
    to_old, to_new = tl.exp(to_old - peak), tl.exp(to_new - peak)
    total = tl.sum(to_old, axis=1) + tl.sum(to_new, axis=1)
    y = tl.dot(to_old.to(value.dtype), old_values, input_precision="ieee")
    y = tl.dot(to_new.to(value.dtype), value, y, input_precision="ieee") / total[:, None]
    out_place = (row * length + new)[:, None] * width + head * HEAD_DIM + column[None, :]
    tl.store(out + out_place, y.to(value.dtype), mask=is_new)

    tl.debug_barrier()  # all of the past is read before some of it is written over
    kept_place = begin + ((position + new) % CONTEXT)[:, None] * width + column[None, :]
    is_kept = is_new & (new >= length - CONTEXT)[:, None]
    tl.store(keys + kept_place, key, mask=is_kept)
    tl.store(values + kept_place, value, mask=is_kept)


@triton.jit
def _turned(joint, angles, row, head, length, new, column, width: tl.constexpr, HEAD_DIM: tl.constexpr):
    """Queries and keys whose neighbouring pairs are turned, in float32, and rounded to the type that they had."""
    is_new = (new < length)[:, None]
    place = (row * length + new)[:, None] * (3 * width) + head * HEAD_DIM
    pair = (row * length + new)[:, None] * HEAD_DIM + (column // 2 * 2)[None, :]
    cosine = tl.load(angles + pair, mask=is_new, other=0.0).to(tl.float32)
    sine = tl.load(angles + pair + 1, mask=is_new, other=0.0).to(tl.float32)
    sine = tl.where((column % 2 == 0)[None, :], -sine, sine)
    itself, other = place + column[None, :], place + (column ^ 1)[None, :]
    query = tl.load(joint + itself, mask=is_new, other=0.0)
    key = tl.load(joint + width + itself, mask=is_new, other=0.0)
    across = tl.load(joint + other, mask=is_new, other=0.0).to(tl.float32)
    key_across = tl.load(joint + width + other, mask=is_new, other=0.0).to(tl.float32)
    turned = query.to(tl.float32) * cosine + across * sine
    key_turned = key.to(tl.float32) * cosine + key_across * sine
    return turned.to(query.dtype), key_turned.to(key.dtype)
