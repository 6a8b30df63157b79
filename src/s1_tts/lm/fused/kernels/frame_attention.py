"""Attention of the fast transformer: a frame has so few positions that one program holds them all."""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["start"])
def frame_attend(
    qkv,
    query_norm,
    key_norm,
    rotations,
    keys,
    values,
    out,
    start,
    eps,
    scale,
    NEW: tl.constexpr,
    HAS_NORM: tl.constexpr,
    HEADS: tl.constexpr,
    KEY_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    POSITIONS: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Turn queries and keys of the new positions, keep keys and values, and attend, for one row and key head.

    Args:
        qkv: ``[R, NEW, HEADS + 2 * KEY_HEADS, HEAD_DIM]``.
        query_norm: ``[HEAD_DIM]``, read if ``HAS_NORM``.
        key_norm: As ``query_norm``.
        rotations: Cosine and sine of each position and pair ``[*, HEAD_DIM / 2, 2]`` float32.
        keys: Of the layer ``[R, POSITIONS, KEY_HEADS, HEAD_DIM]``, written.
        values: As ``keys``.
        out: ``[R, NEW, HEADS, HEAD_DIM]``, written.
        start: First new position.
        eps: Added to the mean square.
        scale: Of the scores.
        NEW: New positions.
        HAS_NORM: Whether queries and keys are normed.
        HEADS: Query heads.
        KEY_HEADS: Key heads.
        HEAD_DIM: Width of a head, a power of two.
        POSITIONS: Positions of a frame.
        BLOCK_POSITIONS: The next power of two.
    """
    group: tl.constexpr = HEADS // KEY_HEADS
    row, key_head = tl.program_id(0), tl.program_id(1)
    pair = tl.arange(0, HEAD_DIM // 2)
    width = tl.arange(0, HEAD_DIM)
    index = tl.arange(0, BLOCK_POSITIONS)
    is_known = (index < start)[:, None]
    place = ((row * POSITIONS + index) * KEY_HEADS + key_head)[:, None] * HEAD_DIM
    even_keys = tl.load(keys + place + 2 * pair[None, :], mask=is_known, other=0.0).to(tl.float32)
    odd_keys = tl.load(keys + place + 2 * pair[None, :] + 1, mask=is_known, other=0.0).to(tl.float32)
    all_values = tl.load(values + place + width[None, :], mask=is_known, other=0.0).to(tl.float32)
    for new in tl.static_range(NEW):
        source = qkv + ((row * NEW + new) * (HEADS + 2 * KEY_HEADS) + HEADS + key_head) * HEAD_DIM
        even, odd = _turned(source, key_norm, rotations, start + new, eps, HAS_NORM, HEAD_DIM)
        even, odd = even.to(keys.dtype.element_ty), odd.to(keys.dtype.element_ty)
        value = tl.load(source + KEY_HEADS * HEAD_DIM + width)
        kept = ((row * POSITIONS + start + new) * KEY_HEADS + key_head) * HEAD_DIM
        tl.store(keys + kept + 2 * pair, even)
        tl.store(keys + kept + 2 * pair + 1, odd)
        tl.store(values + kept + width, value.to(values.dtype.element_ty))
        is_here = (index == start + new)[:, None]
        even_keys = tl.where(is_here, even.to(tl.float32)[None, :], even_keys)
        odd_keys = tl.where(is_here, odd.to(tl.float32)[None, :], odd_keys)
        all_values = tl.where(is_here, value.to(tl.float32)[None, :], all_values)
    for new in tl.static_range(NEW):
        for member in tl.static_range(group):
            head = key_head * group + member
            source = qkv + ((row * NEW + new) * (HEADS + 2 * KEY_HEADS) + head) * HEAD_DIM
            even, odd = _turned(source, query_norm, rotations, start + new, eps, HAS_NORM, HEAD_DIM)
            scores = tl.sum(even_keys * even[None, :], axis=1) + tl.sum(odd_keys * odd[None, :], axis=1)
            scores = tl.where(index <= start + new, scores * scale, float("-inf"))
            weights = tl.exp(scores - tl.max(scores, axis=0))
            weights = weights / tl.sum(weights, axis=0)
            attended = tl.sum(all_values * weights[:, None], axis=0)
            goal = out + ((row * NEW + new) * HEADS + head) * HEAD_DIM + width
            tl.store(goal, attended.to(out.dtype.element_ty))


@triton.jit
def _turned(source, norm, rotations, position, eps, HAS_NORM: tl.constexpr, HEAD_DIM: tl.constexpr):
    """Even and odd values of a head, normed and turned, float32."""
    pair = tl.arange(0, HEAD_DIM // 2)
    even = tl.load(source + 2 * pair).to(tl.float32)
    odd = tl.load(source + 2 * pair + 1).to(tl.float32)
    if HAS_NORM:
        scale = 1.0 / tl.sqrt((tl.sum(even * even, axis=0) + tl.sum(odd * odd, axis=0)) / HEAD_DIM + eps)
        even = even * scale * tl.load(norm + 2 * pair).to(tl.float32)
        odd = odd * scale * tl.load(norm + 2 * pair + 1).to(tl.float32)
    turn = rotations + position * HEAD_DIM + 2 * pair
    cosine, sine = tl.load(turn), tl.load(turn + 1)
    return even * cosine - odd * sine, odd * cosine + even * sine
