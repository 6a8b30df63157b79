"""``s1-tts voices``: look at voices and change them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from s1_client.commands import common
from s1_client.connection import DEFAULT_URL
from s1_client.voices import NewRecording, ServerVoices, StoreVoices, Voices

app = typer.Typer(
    help="Look at voices and change them: on a running server, or in a store that servers read from.",
    no_args_is_help=True,
)

Store = Annotated[
    str | None, typer.Option(help="A folder, hf://owner/name or s3://bucket/prefix, to be used instead of a server.")
]
VoiceId = Annotated[str, typer.Argument(metavar="ID", help="Id of the voice: a-z, 0-9, dot, underscore, hyphen.")]


@app.command("add")
def add(
    voice_id: VoiceId,
    audio: Annotated[list[Path], typer.Option(help="WAV, FLAC, MP3 or OGG file, 1 to 90 s; several, in order.")],
    text: Annotated[list[str], typer.Option(help="What is said in it; one for each --audio, in the same order.")],
    metadata: Annotated[str, typer.Option(help="A JSON object to be kept with the voice.")] = "{}",
    url: common.Url = DEFAULT_URL,
    store: Store = None,
) -> None:
    """Add a voice from recordings; a voice of the same id is replaced."""
    if len(audio) != len(text):
        raise typer.BadParameter(f"{len(audio)} files and {len(text)} texts", param_hint="--audio, --text")
    try:
        recordings = [NewRecording(path.read_bytes(), said) for path, said in zip(audio, text, strict=True)]
        _tell(_voices(url, store).add(voice_id, recordings, metadata))
    except common.FAILURES as error:
        common.fail(error)


@app.command("list")
def list_voices(url: common.Url = DEFAULT_URL, store: Store = None) -> None:
    """Print the ids of all voices, one a line."""
    try:
        for voice_id in _voices(url, store).list():
            common.tell(voice_id)
    except common.FAILURES as error:
        common.fail(error)


@app.command("show")
def show(voice_id: VoiceId, url: common.Url = DEFAULT_URL, store: Store = None) -> None:
    """Print what is known of a voice, as JSON."""
    try:
        _tell(_voices(url, store).show(voice_id))
    except common.FAILURES as error:
        common.fail(error)


@app.command("remove")
def remove(voice_id: VoiceId, url: common.Url = DEFAULT_URL, store: Store = None) -> None:
    """Remove a voice; requests for it are then refused."""
    try:
        _voices(url, store).remove(voice_id)
    except common.FAILURES as error:
        common.fail(error)


def _voices(url: str, store: str | None) -> Voices:
    return ServerVoices(url) if store is None else StoreVoices(store)


def _tell(voice: dict[str, object]) -> None:
    common.tell(json.dumps(voice, ensure_ascii=False, indent=2))
