"""The one place from which kernels are launched."""

from typing import Any

from torch import Tensor


def launch(
    kernel: Any,  # Triton has no types for its kernels
    grid: tuple[int, ...],
    *arguments: Tensor | float | None,
    num_warps: int = 4,
    num_stages: int = 3,
    **constants: int | bool,
) -> None:
    """Launch a kernel on the current stream.

    Args:
        kernel: What ``triton.jit`` made.
        grid: Programs in each dimension.
        arguments: Tensors, numbers, and none for a tensor that is not read.
        num_warps: Warps of a program.
        num_stages: Loads in flight in a loop.
        constants: Arguments that are compiled in.
    """
    kernel[grid](*arguments, num_warps=num_warps, num_stages=num_stages, **constants)
