"""Look at voices and change them: on a running server, or in a store that servers read from."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import numpy as np
from tritonclient.grpc import InferResult
from tritonclient.grpc.aio import InferInput
from tritonclient.utils import InferenceServerException

from s1_client.connection import STREAM_HEADERS, Connection
from s1_client.errors import EarlyEndError, S1ClientError
from s1_tts.errors import S1Error
from s1_tts.protocol import Field, ModelName, VoiceOperation

STORE_EXTRA = "server"
"""Extra of the package that brings what a store needs."""


@dataclass(frozen=True)
class NewRecording:
    """A recording of a voice to be added.

    Args:
        audio: A whole WAV, FLAC, MP3 or OGG file of 1 to 90 s.
        transcript: What is said in it.
    """

    audio: bytes
    transcript: str


class VoiceError(S1ClientError):
    """A store refused, and says why."""


class Voices(Protocol):
    """Where voices are. Each call raises ``S1ClientError`` when it fails."""

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""

    def show(self, voice_id: str) -> dict[str, Any]:
        """What is known of a voice: ``id``, ``metadata``, ``recordings``."""

    def add(self, voice_id: str, recordings: Sequence[NewRecording], metadata: str) -> dict[str, Any]:
        """Add a voice, or replace the one of the same id; ``metadata`` is a JSON object."""

    def remove(self, voice_id: str) -> None:
        """Remove a voice."""


class ServerVoices:
    """The voices of a running server; it encodes what is added before it answers.

    Args:
        url: Host and gRPC port of the server.
        headers: Sent with every request.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = headers or {}

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""
        ids: list[str] = self._ask(VoiceOperation.LIST, {})
        return ids

    def show(self, voice_id: str) -> dict[str, Any]:
        """What is known of a voice."""
        voice: dict[str, Any] = self._ask(VoiceOperation.SHOW, {Field.VOICE: [voice_id.encode()]})
        return voice

    def add(self, voice_id: str, recordings: Sequence[NewRecording], metadata: str) -> dict[str, Any]:
        """Add a voice, or replace the one of the same id."""
        fields = {
            Field.VOICE: [voice_id.encode()],
            Field.REFERENCE_AUDIO: [recording.audio for recording in recordings],
            Field.REFERENCE_TEXT: [recording.transcript.encode() for recording in recordings],
            Field.METADATA: [metadata.encode()],
        }
        voice: dict[str, Any] = self._ask(VoiceOperation.ADD, fields)
        return voice

    def remove(self, voice_id: str) -> None:
        """Remove a voice."""
        self._ask(VoiceOperation.REMOVE, {Field.VOICE: [voice_id.encode()]})

    def _ask(self, operation: VoiceOperation, fields: Mapping[Field, Sequence[bytes]]) -> Any:
        inputs = [
            _bytes_input(name, values) for name, values in {Field.OPERATION: [operation.encode()], **fields}.items()
        ]
        return json.loads(asyncio.run(self._answer(inputs)))

    async def _answer(self, inputs: Sequence[InferInput]) -> bytes:
        connection = Connection(self._url, None, self._headers)
        try:
            async for result, error in connection.triton.stream_infer(
                _only({"model_name": ModelName.VOICE.value, "inputs": inputs}),
                headers={**connection.headers, **STREAM_HEADERS},
            ):
                if error is not None:
                    raise await connection.explain(error)
                return bytes(_element(result, Field.VOICES))
        except (grpc.aio.AioRpcError, InferenceServerException) as error:
            raise await connection.explain(error) from error
        finally:
            await connection.close()
        raise EarlyEndError(0)


class StoreVoices:
    """The voices of a store, without a server; whoever uses a voice first encodes it.

    Args:
        location: A folder, ``hf://owner/name[@revision]`` or ``s3://bucket[/prefix]``.

    Raises:
        VoiceError: the location is malformed, or a package is missing.
    """

    def __init__(self, location: str) -> None:
        try:
            # what a client installs has none of what a store needs
            from s1_tts.voices import audio, store, voice  # noqa: PLC0415
        except ImportError as error:
            raise VoiceError(f"{error.name} is not installed: pip install 's1-tts[{STORE_EXTRA}]'") from error
        self._voice = voice
        self._read_recording = audio.read_recording
        try:
            self._store = store.open_store(location)
        except S1Error as error:
            raise VoiceError(str(error)) from error

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""
        try:
            return self._store.list()
        except S1Error as error:
            raise VoiceError(str(error)) from error

    def show(self, voice_id: str) -> dict[str, Any]:
        """What is known of a voice."""
        try:
            return self._voice.describe(self._store.get(self._voice.check_voice_id(voice_id)))
        except S1Error as error:
            raise VoiceError(str(error)) from error

    def add(self, voice_id: str, recordings: Sequence[NewRecording], metadata: str) -> dict[str, Any]:
        """Add a voice, or replace the one of the same id."""
        voice = self._voice
        try:
            given = voice.check_recordings([voice.Recording(each.audio, each.transcript) for each in recordings])
            for recording in given:
                self._read_recording(recording.audio)
            added = voice.Voice(voice.check_voice_id(voice_id), given, voice.read_metadata(metadata))
            self._store.put(added)
        except S1Error as error:
            raise VoiceError(str(error)) from error
        described: dict[str, Any] = voice.describe(added)
        return described

    def remove(self, voice_id: str) -> None:
        """Remove a voice."""
        try:
            self._store.delete(self._voice.check_voice_id(voice_id))
        except S1Error as error:
            raise VoiceError(str(error)) from error


def _bytes_input(name: Field, values: Sequence[bytes]) -> InferInput:
    tensor = np.array([list(values)], dtype=np.object_)
    return InferInput(name.value, list(tensor.shape), "BYTES").set_data_from_numpy(tensor)


def _element(result: InferResult, name: Field) -> Any:
    tensor = result.as_numpy(name.value)
    if tensor is None or tensor.size != 1:
        raise EarlyEndError(0)
    return tensor.reshape(-1)[0]


async def _only(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request
