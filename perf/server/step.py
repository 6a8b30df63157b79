"""Where the time of a decode step goes: slow and fast transformer, sampling, codec, transport, Triton.

    python -m perf step --checkpoint DIR [--rows 8] [--device cpu]

The language model's and the codec's parts are timed in this process, by timers around the real functions
(``perf/engine/step_parts.py``). Transport and Triton are processor times of a running server under as many streams
(``perf/server/step_server.py``). All are per decode step, of as many frames as there are rows. "other in the step" is
what the step takes beyond its parts; "other in the engines" is what their computing threads use beyond steps and codec
(on a CPU only). Parts of different processes overlap in time, so their sum is work, not a waiting time. On CUDA the
language model's parts are timed without graphs, one by one; the step as it is served stands beside them.
"""

import argparse
from dataclasses import dataclass

from perf.engine.step_parts import StepParts, Subject, codec_s, step_parts
from perf.measurement import add_subject, recorder
from perf.server.step_server import ServerParts, server_parts

from s1_tts.device import resolve_device


@dataclass(frozen=True)
class StepFigures:
    """Where a step's time goes; seconds.

    Args:
        rows: Streams decoded at once.
        parts: Seconds of a step by part; they are all of it.
        step: Parts of a step of the language model.
        codec_s: Codec, for the frames of a step.
        server: Parts seen in a running server.
    """

    rows: int
    parts: dict[str, float]
    step: StepParts
    codec_s: float
    server: ServerParts


def parts_of(step: StepParts, codec_s: float, server: ServerParts, *, is_cpu: bool) -> dict[str, float]:
    """Seconds of a step by part."""
    parts = {
        "slow transformer": step.slow_s,
        "fast transformer": step.fast_s,
        "sampling": step.sampling_s,
        "other in the step": step.step_s - step.slow_s - step.fast_s - step.sampling_s,
        "codec": codec_s,
        "transport": server.transport_s,
        "Triton": server.triton_s,
    }
    if is_cpu:
        parts["other in the engines"] = server.computing_s - step.step_s - codec_s
    return parts


def measure(subject: Subject) -> StepFigures:
    """Time the parts in this process, then on a server."""
    step, codec, server = step_parts(subject), codec_s(subject), server_parts(subject)
    parts = parts_of(step, codec, server, is_cpu=not subject.device.startswith("cuda"))
    return StepFigures(subject.rows, parts, step, codec, server)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, has_dtype=True, threads=1)
    parser.add_argument("--rows", type=int, default=8, help="streams decoded at once (%(default)s)")
    parser.add_argument("--position", type=int, default=200, help="position of the timed steps (%(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="steps timed; more in the server (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measure, record and print."""
    subject = Subject(
        arguments.checkpoint,
        str(resolve_device(arguments.device)),
        arguments.dtype,
        arguments.threads,
        arguments.rows,
        arguments.position,
        arguments.steps,
    )
    made = recorder("step", arguments)
    figures = measure(subject)
    made.record(arguments.checkpoint.name, figures)
    for name, part_s in figures.parts.items():
        print(f"{name:>20}  {part_s * 1e3:8.2f} ms")
    print(f"{'all':>20}  {sum(figures.parts.values()) * 1e3:8.2f} ms; recorded in {made.file}")
