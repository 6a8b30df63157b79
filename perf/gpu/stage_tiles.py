"""Other tiles of the language model's kernels: what they would take."""

import itertools
from unittest import mock

import torch

from perf.gpu.products import Product
from perf.gpu.stage import Stage
from perf.gpu.timing import tell
from s1_tts.lm.fused import stack
from s1_tts.lm.fused.tiles import LinearTile

SHAPES = {"wqkv": (4096, 1024), "wo": (1024, 2048), "w2": (1024, 3072)}
REHEARSED = {"wqkv": (64, 32)}
ROWS = (1, 64)
OUTPUTS, WIDTHS, STAGES, WARPS = (16, 32, 64), (64, 128, 256), (3, 5), (2, 4, 8)


def run(stage: Stage) -> None:
    """Time each tile of each product, the ones nearest to the present first."""
    tiles = [LinearTile(*sizes) for sizes in itertools.product(OUTPUTS, WIDTHS, WARPS, STAGES)]
    tiles.sort(key=lambda tile: abs(tile.outputs - 32) / 16 + abs(tile.width - 128) / 64 + abs(tile.num_warps - 4) / 2)
    tiles, shapes = (tiles, SHAPES) if stage.is_cuda else (tiles[:1], REHEARSED)
    products = [Product(name, *sizes, stage) for name, sizes in shapes.items()]
    with torch.inference_mode():
        for tile, product in itertools.product(tiles, products):
            figures: dict[str, float | str] = {}
            for rows in ROWS:
                try:
                    with mock.patch.object(stack, "linear_tile", return_value=tile):
                        figures[f"{rows}_rows_us"] = product.time_us(rows)
                except Exception as fault:  # a tile may ask for more shared memory than there is
                    figures[f"{rows}_rows_us"] = type(fault).__name__
            tell(**{f"{product.name}_{tile.outputs}x{tile.width}_{tile.num_warps}w_{tile.num_stages}s": figures})
