"""What there is: the GPU, its ceilings, versions, tools."""

import os
import platform
import shutil
from pathlib import Path

import torch

from perf.gpu.stage import Stage
from perf.gpu.timing import guarded, tell, timed_ms

TOOLS = ("git", "g++", "nvcc", "nvidia-cuda-mps-control", "tritonserver")
COPY_BYTES = 2**31
PRODUCT_SIZE = 8192


def run(stage: Stage) -> None:
    """Look at the machine."""
    tell(
        torch=torch.__version__,
        python=platform.python_version(),
        cores=os.cpu_count(),
        commit=os.environ.get("COMMIT", "unknown"),
        tools={tool: shutil.which(tool) for tool in TOOLS},
        libpython=[str(file) for file in Path("/usr/lib/x86_64-linux-gnu").glob("libpython3.1*.so*")],
    )
    if not stage.is_cuda:
        return
    device = stage.device
    free, total = torch.cuda.mem_get_info(device)
    tell(
        gpu=torch.cuda.get_device_name(device),
        capability=torch.cuda.get_device_capability(device),
        cudnn=torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        free_gb=free / 1e9,
        total_gb=total / 1e9,
    )
    with guarded("triton"):
        import triton  # noqa: PLC0415  # absent on a rehearsal's machine at times

        tell(triton=triton.__version__)
    with guarded("copy_gb_per_s"):
        source, target = (torch.empty(COPY_BYTES, dtype=torch.uint8, device=device) for _ in range(2))
        source.random_(0, 255)
        tell(copy_gb_per_s=round(2 * COPY_BYTES / timed_ms(device, lambda: target.copy_(source)) / 1e6))
    with guarded("bf16_tflops"):
        matrix = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, device=device, dtype=torch.bfloat16)
        tell(bf16_tflops=round(2 * PRODUCT_SIZE**3 / timed_ms(device, lambda: matrix @ matrix) / 1e9))
