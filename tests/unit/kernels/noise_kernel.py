import triton
import triton.language as tl

from s1_tts.lm.fused.kernels.philox import uniform


@triton.jit
def write_uniform(out, seed, frame, first_block, count: tl.constexpr):
    tl.store(out + tl.arange(0, count), uniform(seed, frame, first_block, count))
