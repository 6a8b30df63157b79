"""``s1-tts bench``: a quick table of first audio and real-time factor."""

import asyncio
import json
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from s1_client.client import AsyncS1Client
from s1_client.commands import common
from s1_client.commands.groups import OfferedTo, WhichServer, takes_groups
from s1_client.errors import ServerError
from s1_client.options import SpeechOptions
from s1_client.report import SpeechTimes
from s1_protocol.option_kinds import Caller

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody is surprised."


@dataclass(frozen=True)
class Row:
    """What so many callers at once saw.

    Args:
        callers: Streams that ran at once.
        requests: Streams in all.
        refused: Those that the server refused or that failed.
        first_audio_ms_median: From the request to its first chunk.
        first_audio_ms_worst: The same, of the slowest.
        rtf: Wall time of a stream / length of its sound, the median.
        audio_per_second: Length of all sound / wall time of the row.
    """

    callers: int
    requests: int
    refused: int
    first_audio_ms_median: float | None
    first_audio_ms_worst: float | None
    rtf: float | None
    audio_per_second: float


@takes_groups
def bench(
    *,
    callers: Annotated[list[int] | None, typer.Option(min=1, help="Streams at once; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Streams that each caller takes, one after the other.")] = 3,
    text: Annotated[str, typer.Option(help="What is said.")] = SENTENCE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line instead of a table.")] = False,
    server: WhichServer,
    options: Annotated[SpeechOptions, OfferedTo(Caller.BENCH)],
) -> None:
    """Measure first audio and real-time factor, with one caller and with several at once.

    A look, not a load test: it says nothing about tails. Ends with 0, 1 when a stream failed, 2 on wrong usage, 3 when
    no server answers.
    """

    async def run() -> list[Row]:
        async with server.open_client() as client:
            await _measure(client, text, options, 1, 1)  # what happens only once is not what is asked for
            return [await _measure(client, text, options, number, rounds) for number in callers or (1, 4, 8)]

    try:
        rows = asyncio.run(run())
    except common.FAILURES as error:
        common.fail(error)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
    else:
        _print_table(rows)
    if any(row.refused for row in rows):
        raise typer.Exit(common.ExitCode.FAILED)


async def _measure(client: AsyncS1Client, text: str, options: SpeechOptions, callers: int, rounds: int) -> Row:
    async def call() -> list[SpeechTimes | None]:
        return [await _times_of(client, text, options) for _ in range(rounds)]

    started_s = time.perf_counter()
    calls = await asyncio.gather(*(call() for _ in range(callers)))
    total_s = time.perf_counter() - started_s
    done = [times for call_times in calls for times in call_times if times is not None]
    first_ms = [times.arrivals_s[0] * 1000 for times in done]
    factors = [times.real_time_factor for times in done if times.real_time_factor is not None]
    return Row(
        callers=callers,
        requests=callers * rounds,
        refused=callers * rounds - len(done),
        first_audio_ms_median=statistics.median(first_ms) if done else None,
        first_audio_ms_worst=max(first_ms) if done else None,
        rtf=statistics.median(factors) if factors else None,
        audio_per_second=sum(times.audio_s for times in done) / total_s,
    )


async def _times_of(client: AsyncS1Client, text: str, options: SpeechOptions) -> SpeechTimes | None:
    """Take a stream; None if the server refused it or failed."""
    times = SpeechTimes()
    try:
        async for chunk in client.stream(text, options):
            times.add_chunk(chunk)
    except ServerError as error:
        common.tell_error(f"error: {error}")
        return None
    return times


def _print_table(rows: list[Row]) -> None:
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None)
    for heading in ("callers", "streams", "failed", "first audio ms", "worst ms", "RTF", "audio s/s"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row.callers),
            str(row.requests),
            str(row.refused),
            _figure(row.first_audio_ms_median, ".0f"),
            _figure(row.first_audio_ms_worst, ".0f"),
            _figure(row.rtf, ".2f"),
            _figure(row.audio_per_second, ".2f"),
        )
    console.print(table)
    common.tell("first audio and RTF (wall time / audio time) are medians of the streams")


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
