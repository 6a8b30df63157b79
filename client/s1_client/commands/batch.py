"""``s1-tts batch``: many texts to a folder."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from s1_client.batch_job import JOURNAL_NAME, BatchJob, Outcome, read_items
from s1_client.commands import common
from s1_client.commands.groups import OfferedTo, WhichServer, takes_groups
from s1_client.options import SpeechOptions
from s1_protocol.option_kinds import Caller


class AudioFormat(StrEnum):
    """Formats of the files."""

    WAV = "wav"
    FLAC = "flac"
    OGG = "ogg"
    MP3 = "mp3"


@takes_groups
def batch(
    texts: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Text file, a text a line; or CSV: text[, id, voice].")
    ],
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where the audio files go.")],
    *,
    audio_format: Annotated[AudioFormat, typer.Option("--format", help="Format of the files.")] = AudioFormat.WAV,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Texts that are said at once.")] = 8,
    server: WhichServer,
    options: Annotated[SpeechOptions, OfferedTo(Caller.BATCH)],
) -> None:
    """Say every text of a file; a second run says only what is missing, has failed or has changed.

    Ends with 0 when all are there, 1 when some failed (they are listed, and in FOLDER/batch.jsonl), 2 on wrong usage, 3
    when no server answers, 4 when all were said but some cut at --max-frames, 130 when interrupted.
    """
    try:
        job = BatchJob(read_items(texts), folder, audio_format.value, options)
        num_open = len(job.open_items())
        with Progress(
            console=Console(stderr=True), transient=True, disable=not Console(stderr=True).is_terminal
        ) as bar:
            task = bar.add_task("speaking", total=num_open)

            async def run() -> list[Outcome]:
                async with server.open_client() as client:
                    return await job.run(client, jobs, lambda _outcome: bar.advance(task))

            outcomes = asyncio.run(run())
    except KeyboardInterrupt:
        common.tell_error("interrupted; the same command goes on from here")
        raise typer.Exit(common.ExitCode.INTERRUPTED) from None
    except common.FAILURES as error:
        common.fail(error)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    num_before = len(job.items) - num_open
    num_said = num_open - len(failed)
    common.tell(f"{folder}: {num_said} said, {num_before} were there, {len(failed)} failed of {len(job.items)}")
    for outcome in failed:
        common.tell_error(f"{outcome.name}: {outcome.error}")
    if failed:
        common.tell_error(f"the failures are in {folder / JOURNAL_NAME}; the same command tries them again")
        is_cut_only = all(outcome.audio_s is not None for outcome in failed)
        raise typer.Exit(common.ExitCode.CUT if is_cut_only else common.ExitCode.FAILED)
