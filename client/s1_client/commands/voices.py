"""``s1-tts voices``: look at voices and change them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from s1_client.commands import common
from s1_client.commands.groups import WhichServer, takes_groups
from s1_client.voices import NewRecording, StoreVoices, Voices
from s1_protocol.voice_record import VoiceRecord

app = typer.Typer(
    help="Look at voices and change them: on a running server, or in a store that servers read from.",
    no_args_is_help=True,
    rich_markup_mode=common.markup_mode(),
)

Store = Annotated[
    str | None, typer.Option(help="A folder, hf://owner/name or s3://bucket/prefix, to be used instead of a server.")
]
VoiceId = Annotated[str, typer.Argument(metavar="ID", help="Id of the voice: a-z, 0-9, dot, underscore, hyphen.")]


@app.command("add")
@takes_groups
def add(
    voice_id: VoiceId,
    *,
    audio: Annotated[list[Path], typer.Option(help="Sound file of any usual make, 1 to 90 s; several, in order.")],
    text: Annotated[list[str], typer.Option(help="What is said in it; one for each --audio, in the same order.")],
    metadata: Annotated[str, typer.Option(help="A JSON object to be kept with the voice.")] = "{}",
    store: Store = None,
    server: WhichServer,
) -> None:
    """Add a voice from recordings; a voice of the same id is replaced."""
    if len(audio) != len(text):
        raise typer.BadParameter(f"{len(audio)} files and {len(text)} texts", param_hint="--audio, --text")
    kept = _read_metadata(metadata)
    with _open_voices(server, store) as voices:
        recordings = [NewRecording(path.read_bytes(), said) for path, said in zip(audio, text, strict=True)]
        _tell(voices.add(voice_id, recordings, kept))


@app.command("list")
@takes_groups
def list_voices(*, store: Store = None, server: WhichServer) -> None:
    """Print the ids of all voices, one a line."""
    with _open_voices(server, store) as voices:
        for voice_id in voices.list():
            common.tell(voice_id)


@app.command("show")
@takes_groups
def show(voice_id: VoiceId, *, store: Store = None, server: WhichServer) -> None:
    """Print what is known of a voice, as JSON."""
    with _open_voices(server, store) as voices:
        _tell(voices.show(voice_id))


@app.command("change")
@takes_groups
def change(
    voice_id: VoiceId,
    *,
    text: Annotated[list[str] | None, typer.Option(help="What is said in each recording, in order.")] = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object: members to be set; null takes one out.")] = None,
    new_id: Annotated[str | None, typer.Option(help="Another id, which no voice has.")] = None,
    store: Store = None,
    server: WhichServer,
) -> None:
    """Change what is known of a voice; its recordings stay, and are not encoded again."""
    kept = None if metadata is None else _read_metadata(metadata)
    with _open_voices(server, store) as voices:
        _tell(voices.change(voice_id, metadata=kept, transcripts=text or [], new_id=new_id))


@app.command("remove")
@takes_groups
def remove(voice_id: VoiceId, *, store: Store = None, server: WhichServer) -> None:
    """Remove a voice; requests for it are then refused."""
    with _open_voices(server, store) as voices:
        voices.remove(voice_id)


@contextmanager
def _open_voices(server: WhichServer, store: str | None) -> Iterator[Voices]:
    """Open the voices that the options name; what fails while they are open ends the command."""
    try:
        if store is not None:
            yield StoreVoices(store)
        else:
            with server.open_sync_client() as client:
                yield client.voices
    except common.FAILURES as error:
        common.fail(error)


def _read_metadata(text: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no JSON: {error}", param_hint="--metadata") from error
    if not isinstance(metadata, dict):
        raise typer.BadParameter(f"{text!r} is no JSON object, such as {{}}", param_hint="--metadata")
    return metadata


def _tell(voice: VoiceRecord) -> None:
    common.tell(json.dumps(voice.to_json(), ensure_ascii=False, indent=2))
