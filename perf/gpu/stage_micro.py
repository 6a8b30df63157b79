"""What single kernels take: which change pays, whatever the other stages say."""

import torch

from perf.gpu.stage import Stage
from perf.gpu.timing import guarded, replayed_us, tell

PRODUCTS = {"wqkv": (4096, 1024), "wo": (1024, 2048), "w1": (3072, 1024), "w2": (1024, 3072), "head": (4097, 1024)}
REHEARSED = {"wqkv": (64, 32), "wo": (32, 32)}
ROWS = (1, 8, 32, 64)


def run(stage: Stage) -> None:
    """Time an empty kernel, and each product by torch and by this project's kernel."""
    device, count = stage.device, 500 if stage.is_cuda else 2
    with guarded("us_per_tiny_kernel"):
        values = torch.zeros(1024, device=device)
        tell(us_per_tiny_kernel=replayed_us(device, lambda: [values.add_(1) for _ in range(count)], count))
    from perf.gpu.products import Product  # noqa: PLC0415  # needs Triton

    for name, (outputs, width) in (PRODUCTS if stage.is_cuda else REHEARSED).items():
        with guarded(name), torch.inference_mode():
            product = Product(name, outputs, width, stage)
            for rows in ROWS if stage.is_cuda else ROWS[:1]:
                kernel_us = product.time_us(rows)
                gb_per_s = round(outputs * width * 2 / kernel_us / 1e3)
                figures = {"torch_us": product.torch_us(rows), "kernel_us": kernel_us, "kernel_gb_per_s": gb_per_s}
                tell(**{f"{name}_{rows}_rows": figures})
            del product
