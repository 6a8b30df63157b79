"""The one place from which kernels are launched, and what that needs."""

import importlib.util
import logging
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any

from torch import Tensor

log = logging.getLogger(__name__)


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


def power_of_two(count: int) -> int:
    """The smallest power of two that holds a count: the length that Triton allows a block."""
    return 1 << (count - 1).bit_length()


def missing_for_kernels() -> str | None:
    """What this machine lacks to launch kernels; none: nothing.

    Triton, which comes with torch's CUDA builds alone, compiles a few lines of C for each kernel when it is launched.
    """
    if importlib.util.find_spec("triton") is None:
        return "the package triton"
    compilers = [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"]
    if not any(map(shutil.which, compilers)):
        return f"a C compiler ({' or '.join(compilers)})"
    header = Path(sysconfig.get_path("include"), "Python.h")
    return None if header.exists() else f"Python's headers ({header})"


def can_launch() -> bool:
    """Whether kernels can be launched; what is missing is logged, since torch's layers are much slower."""
    missing = missing_for_kernels()
    if missing is not None:
        log.warning("this machine lacks %s: torch's layers compute, which are several times slower", missing)
    return missing is None
