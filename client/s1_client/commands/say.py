"""``s1-tts say``: one text to a file, a pipe or the loudspeaker."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from s1_client.audio import AudioChunk, Speech, can_save, join
from s1_client.client import AsyncS1Client
from s1_client.commands import common
from s1_client.commands.groups import OfferedTo, WhichServer, takes_groups
from s1_client.options import SpeechOptions
from s1_client.player import Player
from s1_client.report import SpeechTimes, describe_progress, describe_result
from s1_client.sagemaker_async import AsyncSageMakerClient
from s1_protocol.option_kinds import Caller

STANDARD_STREAM = Path("-")


@takes_groups
def say(  # a command has as many parameters as it has options
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Audio file; its ending names the format. - writes raw 16-bit PCM."),
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Play it while it comes.")] = False,
    stream: Annotated[bool, typer.Option(help="Take the sound in chunks as it is made, or in one answer.")] = True,
    server: WhichServer,
    sagemaker: Annotated[
        str | None, typer.Option(metavar="ENDPOINT", help="Ask this SageMaker endpoint instead of a server.")
    ] = None,
    options: Annotated[SpeechOptions, OfferedTo(Caller.SAY)],
) -> None:
    """Say a text: to an audio file, as raw PCM to a pipe, or through the loudspeaker.

    Ends with 0 when all was said, 1 when the server refused or failed, 2 on wrong usage, 3 when no server answers, 4
    when the speech was cut before all of the text was said.
    """
    _check_output(output, play)
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")

    async def run() -> Said:
        async with AsyncExitStack() as stack:
            player = await stack.enter_async_context(Player()) if play else None
            client: AsyncS1Client | AsyncSageMakerClient
            client = AsyncSageMakerClient(sagemaker) if sagemaker else server.open_client()
            await stack.enter_async_context(client)
            saying = Saying(client, text, options, player, is_raw=output == STANDARD_STREAM)
            return await (saying.in_chunks() if stream else saying.at_once())

    try:
        said = asyncio.run(run())
        if output not in {None, STANDARD_STREAM}:
            said.speech.save(output)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has gone, which is no one's mistake
        raise typer.Exit(0) from None
    except common.FAILURES as error:
        common.fail(error)
    result = describe_result(said.times)
    if output == STANDARD_STREAM:
        Console(stderr=True, highlight=False, soft_wrap=True).print(result, markup=False)
    else:
        common.tell(f"{output}: {result}" if output else result)
    if said.speech.is_cut:
        common.tell_error("cut: max_frames was reached before all of the text was said")
        raise typer.Exit(common.ExitCode.CUT)


def _check_output(output: Path | None, play: bool) -> None:
    if output is None:
        if not play:
            raise typer.BadParameter("a file, - or --play is needed", param_hint="--output")
        return
    if output == STANDARD_STREAM:
        return
    if not can_save(output):
        raise typer.BadParameter(
            f"{output} names no audio format; try .wav, .flac, .ogg or .mp3", param_hint="--output"
        )
    if not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder {output.absolute().parent} does not exist", param_hint="--output")


@dataclass
class Said:
    """What was said, and when it came."""

    speech: Speech
    times: SpeechTimes


@dataclass
class Saying:
    """One text on its way to wherever it is to go.

    Args:
        client: Whom to ask.
        text: What to say.
        options: How to say it.
        player: Plays it, if it is to be heard.
        is_raw: Whether PCM goes to standard output.
    """

    client: AsyncS1Client | AsyncSageMakerClient
    text: str
    options: SpeechOptions
    player: Player | None
    is_raw: bool

    async def in_chunks(self) -> Said:
        """Take the stream and hand each chunk on as it comes."""
        chunks: list[AudioChunk] = []
        times = SpeechTimes()
        started_s = time.perf_counter()
        # the live line goes to the terminal only; a pipe gets the result and nothing else
        with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:
            async for chunk in self.client.stream(self.text, self.options):
                chunks.append(chunk)
                times.add_chunk(chunk)
                if live.console.is_terminal:
                    live.update(Text(describe_progress(times)), refresh=True)
                await self._hand_on(chunk)
        times.total_s = time.perf_counter() - started_s
        return Said(join(chunks), times)

    async def at_once(self) -> Said:
        """Take one answer and hand it on."""
        started_s = time.perf_counter()
        speech = await self.client.speak(self.text, self.options)
        times = SpeechTimes(audio_s=speech.duration_s, total_s=time.perf_counter() - started_s)
        chunk = AudioChunk(
            0, speech.samples, speech.sample_rate_hz, is_last=True, arrival_s=times.total_s, is_cut=speech.is_cut
        )
        await self._hand_on(chunk)
        return Said(speech, times)

    async def _hand_on(self, chunk: AudioChunk) -> None:
        if self.is_raw:
            sys.stdout.buffer.write(chunk.samples.astype("<i2").tobytes())
            sys.stdout.buffer.flush()
        if self.player is not None:
            await self.player.play(chunk)
