"""Compile the kernels that the other stages launch, on all cores: Triton would compile them one after another."""

import multiprocessing
import os
import time

import torch

from perf.gpu.compiled import Launch, compile_for, different, piece_launches, prefill_launches, step_launches
from perf.gpu.stage import NUM_POSITIONS, Stage
from perf.gpu.timing import tell

REHEARSED = 90
"""What a rehearsal compiles for: an H100."""


def run(stage: Stage) -> None:
    """Compile into Triton's cache; no process but this one talks to the GPU."""
    started_s = time.perf_counter()
    launches = stage_launches(stage)
    listed_s = time.perf_counter() - started_s
    major, minor = torch.cuda.get_device_capability(stage.device) if stage.is_cuda else divmod(REHEARSED, 10)
    num_processes = max(1, min(os.cpu_count() or 1, len(launches)))
    fork = multiprocessing.get_context("fork")  # what is to be compiled cannot be sent
    processes = [
        fork.Process(target=_compile, args=(launches[index::num_processes], 10 * major + minor))
        for index in range(num_processes)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    tell(
        kernels=len(launches),
        listed_s=round(listed_s, 1),
        compiled_s=round(time.perf_counter() - started_s - listed_s, 1),
        processes=num_processes,
        failed=sum(process.exitcode != 0 for process in processes),
    )


def stage_launches(stage: Stage) -> list[Launch]:
    """What the stages launch: both models of the stage's size, and those in float32 that comparisons need."""
    kinds = [(stage.size, torch.bfloat16)]
    codecs = [(stage.size, torch.bfloat16)]
    if not stage.is_rehearsal:
        kinds += [("mid", torch.float32), (stage.size, torch.float32)]
        codecs += [("mid", torch.float32)]
    launches = []
    for size, dtype in kinds:
        kind = (NUM_POSITIONS, size, dtype)
        launches += different([*step_launches(64, *kind), *prefill_launches(256, *kind)])
    for size, dtype in codecs:
        launches += different([*piece_launches(32, 20, size, dtype), *piece_launches(1, 1, size, dtype)])
    return launches


def _compile(launches: list[Launch], capability: int) -> None:
    for launch in launches:
        compile_for(launch, capability)
