"""The ``voices`` of a client: those of the servers it is connected to."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from s1_client.connection import RPC_ERRORS, Connection
from s1_client.errors import UnexpectedAnswerError
from s1_client.servers import Server, ServerPool
from s1_client.stream_call import Tensors
from s1_client.voices import NewRecording
from s1_protocol.names import Field, ModelName, VoiceOperation
from s1_protocol.tensors import VARIABLE, TensorSpec
from s1_protocol.voice_record import VoiceRecord

ANSWER_TIMEOUT_S = 600.0
"""Eight recordings of 90 s take minutes to encode on a small machine."""


_ONCE = frozenset({VoiceOperation.REMOVE, VoiceOperation.CHANGE})
"""Operations that are not asked for again at another server."""


class AsyncVoices:
    """Looks at the server's stored voices and changes them.

    Every call raises ``ServerError`` with the server's message if it refuses, ``UnreachableError`` if none answers.

    Args:
        servers: Servers that share a store; one of them is asked.
    """

    def __init__(self, servers: ServerPool) -> None:
        self._servers = servers

    async def list(self) -> list[str]:
        """Ids of all voices, sorted."""
        ids = await self._ask(VoiceOperation.LIST, {})
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            raise UnexpectedAnswerError(ModelName.VOICE, f"what is no list of ids: {json.dumps(ids)[:80]}")
        return ids

    async def show(self, voice_id: str) -> VoiceRecord:
        """What is known of a voice."""
        return _read_record(await self._ask(VoiceOperation.SHOW, {Field.VOICE: [voice_id.encode()]}))

    async def add(
        self, voice_id: str, recordings: Sequence[NewRecording], metadata: Mapping[str, Any] | None = None
    ) -> VoiceRecord:
        """Add a voice, or replace the one of the same id; the server encodes it before it answers.

        Args:
            voice_id: Its id.
            recordings: What it sounds like, in order.
            metadata: Kept with the voice.
        """
        fields = {
            Field.VOICE: [voice_id.encode()],
            Field.REFERENCE_AUDIO: [recording.audio for recording in recordings],
            Field.REFERENCE_TEXT: [recording.transcript.encode() for recording in recordings],
            Field.METADATA: [json.dumps(dict(metadata or {})).encode()],
        }
        return _read_record(await self._ask(VoiceOperation.ADD, fields))

    async def change(
        self,
        voice_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        transcripts: Sequence[str] = (),
        new_id: str | None = None,
    ) -> VoiceRecord:
        """Change what is known of a voice; its recordings stay, and are not encoded again.

        Args:
            voice_id: Its id.
            metadata: Members to be set; those that are None are taken out.
            transcripts: What is said in each recording, in order; none: they stay.
            new_id: Another id, which no voice has.
        """
        fields = {Field.VOICE: [voice_id.encode()]}
        if metadata is not None:
            fields[Field.METADATA] = [json.dumps(dict(metadata)).encode()]
        if transcripts:
            fields[Field.REFERENCE_TEXT] = [transcript.encode() for transcript in transcripts]
        if new_id is not None:
            fields[Field.NEW_ID] = [new_id.encode()]
        return _read_record(await self._ask(VoiceOperation.CHANGE, fields))

    async def remove(self, voice_id: str) -> None:
        """Remove a voice; requests for it are then refused."""
        await self._ask(VoiceOperation.REMOVE, {Field.VOICE: [voice_id.encode()]})

    async def _ask(self, operation: VoiceOperation, fields: Mapping[Field, Sequence[bytes]]) -> Any:
        tensors = [_tensor(Field.OPERATION, [operation.encode()]), *(_tensor(*item) for item in fields.items())]
        tried: set[Server] = set()
        while True:
            server = self._servers.choose(tried)
            tried.add(server)
            try:
                async with self._servers.using(server) as connection:
                    answer = await _answer_to(connection, tensors)
            except RPC_ERRORS as error:
                is_gone = await server.connection.is_broken_by(error)
                if is_gone:
                    server.failed()
                # what was removed or renamed before the connection broke would not be found the next time
                if not is_gone or operation in _ONCE or not self._servers.has_other(tried):
                    raise await server.connection.explain(error) from error
            else:
                server.succeeded()
                return answer


async def _answer_to(connection: Connection, tensors: Tensors) -> Any:
    responses = connection.stream(tensors, ANSWER_TIMEOUT_S, ModelName.VOICE)
    try:
        result = await responses.read()
        if result is not None:
            await responses.let_end()
    finally:
        responses.cancel()
    if result is None:
        raise UnexpectedAnswerError(ModelName.VOICE, "nothing")
    answer = result.as_numpy(Field.VOICES.value)
    if answer is None or answer.size != 1:
        raise UnexpectedAnswerError(ModelName.VOICE, f"no {Field.VOICES.value}")
    try:
        return json.loads(answer.reshape(-1)[0])
    except (ValueError, TypeError, RecursionError) as error:
        raise UnexpectedAnswerError(ModelName.VOICE, "what is no JSON") from error


def _read_record(answer: Any) -> VoiceRecord:
    try:
        return VoiceRecord.from_json(answer)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError(ModelName.VOICE, f"what is no voice: {json.dumps(answer)[:80]}") from error


def _tensor(name: Field, values: Sequence[bytes]) -> tuple[TensorSpec, npt.NDArray[Any]]:
    return TensorSpec(name, "STRING", (VARIABLE,)), np.array([list(values)], dtype=np.object_)
