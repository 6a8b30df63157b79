"""The kernels in Triton's interpreter."""

from collections.abc import Iterator
from unittest import mock

import pytest

import tests.unit.kernels.interpreter  # noqa: F401  # comes before what it imports
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
