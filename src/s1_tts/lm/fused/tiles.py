"""Sizes of the kernels' tiles.

Those of rows are the same for any number of rows: a row's bits do not depend on its company. At 32 rows a tile of rows
is too small for the instructions of a whole group of warps, whose sums go in another order than those of one warp.
The others are chosen so that programs enough are in flight to keep the memory busy; no GPU has had its say yet.
"""

from dataclasses import dataclass

import torch

ROW_TILE = 32


@dataclass(frozen=True)
class LinearTile:
    """Tile of a linear layer.

    Args:
        outputs: Outputs of a program.
        width: Inputs of a step.
        num_warps: Warps of a program.
        num_stages: Steps whose loads are in flight.
    """

    outputs: int
    width: int
    num_warps: int
    num_stages: int


def linear_tile(num_outputs: int, dtype: torch.dtype) -> LinearTile:
    """Tile of a layer with so many outputs: about a program a multiprocessor.

    Args:
        num_outputs: Outputs of the layer.
        dtype: What it computes in; float32 takes half as many inputs a step, for the same memory.
    """
    width = 256 // dtype.itemsize
    if num_outputs <= 1536:
        return LinearTile(outputs=16, width=width, num_warps=4, num_stages=4)
    return LinearTile(outputs=32, width=width, num_warps=4, num_stages=4)


def gate_tile(dtype: torch.dtype) -> LinearTile:
    """Tile of the first half of a feed-forward, which reads two weights."""
    return LinearTile(outputs=32, width=256 // dtype.itemsize, num_warps=4, num_stages=3)


@dataclass(frozen=True)
class AttentionTile:
    """Tile of the attention over the pool.

    Args:
        queries: Neighbouring rows of a program, all of one slot.
        keys: Keys of a step.
        split_keys: Keys of a part; parts are computed side by side.
    """

    queries: int
    keys: int
    split_keys: int


DECODE_ATTENTION = AttentionTile(queries=1, keys=64, split_keys=256)
PREFILL_ATTENTION = AttentionTile(queries=8, keys=64, split_keys=1024)
SMALLEST_QUERY_TILE = 16
