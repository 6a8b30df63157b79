"""Of all tests that start no server."""

import ctypes
import gc
from collections.abc import Iterator

import pytest
import torch

# The models of these tests are so small that a second thread only waits for the first one.
torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="module")
def memory_goes_back() -> Iterator[None]:
    """What a file's tests computed with is given back to the system: glibc would keep it for the rest of the run."""
    yield
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc has it, musl has not
        libc.malloc_trim(0)
