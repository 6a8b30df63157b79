"""``s1-tts batch``: many texts to a folder."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from s1_client.batch_items import Item, read_items
from s1_client.commands import common
from s1_client.commands.batch_jobs import batch_by_jobs
from s1_client.commands.gateway import WhichGateway
from s1_client.commands.groups import OfferedTo, WhichServer, takes_groups
from s1_client.direct_batch import JOURNAL_NAME, DirectBatch, Outcome
from s1_client.job_records import JobFormat
from s1_client.options import SpeechOptions
from s1_protocol.option_kinds import Caller


class AudioFormat(StrEnum):
    """Formats of the files."""

    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OGG = "ogg"
    """Not of jobs."""

    OPUS = "opus"
    """Of jobs only."""


@takes_groups
def batch(  # a command has as many parameters as it has options
    texts: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Text file, a text a line; or CSV: text[, id, voice].")
    ],
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where the audio files go.")],
    *,
    audio_format: Annotated[
        AudioFormat, typer.Option("--format", help="Format of the files; ogg not with --jobs, opus only with it.")
    ] = AudioFormat.WAV,
    streams: Annotated[int, typer.Option("--streams", "-j", min=1, max=256, help="Texts that are said at once.")] = 8,
    jobs: Annotated[bool, typer.Option("--jobs", help="Make each text a job of a gateway.")] = False,
    server: WhichServer,
    gateway: WhichGateway,
    options: Annotated[SpeechOptions, OfferedTo(Caller.BATCH)],
) -> None:
    """Say every text of a file; a second run says only what is missing, has failed or has changed.

    Ends with 0 when all are there, 1 when some failed (they are listed, and in FOLDER/batch.jsonl or, with --jobs, in
    FOLDER/report.csv), 2 on wrong usage, 3 when no server or gateway answers, 4 when all were said but some cut at
    --max-frames, 130 when interrupted.
    """
    wrong = AudioFormat.OGG if jobs else AudioFormat.OPUS
    if audio_format is wrong:
        allowed = ", ".join(each for each in AudioFormat if each is not wrong)
        raise typer.BadParameter(
            f"{wrong} {'with' if jobs else 'without'} --jobs; allowed: {allowed}", param_hint="--format"
        )
    if jobs:
        batch_by_jobs(texts, folder, JobFormat(audio_format), gateway, options)
    else:
        _batch_directly(DirectBatch(_read(texts), folder, audio_format, options), folder, streams, server)


def _read(texts: Path) -> list[Item]:
    try:
        return read_items(texts)
    except common.FAILURES as error:
        common.fail(error)


def _batch_directly(batch: DirectBatch, folder: Path, streams: int, server: WhichServer) -> None:
    try:
        num_open = len(batch.open_items())
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("speaking", total=num_open)

            async def run() -> list[Outcome]:
                async with server.open_client() as client:
                    return await batch.run(client, streams, lambda _outcome: bar.advance(task))

            outcomes = asyncio.run(run())
    except KeyboardInterrupt:
        common.tell_error("interrupted; the same command goes on from here")
        raise typer.Exit(common.ExitCode.INTERRUPTED) from None
    except common.FAILURES as error:
        common.fail(error)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    num_before = len(batch.items) - num_open
    num_said = num_open - len(failed)
    common.tell(f"{folder}: {num_said} said, {num_before} were there, {len(failed)} failed of {len(batch.items)}")
    for outcome in failed:
        common.tell_error(f"{outcome.name}: {outcome.error}")
    if failed:
        common.tell_error(f"the failures are in {folder / JOURNAL_NAME}; the same command tries them again")
        is_cut_only = all(outcome.audio_s is not None for outcome in failed)
        raise typer.Exit(common.ExitCode.CUT if is_cut_only else common.ExitCode.FAILED)
