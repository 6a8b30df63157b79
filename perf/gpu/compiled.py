"""The kernels, compiled for GPUs that are not here: registers, shared memory, spills.

What is compiled is what a server of S1-mini's published sizes launches, in bfloat16: the launches are recorded while
the model runs on tensors without memory.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver

from s1_training.development.codec import CodecSize, dev_codec_config
from s1_training.development.language_model import dev_lm_config
from s1_tts.codec.fused import blocks, convs
from s1_tts.codec.piece_graphs import FixedPieces, Shape
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.weights import Weights, published_shapes
from s1_tts.lm import kv_cache
from s1_tts.lm.fused import stack, step
from s1_tts.lm.fused.step import FusedPrefill, FusedStep
from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.model import DualArModel

CAPABILITIES = (80, 86, 89, 90, 100)
"""A100; A10G; L4 and L40S; H100 and H200; B200."""

NUM_SEMANTIC = 4096
_USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+)")


@dataclass(frozen=True, eq=False)
class Launch:
    """A kernel as it is launched.

    Args:
        kernel: What ``triton.jit`` made.
        arguments: Those that are not compiled in.
        constants: Those that are, and how many warps and loads in flight there are.
    """

    kernel: Any
    arguments: tuple[torch.Tensor | float | None, ...]
    constants: dict[str, int | bool]

    @property
    def name(self) -> str:
        """Its name and what tells it from others of that name."""
        told = [f"{name.lower()}={value}" for name, value in self.constants.items() if name.isupper()]
        dtypes = {value.dtype for value in self.arguments if isinstance(value, torch.Tensor)}
        kind = ", float32" if torch.bfloat16 not in dtypes and torch.float32 in dtypes else ""
        return f"{self.kernel.__name__}({', '.join(told)}{kind})"


@dataclass(frozen=True)
class Usage:
    """What a compiled kernel takes.

    Args:
        registers: Of a thread.
        stack_bytes: Of a thread, in memory: spilled registers.
        shared_bytes: Of a program.
    """

    registers: int
    stack_bytes: int
    shared_bytes: int


class LaunchLog:
    """Takes the place of the launcher, and notes what it is called with."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []

    def __call__(
        self,
        kernel: Any,  # as Triton has it
        grid: tuple[int, ...],
        *arguments: torch.Tensor | float | None,
        **constants: int | bool,
    ) -> None:
        """Note one launch."""
        self.launches.append(Launch(kernel, arguments, constants))


class AbsentGpu:
    """What Triton asks of a driver before it compiles, for a GPU that need not be here.

    Args:
        capability: Ten times its compute capability.
    """

    def __init__(self, capability: int) -> None:
        self._capability = capability

    def get_current_target(self) -> GPUTarget:
        """What it compiles for."""
        return GPUTarget("cuda", self._capability, 32)

    def get_current_device(self) -> int:
        """Triton keeps what it compiled by device, so each GPU is another one."""
        return self._capability

    def get_current_stream(self, device: int) -> int:
        """The default stream of a device."""
        del device
        return 0


@contextmanager
def recorded_launches() -> Iterator[LaunchLog]:
    """Note launches instead of launching."""
    log = LaunchLog()
    with (
        mock.patch.object(stack, "launch", log),
        mock.patch.object(step, "launch", log),
        mock.patch.object(convs, "launch", log),
        mock.patch.object(blocks, "launch", log),
    ):
        yield log


def meta_model(size: str, dtype: torch.dtype, num_positions: int) -> DualArModel:
    """A model of a development checkpoint's sizes, on tensors without memory."""
    config = dev_lm_config(size)
    with torch.device("meta"):
        model = DualArModel(config)
    begin = config.vocab_size - NUM_SEMANTIC - 22
    model.cut_heads(begin, NUM_SEMANTIC, begin - 11)
    model.eval().requires_grad_(False).to(dtype)
    model.make_tables(num_positions + 1)
    return model


def step_launches(
    num_rows: int, num_positions: int = 2048, size: str = "full", dtype: torch.dtype = torch.bfloat16
) -> list[Launch]:
    """Launches of one decode step."""
    with recorded_launches() as log:
        model, pool = _meta_parts(size, num_rows, num_positions, dtype)
        FusedStep(model, pool).run(num_rows)
    return log.launches


def prefill_launches(
    num_rows: int, num_positions: int = 2048, size: str = "full", dtype: torch.dtype = torch.bfloat16
) -> list[Launch]:
    """Launches of one prefill."""
    with recorded_launches() as log:
        model, pool = _meta_parts(size, 8, num_positions, dtype)
        FusedPrefill(model, pool, num_rows).run(num_rows)
    return log.launches


def piece_launches(
    num_rows: int, num_frames: int, size: CodecSize = "full", dtype: torch.dtype = torch.bfloat16
) -> list[Launch]:
    """Launches of a piece of the codec."""
    device, config = torch.device("meta"), dev_codec_config(size)
    tensors = {key: torch.empty(shape, device=device) for key, shape in published_shapes(config)}
    decoder = StreamingDecoder(Weights(tensors, device, dtype), config)
    decoder.use_kernels()
    with recorded_launches() as log:
        FixedPieces(decoder, num_rows, num_rows)._piece(Shape(num_rows, num_frames))
    return log.launches


def different(launches: list[Launch]) -> list[Launch]:
    """Launches that are compiled apart, in their order; of those of one name the first."""
    by_name: dict[str, Launch] = {}
    for launch in launches:
        by_name.setdefault(launch.name, launch)
    return list(by_name.values())


def compile_for(launch: Launch, capability: int) -> Any:  # Triton has no types
    """Compile a launch as Triton does when it is launched, into Triton's cache too; needs no GPU.

    From then on this process compiles for that GPU and launches nothing.

    Args:
        launch: What is launched.
        capability: Ten times the GPU's compute capability.
    """
    driver.set_active(AbsentGpu(capability))
    return launch.kernel.warmup(*launch.arguments, grid=(1,), **launch.constants)


def usage_of(launch: Launch, capability: int) -> Usage:
    """What a launch takes on a GPU."""
    compiled = compile_for(launch, capability)
    registers, stack_bytes = _resources(compiled.asm["cubin"])
    return Usage(registers, stack_bytes, compiled.metadata.shared)


def _meta_parts(size: str, num_slots: int, num_positions: int, dtype: torch.dtype) -> tuple[DualArModel, KvPool]:
    model = meta_model(size, dtype, num_positions)
    with mock.patch.object(kv_cache, "_free_bytes", return_value=1 << 60):
        pool = KvPool(model.config.slow, num_slots, num_positions, model.dtype, model.device)
    return model, pool


def _resources(cubin: bytes) -> tuple[int, int]:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        told = subprocess.run([tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True)
    found = _USAGE.search(told.stdout)
    if found is None:
        raise ValueError(f"cuobjdump tells no registers: {told.stdout!r}")
    return int(found[1]), int(found[2])
