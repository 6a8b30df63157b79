"""Philox4x64-10, the counter-based generator that numpy has too (Salmon et al., SC 2011)."""

import triton
import triton.language as tl


@triton.jit
def uniform(seed, frame, first_block, BLOCK: tl.constexpr):
    """Uniform numbers in [0, 1) of one frame, eight a block: those of :func:`s1_tts.lm.noise.frame_noise`.

    Args:
        seed: Of the request, int64.
        frame: Number of the draw, int64.
        first_block: Block of eight numbers that the first one is in.
        BLOCK: Numbers wanted, a power of two of at least 8.
    """
    block = tl.arange(0, BLOCK // 8)
    c0 = (first_block + 1 + block).to(tl.uint64)  # numpy counts on before it computes
    c1 = tl.zeros([BLOCK // 8], tl.uint64) + frame.to(tl.uint64)
    c2 = tl.zeros([BLOCK // 8], tl.uint64)
    c3 = tl.zeros([BLOCK // 8], tl.uint64)
    k0 = c2 + seed.to(tl.uint64)
    k1 = c2
    m0 = tl.full([BLOCK // 8], 0xD2E7470EE14C6C93, tl.uint64)
    m1 = tl.full([BLOCK // 8], 0xCA5A826395121157, tl.uint64)
    w0 = tl.full([BLOCK // 8], 0x9E3779B97F4A7C15, tl.uint64)
    w1 = tl.full([BLOCK // 8], 0xBB67AE8584CAA73B, tl.uint64)
    for _ in tl.static_range(10):
        high0 = tl.umulhi(m0, c0)
        high1 = tl.umulhi(m1, c2)
        low0 = m0 * c0
        low1 = m1 * c2
        c0 = high1 ^ c1 ^ k0
        c1 = low1
        c2 = high0 ^ c3 ^ k1
        c3 = low0
        k0 = k0 + w0
        k1 = k1 + w1
    # a word's low half comes before its high half; the last dimension joined counts fastest
    low = tl.join(tl.join(_low(c0), _low(c2)), tl.join(_low(c1), _low(c3)))
    high = tl.join(tl.join(_high(c0), _high(c2)), tl.join(_high(c1), _high(c3)))
    return tl.reshape(tl.join(low, high), [BLOCK])


@triton.jit
def _low(word):
    return ((word & 0xFFFFFFFF) >> 8).to(tl.int32).to(tl.float32) * 5.9604644775390625e-08  # 2 ** -24


@triton.jit
def _high(word):
    return (word >> 40).to(tl.int32).to(tl.float32) * 5.9604644775390625e-08
