"""What every measurement shares: its arguments, its recorder, and calls that are timed in turns."""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from perf.conditions import Conditions
from perf.records import Recorder
from s1_tts.device import resolve_device

DTYPES = ("auto", "float32", "bfloat16")


def add_subject(
    parser: argparse.ArgumentParser,
    *,
    checkpoint: Path | None = None,
    has_dtype: bool = False,
    threads: int | None = None,
) -> None:
    """Add the arguments that say what is measured and where the record goes.

    Args:
        parser: The command's parser.
        checkpoint: Default of ``--checkpoint``; none: it has to be given.
        has_dtype: Add ``--dtype``.
        threads: Default of ``--threads``; none: there is no such argument.
    """
    parser.add_argument("--checkpoint", type=folder, required=checkpoint is None, default=checkpoint, metavar="DIR")
    if has_dtype:
        parser.add_argument("--dtype", default="auto", choices=DTYPES)
    if threads is not None:
        parser.add_argument("--threads", type=int, default=threads, help="CPU threads; 0: the default (%(default)s)")
    add_recording(parser)


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` and ``--out``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the record; perf/results/<date>-<machine>")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--setting``, which may be given several times."""
    parser.add_argument(
        "--setting", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="S1_*, such as max_slots=32"
    )


def _setting(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"got {argument!r}; allowed: NAME=VALUE, such as max_slots=32")
    return name, value


def recorder(measurement: str, arguments: argparse.Namespace) -> Recorder:
    """The recorder of a command whose arguments came from :func:`add_subject` or :func:`add_recording`.

    Call it once torch's threads are set: they are part of the conditions.
    """
    return Recorder.to(arguments.out, measurement, Conditions.describe(resolve_device(arguments.device)))


def folder(argument: str) -> Path:
    """A folder that is there, as a type of :mod:`argparse`."""
    if not Path(argument).is_dir():
        raise argparse.ArgumentTypeError(f"no folder {argument}; allowed: the folder of a checkpoint")
    return Path(argument)


def seconds(call: Callable[[], object], device: torch.device | None = None) -> float:
    """Seconds of one call; with a CUDA device, until that has finished its work."""
    started_s = time.perf_counter()
    call()
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started_s


def values_in_turns(
    calls: Sequence[Callable[[], float]], rounds: int, *, warm_up: int = 1, calls_a_round: int = 1
) -> list[list[float]]:
    """Make several calls in turns: a machine that is slow for a while is slow for all of them.

    Args:
        calls: Each returns a figure of its own. Every second round has them in the opposite order.
        rounds: Rounds that count.
        warm_up: Rounds before, which do not.
        calls_a_round: Times that each is called in its turn.

    Returns:
        Figures of each call, ``[calls][rounds * calls_a_round]``.
    """
    values: list[list[float]] = [[] for _ in calls]
    for number in range(-warm_up, rounds):
        pairs = list(zip(calls, values, strict=True))
        for call, found in pairs if number % 2 == 0 else pairs[::-1]:
            new = [call() for _ in range(calls_a_round)]
            if number >= 0:
                found.extend(new)
    return values


def in_turns(
    calls: Sequence[Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 1,
    calls_a_round: int = 1,
    device: torch.device | None = None,
) -> list[list[float]]:
    """Seconds of several calls made in turns, as :func:`values_in_turns` makes them; a CUDA device is waited for."""
    timed = [partial(seconds, call, device) for call in calls]
    return values_in_turns(timed, rounds, warm_up=warm_up, calls_a_round=calls_a_round)


def best_s(call: Callable[[], object], repeats: int, *, warm_up: int = 1, device: torch.device | None = None) -> float:
    """Shortest of several calls, in seconds: on a shared machine it is nearest to what the code costs."""
    return min(in_turns([call], repeats, warm_up=warm_up, device=device)[0])
