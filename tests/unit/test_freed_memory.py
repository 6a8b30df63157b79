"""What was freed goes back to the system."""

import ctypes

import psutil
import pytest
import torch

from s1_tts.freed_memory import give_back_freed_memory

PIECES, PIECE_BYTES = 2000, 100_000


def test_freed_memory_goes_back() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("needs glibc")
    pieces = [torch.ones(PIECE_BYTES, dtype=torch.uint8) for _ in range(PIECES)]
    kept = pieces[::100]  # among the others, so that the heap cannot simply shrink
    del pieces
    before = psutil.Process().memory_info().rss
    give_back_freed_memory()
    given_back = before - psutil.Process().memory_info().rss
    assert given_back > PIECES * PIECE_BYTES / 2
    assert all(piece[0] == 1 for piece in kept)
