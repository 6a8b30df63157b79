"""A server under load, beside the bare engines and fish-speech.

    python -m perf bench --quick                  under five minutes on two cores
    python -m perf bench --full DIR               all of it, a tiny checkpoint and one of full size

``python -m perf report`` makes tables and pictures of the records.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from perf.errors import MeasurementError
from perf.measurement import add_recording, add_settings, folder, recorder
from perf.server.checkpoint import measure_checkpoint
from perf.server.plan import Plan, quick_full, quick_tiny, whole_full, whole_tiny
from rich.console import Console

from s1_training.development.checkpoint import write_dev_checkpoint
from s1_tts.device import resolve_device
from s1_tts.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--quick", action="store_true", help="a few streams of everything")
    parser.add_argument("--tiny", type=folder, metavar="DIR", help="checkpoint of tiny size; made if not given")
    parser.add_argument("--full", type=folder, metavar="DIR", help="checkpoint of full size; left out if not given")
    parser.add_argument("--only", choices=["tiny", "full"], help="leave the other out")
    add_settings(parser)
    add_recording(parser)


def make_plans(arguments: argparse.Namespace, device: torch.device, made: Path) -> list[Plan]:
    """What to measure; a tiny checkpoint is made in ``made`` if none is given."""
    plans = []
    if arguments.only in {None, "tiny"}:
        tiny: Path = arguments.tiny or made / "tiny"
        if not arguments.tiny:
            write_dev_checkpoint(tiny, "tiny", seed=0)
        plans.append(quick_tiny(tiny) if arguments.quick else whole_tiny(tiny))
    if arguments.only in {None, "full"} and arguments.full:
        is_cuda = device.type == "cuda"
        plans.append(quick_full(arguments.full) if arguments.quick else whole_full(arguments.full, is_cuda=is_cuda))
    return plans


def run(arguments: argparse.Namespace) -> None:
    """Measure and record one checkpoint after the other, so that what took long is kept when the next one fails.

    Raises:
        MeasurementError: an argument is missing, or a comparison failed.
        S1Error: a setting or a checkpoint is wrong, or a server did not start.
    """
    if not arguments.full and (arguments.only == "full" or not (arguments.quick or arguments.only)):
        raise MeasurementError("--full: no folder is given; allowed: a folder, or to leave it out: --only tiny")
    settings = dict(arguments.setting)
    Settings.load(settings)  # refuses what is wrong before minutes have passed
    device = resolve_device(arguments.device)
    made = recorder("bench", arguments)
    console, started_s = Console(), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        plans = make_plans(arguments, device, Path(scratch))
        for plan in plans:
            subject = f"{plan.checkpoint.name}, quick" if arguments.quick else plan.checkpoint.name

            def say(line: str, subject: str = subject) -> None:
                spent = f"[dim]{time.monotonic() - started_s:6.0f} s[/dim]"
                console.print(f"{spent}  {subject}: {line}", highlight=False, soft_wrap=True)

            made.record(subject, measure_checkpoint(plan, device, settings, say))
    console.print(f"recorded in {made.file}")
