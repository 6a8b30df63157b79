"""The ``s1-tts`` command."""

import asyncio
import sys
import time
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from s1_client.audio import Speech, can_save
from s1_client.client import AsyncS1Client
from s1_client.connection import DEFAULT_URL
from s1_client.errors import S1ClientError, UnreachableError
from s1_client.options import SpeechOptions
from s1_client.report import SpeechTimes, describe_progress, describe_result
from s1_tts.protocol import ServiceClass

app = typer.Typer(
    help="Speak through an S1-mini server.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


class ExitCode(IntEnum):
    """How ``s1-tts`` ends; 2 is wrong usage."""

    FAILED = 1
    UNREACHABLE = 3


@app.callback()
def main() -> None:
    """Keep ``say`` a command of its own, beside those to come."""


@app.command()
def say(  # noqa: PLR0913, PLR0917  # a command has as many parameters as it has options
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Audio file to write; its ending names the format.")],
    stream: Annotated[bool, typer.Option(help="Take the sound in chunks as it is made, or in one answer.")] = True,
    url: Annotated[str, typer.Option(help="Host and gRPC port of the server.")] = DEFAULT_URL,
    seed: Annotated[int | None, typer.Option(help="0 or more; the same seed gives the same speech.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 (always the most likely) to 2.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Over 0, to 1.")] = None,
    repetition_penalty: Annotated[float | None, typer.Option(help="0.5 to 2.")] = None,
    max_frames: Annotated[int | None, typer.Option(help="Longest speech, 1 to 4096; 21.53 are a second.")] = None,
    chunk_frames: Annotated[int | None, typer.Option(help="Frames a chunk, to 256; 0: the server chooses.")] = None,
    service: Annotated[ServiceClass | None, typer.Option(help="call goes before note.")] = None,
    deadline_ms: Annotated[int | None, typer.Option(help="Refuse if the first sound would be later; 0: never.")] = None,
) -> None:
    """Say a text and write it to an audio file.

    Ends with 0 when the file is written, 1 when the server refused or failed, 3 when no server answers.
    """
    if not can_save(output):
        raise typer.BadParameter(f"{output} names no audio format; try .wav, .flac or .ogg", param_hint="--output")
    if not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder {output.absolute().parent} does not exist", param_hint="--output")
    options = SpeechOptions(
        seed=seed,
        temperature=temperature,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        max_frames=max_frames,
        chunk_frames=chunk_frames,
        service=service,
        deadline_ms=deadline_ms,
    )
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    try:
        speech, times = asyncio.run((_say_in_chunks if stream else _say_at_once)(url, text, options))
        speech.save(output)
    except UnreachableError as error:
        _fail(f"{error}; is it running there?", ExitCode.UNREACHABLE)
    except (S1ClientError, OSError) as error:
        _fail(str(error), ExitCode.FAILED)
    Console(highlight=False, soft_wrap=True).print(f"{output}: {describe_result(times)}", markup=False)


async def _say_in_chunks(url: str, text: str, options: SpeechOptions) -> tuple[Speech, SpeechTimes]:
    parts = []
    times = SpeechTimes()
    started_s = time.perf_counter()
    # the live line goes to the terminal only; a pipe gets the result and nothing else
    with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:
        async with AsyncS1Client(url) as client:
            async for chunk in client.stream(text, options):
                parts.append(chunk.samples)
                times.add_chunk(chunk)
                if live.console.is_terminal:
                    live.update(Text(describe_progress(times)), refresh=True)
    times.total_s = time.perf_counter() - started_s
    return Speech(np.concatenate(parts), chunk.sample_rate_hz), times


async def _say_at_once(url: str, text: str, options: SpeechOptions) -> tuple[Speech, SpeechTimes]:
    started_s = time.perf_counter()
    async with AsyncS1Client(url) as client:
        speech = await client.speak(text, options)
    times = SpeechTimes(audio_s=speech.duration_s, total_s=time.perf_counter() - started_s)
    return speech, times


def _fail(message: str, code: ExitCode) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {message}", markup=False, style="red")
    raise typer.Exit(code)
