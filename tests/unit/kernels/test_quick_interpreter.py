"""What makes Triton's interpreter quick leaves its results and its language as they are, and tells an overflow."""

import pytest
import torch
import triton.language as tl
from triton.runtime.errors import InterpreterError

from tests.unit.kernels.overflow_kernel import write_double


def test_a_kernel_with_an_inner_function_computes_launch_after_launch() -> None:
    for number in (3, -(2**30), 2**30 - 1):
        out = torch.zeros(4, dtype=torch.int32)
        write_double[(1,)](out, number, count=4)
        assert out.tolist() == [2 * number] * 4


@pytest.mark.parametrize("number", [2**30, -(2**30) - 1])
def test_an_integer_that_overflows_is_told(number: int) -> None:
    with pytest.raises(InterpreterError, match="int32 overflow detected for operation add"):
        write_double[(1,)](torch.zeros(4, dtype=torch.int32), number, count=4)


def test_the_language_is_put_back_after_a_launch() -> None:
    before = {name: vars(tl)[name] for name in ("arange", "store", "static_range")}
    write_double[(1,)](torch.zeros(4, dtype=torch.int32), 1, count=4)
    assert {name: vars(tl)[name] for name in before} == before
