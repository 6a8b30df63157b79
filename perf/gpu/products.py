"""Matrix products of a decode step, by this project's kernels and by torch."""

import torch
from torch import nn

from perf.gpu.stage import Stage
from perf.gpu.timing import replayed_us
from s1_tts.lm.fused import stack
from s1_tts.lm.layers import RMSNorm

NUM_WEIGHTS, REHEARSED_WEIGHTS = 48, 2
"""Weights that are read in turn: more than the cache holds."""

NORMED = {"wqkv", "w1", "head"}


class Product:
    """A product with more weights than the cache holds.

    Args:
        name: Its name; those in ``NORMED`` have a norm before them, the others add to what is there.
        outputs: Outputs.
        width: Inputs.
        stage: Says where.
    """

    def __init__(self, name: str, outputs: int, width: int, stage: Stage) -> None:
        self.name = name
        self._outputs, self._width, self._device, self._dtype = outputs, width, stage.device, stage.dtype
        count = NUM_WEIGHTS if stage.is_cuda else REHEARSED_WEIGHTS
        self._linears = [
            nn.Linear(width, outputs, bias=False, device=stage.device, dtype=stage.dtype) for _ in range(count)
        ]
        self._norm = RMSNorm(width, 1e-6).to(stage.device, stage.dtype)
        self._norm.weight.data.fill_(1.0)

    def time_us(self, rows: int) -> float:
        """Microseconds of one product."""
        x = torch.randn(rows, self._width, device=self._device, dtype=self._dtype)
        out = torch.zeros(rows, self._outputs, device=self._device, dtype=self._dtype)

        def call() -> None:
            for linear in self._linears:
                if self.name in NORMED:
                    stack.run_linear(x, self._norm, linear, out)
                else:
                    stack.add_linear(x, linear, out)

        return replayed_us(self._device, call, len(self._linears))

    def torch_us(self, rows: int) -> float:
        """Microseconds of the product alone, by torch."""
        x = torch.randn(rows, self._width, device=self._device, dtype=self._dtype)

        def call() -> None:
            for linear in self._linears:
                nn.functional.linear(x, linear.weight)

        return replayed_us(self._device, call, len(self._linears))
