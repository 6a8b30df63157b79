"""The kernels of the language model, compiled for GPUs that are not here: registers, shared memory, spills.

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
from triton.compiler import ASTSource

from s1_training.development.language_model import dev_lm_config
from s1_tts.lm import kv_cache
from s1_tts.lm.fused import stack, step
from s1_tts.lm.fused.step import FusedPrefill, FusedStep
from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.model import DualArModel

CAPABILITIES = (80, 86, 89, 90, 100)
"""A100; A10G; L4 and L40S; H100 and H200; B200."""

NUM_SEMANTIC = 4096
_TYPES = {torch.bfloat16: "bf16", torch.float32: "fp32", torch.int64: "i64", torch.int32: "i32"}
_USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+)")


@dataclass(frozen=True)
class Launch:
    """A kernel as it is launched.

    Args:
        kernel: What ``triton.jit`` made.
        types: Type of each argument that is not compiled in, by name.
        divisible: Names of the arguments that are multiples of 16.
        constants: Arguments that are compiled in.
        num_warps: Warps of a program.
        num_stages: Loads in flight in a loop.
    """

    kernel: Any
    types: tuple[tuple[str, str], ...]
    divisible: tuple[str, ...]
    constants: tuple[tuple[str, Any], ...]
    num_warps: int
    num_stages: int

    @property
    def name(self) -> str:
        """Its name and what tells it from others of that name."""
        told = [f"{name.lower()}={value}" for name, value in self.constants if value is not None]
        return f"{self.kernel.__name__}({', '.join(told)})"


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
        *arguments: Any,
        num_warps: int = 4,
        num_stages: int = 3,
        **constants: Any,
    ) -> None:
        """Note one launch."""
        names = kernel.arg_names[: len(arguments)]
        types, divisible = [], []
        fixed = dict(constants)
        skipped = {kernel.params[i].name for i in range(len(names)) if kernel.params[i].do_not_specialize}
        for name, value in zip(names, arguments, strict=True):
            if value is None or (isinstance(value, int) and value == 1 and name not in skipped):
                fixed[name] = value
                continue
            is_tensor = isinstance(value, torch.Tensor)
            types.append((name, f"*{_TYPES[value.dtype]}" if is_tensor else _number_type(value)))
            if is_tensor or (isinstance(value, int) and value % 16 == 0 and name not in skipped):
                divisible.append(name)
        ordered = tuple((name, fixed[name]) for name in kernel.arg_names if name in fixed)
        self.launches.append(Launch(kernel, tuple(types), tuple(divisible), ordered, num_warps, num_stages))


@contextmanager
def recorded_launches() -> Iterator[LaunchLog]:
    """Note launches instead of launching."""
    log = LaunchLog()
    with mock.patch.object(stack, "launch", log), mock.patch.object(step, "launch", log):
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


def step_launches(num_rows: int, num_positions: int = 2048, size: str = "full") -> list[Launch]:
    """Launches of one decode step."""
    with recorded_launches() as log:
        model, pool = _meta_parts(size, num_rows, num_positions)
        FusedStep(model, pool).run(num_rows)
    return log.launches


def prefill_launches(num_rows: int, num_positions: int = 2048, size: str = "full") -> list[Launch]:
    """Launches of one prefill."""
    with recorded_launches() as log:
        model, pool = _meta_parts(size, 8, num_positions)
        FusedPrefill(model, pool, num_rows).run(num_rows)
    return log.launches


def compile_for(launch: Launch, capability: int) -> Usage:
    """Compile a launch for a GPU that need not be here.

    Args:
        launch: What is launched.
        capability: Ten times the GPU's compute capability.
    """
    kernel = launch.kernel
    places = {name: index for index, name in enumerate(kernel.arg_names)}
    signature = {name: "constexpr" for name, _ in launch.constants} | dict(launch.types)
    attributes = {(places[name],): [["tt.divisibility", 16]] for name in launch.divisible}
    source = ASTSource(
        kernel,
        {name: signature[name] for name in kernel.arg_names},
        {(places[name],): value for name, value in launch.constants},
        attributes,
    )
    options = {"num_warps": launch.num_warps, "num_stages": launch.num_stages}
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    registers, stack_bytes = _resources(compiled.asm["cubin"])
    return Usage(registers, stack_bytes, compiled.metadata.shared)


def _meta_parts(size: str, num_slots: int, num_positions: int) -> tuple[DualArModel, KvPool]:
    model = meta_model(size, torch.bfloat16, num_positions)
    with mock.patch.object(kv_cache, "_free_bytes", return_value=1 << 60):
        pool = KvPool(model.config.slow, num_slots, num_positions + 1, model.dtype, model.device)
    return model, pool


def _number_type(value: float) -> str:
    if isinstance(value, float):
        return "fp32"
    return "i32" if abs(value) < 2**31 else "i64"


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
