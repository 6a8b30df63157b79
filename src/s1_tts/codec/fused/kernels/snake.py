"""The codec's activation inside other kernels."""

import triton
import triton.language as tl


@triton.jit
def snake(x, alpha, inverse):
    """``x + sin(alpha x)^2 / alpha``.

    The sine is of a polynomial, after pi has been taken away in three parts: the square has the period pi. CUDA's own
    sine keeps a table in memory for arguments of any size, and takes five times the instructions. Up to an argument of
    10^4 the square is off by less than 5e-7; far beyond it stays between 0 and 1.

    Args:
        x: float32.
        alpha: float32.
        inverse: float32, of ``alpha``.
    """
    angle = x * alpha
    turns = (angle * 0.3183098861837907 + 12582912.0) - 12582912.0  # rounds to whole numbers: 1.5 * 2^23
    rest = angle - turns * 3.140625
    rest = rest - turns * 9.67502593994140625e-4
    rest = rest - turns * 1.509957990978376432e-7
    rest = tl.minimum(tl.maximum(rest, -1.5707963267948966), 1.5707963267948966)
    square = rest * rest
    # nearest to sin(r) / r on [0, pi / 2], found by weighted least squares: 6e-9 off
    tall = -1.98096029e-04 + square * 2.60578072e-06
    sine = rest + rest * square * (-1.66666596e-01 + square * (8.33306625e-03 + square * tall))
    return x + sine * sine * inverse
