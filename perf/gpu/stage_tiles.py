"""Other tiles of the language model's kernels: what they would take."""

import itertools
from unittest import mock

import torch
from torch import nn

from perf.gpu.stage import Stage
from perf.gpu.timing import replayed_us, tell
from s1_tts.lm.layers import RMSNorm

SHAPES = {"wqkv": (4096, 1024), "wo": (1024, 2048), "w2": (1024, 3072)}
ROWS = (1, 64)
OUTPUTS, WIDTHS, STAGES, WARPS = (16, 32, 64), (64, 128, 256), (3, 5), (2, 4, 8)
NUM_WEIGHTS = 48


def run(stage: Stage) -> None:
    """Time each tile of each product, the ones nearest to the present first."""
    if not stage.is_cuda:
        return tell(note="nothing on a CPU")
    from s1_tts.lm.fused import stack  # noqa: PLC0415  # needs Triton
    from s1_tts.lm.fused.tiles import LinearTile  # noqa: PLC0415

    device = stage.device
    tiles = [LinearTile(*sizes) for sizes in itertools.product(OUTPUTS, WIDTHS, WARPS, STAGES)]
    tiles.sort(key=lambda tile: abs(tile.outputs - 32) / 16 + abs(tile.width - 128) / 64 + abs(tile.num_warps - 4) / 2)
    linears: dict[str, list[nn.Linear]] = {}
    for name, (outputs, width) in SHAPES.items():
        linears[name] = [
            nn.Linear(width, outputs, bias=False, device=device, dtype=torch.bfloat16) for _ in range(NUM_WEIGHTS)
        ]
    with torch.inference_mode():
        for tile in tiles:
            for name, (outputs, width) in SHAPES.items():
                figures: dict[str, float | str] = {}
                for rows in ROWS:
                    x = torch.randn(rows, width, device=device, dtype=torch.bfloat16)
                    out = torch.zeros(rows, outputs, device=device, dtype=torch.bfloat16)
                    norm = RMSNorm(width, 1e-6).to(device, torch.bfloat16)
                    norm.weight.data.fill_(1.0)

                    def call(
                        name: str = name, x: torch.Tensor = x, out: torch.Tensor = out, norm: RMSNorm = norm
                    ) -> None:
                        for linear in linears[name]:
                            if name == "wqkv":
                                stack.run_linear(x, norm, linear, out)
                            else:
                                stack.add_linear(x, linear, out)

                    try:
                        with mock.patch.object(stack, "linear_tile", return_value=tile):
                            figures[f"{rows}_rows_us"] = replayed_us(device, call, NUM_WEIGHTS)
                    except Exception as fault:  # a tile may ask for more shared memory than there is
                        figures[f"{rows}_rows_us"] = type(fault).__name__
                tell(**{f"{name}_{tile.outputs}x{tile.width}_{tile.num_warps}w_{tile.num_stages}s": figures})
