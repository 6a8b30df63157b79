"""The whole benchmark: real servers under load, beside the bare engines, ``perf_analyzer`` and the reference.

    make bench          all of it, tiny and full size
    make bench-quick    under five minutes on two cores

Writes ``perf/results/<date>-<machine>/bench*``: a page, pictures, JSON, and CSV with a line for each run and stream.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for perf and tests.reference, not installed

from perf.hearing import DEMO_VOICE, Hearing, hear_checkpoint
from perf.page import goals_table, hearing_table, page, size_tables
from perf.perf_analyzer import AnalyzerError, install
from perf.plan import Plan, quick_full, quick_tiny, whole_full, whole_tiny
from perf.plots import draw
from perf.result_files import write_json, write_runs_csv, write_streams_csv
from perf.results import Conditions, SizeResult
from perf.sizes import ReferenceFailedError, measure_size
from perf.targets import Verdict, verdicts
from s1_protocol.errors import S1Error
from s1_tts.checkpoint.dev import write_dev_checkpoint
from s1_tts.device import resolve_device
from s1_tts.settings import Settings

PRINTED_WIDTH = 160
RESULTS = Path(__file__).resolve().parent / "results"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few streams of everything")
    parser.add_argument("--tiny", type=_folder, metavar="DIR", help="checkpoint of tiny size; made if not given")
    parser.add_argument("--full", type=_folder, metavar="DIR", help="checkpoint of full size; left out if not given")
    parser.add_argument("--only", choices=["tiny", "full", "voice"], help="leave the others out")
    parser.add_argument("--voice", type=_folder, default=DEMO_VOICE, metavar="DIR", help="checkpoint to listen to")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--setting", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="S1_*, such as max_slots=32"
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="where to write; else perf/results/<date>-<machine>"
    )
    return parser.parse_args(arguments)


def _folder(argument: str) -> Path:
    if not Path(argument).is_dir():
        raise argparse.ArgumentTypeError(f"no folder {argument}; allowed: the folder of a checkpoint")
    return Path(argument)


def _setting(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"got {argument!r}; allowed: NAME=VALUE, such as max_slots=32")
    return name, value


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


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measure, write and print.

    Raises:
        S1Error: a setting or a checkpoint is wrong, or a server did not start.
        AnalyzerError: ``perf_analyzer`` cannot be installed or failed.
        ReferenceFailedError: the reference failed.
    """
    settings = dict(arguments.setting)
    Settings.load(settings)  # refuses what is wrong before minutes have passed
    device = resolve_device(arguments.device)
    conditions = Conditions.describe(device)
    folder: Path = arguments.results or RESULTS / f"{conditions.machine.date}-{conditions.machine.name}"
    prefix = "bench-quick" if arguments.quick else "bench"
    started_s = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - started_s:6.0f} s[/dim]  {line}", highlight=False, soft_wrap=True)

    sizes: list[SizeResult] = []
    hearing: Hearing | None = None

    def write() -> list[Verdict]:
        """After each part, so that what took long is not lost when the next one fails."""
        goals = verdicts(sizes, hearing)
        write_json(folder / f"{prefix}.json", conditions, sizes, hearing)
        write_runs_csv(folder / f"{prefix}-runs.csv", sizes)
        write_streams_csv(folder / f"{prefix}-streams.csv", sizes)
        told = page(conditions, sizes, goals, draw(sizes, folder, prefix), hearing)
        (folder / f"{prefix}.md").write_text(told, encoding="utf-8")
        return goals

    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plans = make_plans(arguments, device, made)
        if any(plan.analyzer for plan in plans):
            install()
        folder.mkdir(parents=True, exist_ok=True)
        for plan in plans:
            sizes.append(measure_size(plan, device, settings, say))
            write()
    if arguments.only in {None, "voice"} and not arguments.quick:
        say(f"{arguments.voice.name}: listening")
        hearing = hear_checkpoint(arguments.voice, str(device))
        console.print(hearing_table(hearing).to_rich())
    goals = write()
    for size in sizes:
        console.rule(size.checkpoint)
        for table in size_tables(size):
            console.print(table.to_rich())
    console.print(goals_table(goals).to_rich())
    say(f"written: {folder / prefix}.md")


def main() -> int:
    """Run the command line; returns the exit code."""
    arguments = parse()
    if not arguments.full and arguments.only in {None, "full"} and (not arguments.quick or arguments.only == "full"):
        print("error: --full: no folder is given; allowed: a folder, or to leave it out: --only tiny", file=sys.stderr)
        return 2
    try:
        run(arguments, Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH))
    except (S1Error, AnalyzerError, ReferenceFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
