"""Matrix products of a decode step, by this project's kernels and by torch."""

import torch
from torch import nn

from perf.gpu.timing import replayed_us
from s1_tts.lm.fused import stack
from s1_tts.lm.layers import RMSNorm

NUM_WEIGHTS = 48
"""Weights that are read in turn: more than the cache holds."""

NORMED = {"wqkv", "w1", "head"}


class Product:
    """A product with more weights than the cache holds.

    Args:
        name: Its name; those in ``NORMED`` have a norm before them, the others add to what is there.
        outputs: Outputs.
        width: Inputs.
        device: The GPU.
    """

    def __init__(self, name: str, outputs: int, width: int, device: torch.device) -> None:
        self.name = name
        self._outputs, self._width, self._device = outputs, width, device
        kind = {"device": device, "dtype": torch.bfloat16}
        self._linears = [nn.Linear(width, outputs, bias=False, **kind) for _ in range(NUM_WEIGHTS)]
        self._norm = RMSNorm(width, 1e-6).to(device, torch.bfloat16)
        self._norm.weight.data.fill_(1.0)

    def time_us(self, rows: int) -> float:
        """Microseconds of one product."""
        x = torch.randn(rows, self._width, device=self._device, dtype=torch.bfloat16)
        out = torch.zeros(rows, self._outputs, device=self._device, dtype=torch.bfloat16)

        def call() -> None:
            for linear in self._linears:
                if self.name in NORMED:
                    stack.run_linear(x, self._norm, linear, out)
                else:
                    stack.add_linear(x, linear, out)

        return replayed_us(self._device, call, NUM_WEIGHTS)

    def torch_us(self, rows: int) -> float:
        """Microseconds of the product alone, by torch."""
        x = torch.randn(rows, self._width, device=self._device, dtype=torch.bfloat16)

        def call() -> None:
            for linear in self._linears:
                nn.functional.linear(x, linear.weight)

        return replayed_us(self._device, call, NUM_WEIGHTS)
