"""What single kernels take: which change pays, whatever the other stages say."""

import torch
import torch.nn.functional as F
from torch import nn

from perf.gpu.stage import Stage
from perf.gpu.timing import guarded, replayed_us, tell
from s1_tts.lm.layers import RMSNorm

PRODUCTS = {"wqkv": (4096, 1024), "wo": (1024, 2048), "w1": (3072, 1024), "w2": (1024, 3072), "head": (4097, 1024)}
NUM_WEIGHTS = 48
"""Weights that are read in turn: more than the cache holds."""


def run(stage: Stage) -> None:
    """Time an empty kernel, and each product by torch and by this project's kernel."""
    if not stage.is_cuda:
        return tell(note="nothing on a CPU")
    device = stage.device
    with guarded("us_per_tiny_kernel"):
        values = torch.zeros(1024, device=device)
        tell(us_per_tiny_kernel=replayed_us(device, lambda: [values.add_(1) for _ in range(500)], 500))
    from s1_tts.lm.fused.stack import add_linear, run_linear  # noqa: PLC0415  # needs Triton

    for rows in (1, 8, 32, 64):
        figures: dict[str, object] = {}
        for name, (outputs, width) in PRODUCTS.items():
            with guarded(f"product_{name}_{rows}"), torch.inference_mode():
                linears = [_linear(outputs, width, device) for _ in range(NUM_WEIGHTS)]
                norm = RMSNorm(width, 1e-6).to(device, torch.bfloat16)
                norm.weight.data.fill_(1.0)
                x = torch.randn(rows, width, device=device, dtype=torch.bfloat16)
                out = torch.zeros(rows, outputs, device=device, dtype=torch.bfloat16)
                by_torch = replayed_us(device, lambda: [F.linear(x, each.weight) for each in linears], NUM_WEIGHTS)  # noqa: B023

                def ours() -> None:
                    for each in linears:  # noqa: B023
                        if width > 1024:  # noqa: B023
                            add_linear(x, each, out)  # noqa: B023
                        else:
                            run_linear(x, norm, each, out)  # noqa: B023

                kernel_us = replayed_us(device, ours, NUM_WEIGHTS)
                gb_per_s = round(outputs * width * 2 / kernel_us / 1e3)
                figures[name] = {"torch_us": by_torch, "kernel_us": kernel_us, "kernel_gb_per_s": gb_per_s}
        tell(**{f"products_{rows}_rows": figures})


def _linear(outputs: int, width: int, device: torch.device) -> nn.Linear:
    linear = nn.Linear(width, outputs, bias=False, device=device, dtype=torch.bfloat16).requires_grad_(False)
    linear.weight.normal_(0, width**-0.5)
    return linear
