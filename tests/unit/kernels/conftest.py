"""The kernels in Triton's interpreter, which runs them on a CPU.

What ``triton.jit`` makes of a function is settled when it is decorated, Triton's own functions included; so all of them
are imported here, with the interpreter switched on, and it is off again for whatever else runs in this process.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from unittest import mock

import pytest

if "triton" in sys.modules:
    raise RuntimeError("Triton was imported before its interpreter was switched on: these kernels cannot run")
with mock.patch.dict(os.environ, TRITON_INTERPRET="1"):
    importlib.import_module("triton.experimental.gluon")  # which the interpreter imports when it first runs
    import s1_tts.codec.fused_join
    import s1_tts.lm.fused.step  # noqa: F401
    import tests.unit.kernels.noise_kernel  # noqa: F401
    from s1_tts.lm.fused import stack, tiles


@pytest.fixture(autouse=True, scope="session")
def large_tiles() -> Iterator[None]:
    """Fewer programs: each one takes the interpreter milliseconds."""
    tile = tiles.LinearTile(outputs=128, width=64, num_warps=1, num_stages=1)
    with (
        mock.patch.object(stack, "linear_tile", return_value=tile),
        mock.patch.object(stack, "gate_tile", return_value=tile),
    ):
        yield
