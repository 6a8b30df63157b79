"""A server that speaks Triton's gRPC and costs nothing: its speech is a tone, its voices are a dictionary.

``python -m tests.gateway.stand_in --port 8001`` runs it alone. Words in a text make it fail, see :class:`Trouble`.
"""

import argparse
import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import grpc
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor

from s1_protocol.checks import is_voice_id
from s1_protocol.names import Field, ModelName, VoiceOperation
from s1_protocol.request_options import VOICE
from s1_protocol.sound import FRAME_SAMPLES, FRAMES_PER_SECOND, SAMPLE_RATE_HZ
from s1_protocol.voice_record import RecordingRecord, VoiceRecord

TONE_HZ: Final = 440
FRAMES_PER_CHARACTER: Final = 1.4
DEFAULT_MAX_FRAMES: Final = 2048
FIRST_CHUNK_FRAMES: Final = 2
LONGEST_CHUNK_FRAMES: Final = 32

# a second has a whole number of waves, so that it can be repeated without a seam
_SECOND: Final = np.round(8000 * np.sin(2 * np.pi * TONE_HZ * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)).astype("<i2")
_TONE: Final = np.concatenate([_SECOND] * 4)


class Trouble(StrEnum):
    """Words that make a text fail."""

    INVALID = "TROUBLE-INVALID"
    BUSY = "TROUBLE-BUSY"
    BUSY_ONCE = "TROUBLE-ONCE"
    INTERNAL = "TROUBLE-INTERNAL"
    BREAK = "TROUBLE-BREAK"
    """After the first chunk."""
    STALL = "TROUBLE-STALL"
    """After the first chunk, until the caller leaves or :attr:`StandIn.is_stalling` ends."""
    EARLY_END = "TROUBLE-END"


class ModelError(Exception):
    """The model's error, as a stream tells it."""


def frames_of(text: str, max_frames: int = 2**31) -> int:
    """Length of a text's speech in frames."""
    return min(max(2, round(FRAMES_PER_CHARACTER * len(text))), max_frames)


def seconds_of(text: str) -> float:
    """Length of a text's speech in seconds."""
    return frames_of(text) * FRAME_SAMPLES / SAMPLE_RATE_HZ


@dataclass(eq=False)
class StandIn(service_pb2_grpc.GRPCInferenceServiceServicer):
    """The service.

    Args:
        speedup: How much faster than real time the speech is made; infinite: at once.
        ahead_s: How long before its playback a chunk is sent, at a speed of its own; None: ``speedup`` counts.
        first_s: Wait before the first chunk.
        level: Of its tone: other weights sound otherwise.
        is_ready: What the server says of itself.
        is_full: Whether every request is refused.
        is_stalling: Whether texts that stall still do.
        refuse_next: How many requests are refused before one is taken.
        voices: Stored voices by id.
        requests: Parsed inputs of all requests for speech.
        metadata: Headers of all calls.
        num_open: Streams of speech that are open.
        most_open: The most that ever were.
        num_cancelled: Streams whose caller left.
        num_refused: Requests refused as the queue is full.
    """

    speedup: float = float("inf")
    ahead_s: float | None = None
    first_s: float = 0.0
    level: float = 1.0
    is_ready: bool = True
    is_full: bool = False
    is_stalling: bool = True
    refuse_next: int = 0
    voices: dict[str, VoiceRecord] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    num_open: int = 0
    most_open: int = 0
    num_cancelled: int = 0
    num_refused: int = 0

    def reset(self) -> None:
        """Forget what other tests did; nothing must be under way."""
        self.speedup, self.first_s, self.is_ready, self.is_full = float("inf"), 0.0, True, False
        self.refuse_next, self.level, self.is_stalling = 0, 1.0, True
        self.voices.clear()
        self.requests.clear()
        self.metadata.clear()
        self.most_open = self.num_cancelled = self.num_refused = 0

    @property
    def texts(self) -> list[str]:
        """All texts that were to be said."""
        return [request[Field.TEXT] for request in self.requests]

    async def ServerLive(self, request, context):  # noqa: N802  # the protocol's name
        return service_pb2.ServerLiveResponse(live=True)

    async def ServerReady(self, request, context):  # noqa: N802  # the protocol's name
        return service_pb2.ServerReadyResponse(ready=self.is_ready)

    async def ModelReady(self, request, context):  # noqa: N802  # the protocol's name
        return service_pb2.ModelReadyResponse(ready=self.is_ready)

    async def ServerMetadata(self, request, context):  # noqa: N802  # the protocol's name
        return service_pb2.ServerMetadataResponse(name="triton", version="2.0")

    async def ModelStreamInfer(self, request_iterator, context):  # noqa: N802  # the protocol's name
        self.metadata.append(dict(context.invocation_metadata()))
        async for request in request_iterator:
            inputs = read_inputs(request)
            try:
                if request.model_name == ModelName.VOICE:
                    yield self._manage_voices(request, inputs)
                    continue
                async for response in self._speak(request, inputs):
                    yield response
            except ModelError as error:
                yield service_pb2.ModelStreamInferResponse(error_message=f"in ensemble 's1_mini_stream', {error}")

    async def _speak(
        self, request: service_pb2.ModelInferRequest, inputs: dict[str, Any]
    ) -> AsyncIterator[service_pb2.ModelStreamInferResponse]:
        self.requests.append(inputs)
        self.num_open += 1
        self.most_open = max(self.most_open, self.num_open)
        try:
            text = inputs[Field.TEXT]
            self._refuse(text, inputs)
            if self.first_s:
                await asyncio.sleep(self.first_s)
            is_cut = frames_of(text) > inputs.get(Field.MAX_FRAMES, DEFAULT_MAX_FRAMES)
            async for index, samples, is_last in self._chunks(inputs):
                yield self._chunk(request, index, samples, is_last, is_last and is_cut)
                if index == 0 and not is_last:
                    await self._trouble_midway(text)
                    if Trouble.EARLY_END in text:
                        return
        except asyncio.CancelledError:
            self.num_cancelled += 1
            raise
        finally:
            self.num_open -= 1

    def _refuse(self, text: str, inputs: dict[str, Any]) -> None:
        voice = inputs.get(Field.VOICE)
        if voice is not None and voice not in self.voices:
            raise ModelError(f"NOT_FOUND: there is no voice {voice!r}")
        if Trouble.INVALID in text:
            raise ModelError("INVALID_ARG: temperature: got 9; allowed: 0 to 2")
        if Trouble.INTERNAL in text:
            raise ModelError("INTERNAL: internal error 0123456789ab; the server's log has the details under this id")
        is_second = text in self.texts[:-1]
        if self.refuse_next:
            self.refuse_next -= 1
            self.num_refused += 1
            raise ModelError("UNAVAILABLE: the queue is full")
        if self.is_full or Trouble.BUSY in text or (Trouble.BUSY_ONCE in text and not is_second):
            self.num_refused += 1
            raise ModelError("UNAVAILABLE: the queue is full")

    async def _trouble_midway(self, text: str) -> None:
        if Trouble.BREAK in text:
            raise ModelError("INTERNAL: internal error 0123456789ab; the server's log has the details under this id")
        if Trouble.STALL in text:
            while self.is_stalling:  # noqa: ASYNC110  # it is set by another thread
                await asyncio.sleep(0.01)

    async def _chunks(self, inputs: dict[str, Any]) -> AsyncIterator[tuple[int, npt.NDArray[np.int16], bool]]:
        total = frames_of(inputs[Field.TEXT], inputs.get(Field.MAX_FRAMES, DEFAULT_MAX_FRAMES))
        fixed = inputs.get(Field.CHUNK_FRAMES, 0)
        made, index, size = 0, 0, fixed or FIRST_CHUNK_FRAMES
        begun_s = asyncio.get_running_loop().time()
        while made < total:
            frames = min(size, total - made)
            if self.ahead_s is not None:
                due_s = begun_s + made / FRAMES_PER_SECOND - self.ahead_s
                await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
            elif self.speedup != float("inf"):
                await asyncio.sleep(frames / FRAMES_PER_SECOND / self.speedup)
            start = made * FRAME_SAMPLES % SAMPLE_RATE_HZ
            made += frames
            samples = _TONE[start : start + frames * FRAME_SAMPLES]
            yield index, samples if self.level == 1 else (self.level * samples).astype("<i2"), made == total
            index += 1
            size = fixed or min(2 * size, LONGEST_CHUNK_FRAMES)

    @staticmethod
    def _chunk(
        request: service_pb2.ModelInferRequest, index: int, samples: npt.NDArray[np.int16], is_last: bool, is_cut: bool
    ) -> service_pb2.ModelStreamInferResponse:
        response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1", id=request.id)
        for name, datatype, shape, raw in (
            (Field.AUDIO, "INT16", (1, len(samples)), samples.tobytes()),
            (Field.SAMPLE_RATE, "INT32", (1, 1), SAMPLE_RATE_HZ.to_bytes(4, "little")),
            (Field.CHUNK_INDEX, "INT32", (1, 1), index.to_bytes(4, "little")),
            (Field.IS_LAST, "BOOL", (1, 1), bytes([is_last])),
            (Field.IS_CUT, "BOOL", (1, 1), bytes([is_cut])),
        ):
            response.outputs.add(name=name.value, datatype=datatype, shape=shape)
            response.raw_output_contents.append(raw)
        return service_pb2.ModelStreamInferResponse(infer_response=response)

    def _manage_voices(
        self, request: service_pb2.ModelInferRequest, inputs: dict[str, Any]
    ) -> service_pb2.ModelStreamInferResponse:
        voice = inputs.get(Field.VOICE)
        operation = inputs[Field.OPERATION]
        if (
            operation in (VoiceOperation.SHOW, VoiceOperation.REMOVE, VoiceOperation.CHANGE)
            and voice not in self.voices
        ):
            raise ModelError(f"NOT_FOUND: there is no voice {voice!r}")
        answer: Any = None
        if operation == VoiceOperation.LIST:
            answer = sorted(self.voices)
        elif operation == VoiceOperation.REMOVE:
            del self.voices[voice]
        else:
            if operation == VoiceOperation.CHANGE:
                voice = self._change_voice(voice, inputs)
            if operation == VoiceOperation.ADD:
                if not is_voice_id(voice):
                    raise ModelError(f"INVALID_ARG: voice: got {voice!r}; allowed: {VOICE.allowed}")
                recordings = [RecordingRecord(inputs[Field.REFERENCE_TEXT], len(inputs[Field.REFERENCE_AUDIO]))]
                metadata = json.loads(inputs[Field.METADATA])
                self.voices[voice] = VoiceRecord(voice, tuple(recordings), metadata)
            answer = self.voices[voice].to_json()
        response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1", id=request.id)
        told = json.dumps(answer).encode()
        response.outputs.add(name=Field.VOICES.value, datatype="BYTES", shape=(1, 1))
        response.raw_output_contents.append(len(told).to_bytes(4, "little") + told)
        return service_pb2.ModelStreamInferResponse(infer_response=response)

    def _change_voice(self, voice: str, inputs: dict[str, Any]) -> str:
        was = self.voices.pop(voice)
        metadata = {**was.metadata, **json.loads(inputs.get(Field.METADATA, "{}"))}
        kept = {name: value for name, value in metadata.items() if value is not None}
        transcript = inputs.get(Field.REFERENCE_TEXT)
        recordings = [replace(each, transcript=transcript or each.transcript) for each in was.recordings]
        new_id = inputs.get(Field.NEW_ID, voice)
        self.voices[new_id] = VoiceRecord(new_id, tuple(recordings), kept)
        return new_id


_NUMBERS: Final = {"INT32": "<i4", "INT64": "<i8", "FP32": "<f4", "BOOL": "?"}


def read_inputs(request: service_pb2.ModelInferRequest) -> dict[str, Any]:
    """The elements of each input of a request: one as it is, several as a list."""
    inputs: dict[str, Any] = {}
    for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
        if tensor.datatype == "BYTES":
            contents = deserialize_bytes_tensor(raw).tolist()
            values = contents if tensor.name == Field.REFERENCE_AUDIO else [each.decode() for each in contents]
            inputs[tensor.name] = values[0] if len(values) == 1 else values
        else:
            inputs[tensor.name] = np.frombuffer(raw, _NUMBERS[tensor.datatype])[0].item()
    return inputs


@contextmanager
def running(service: StandIn, port: int = 0) -> Iterator[str]:
    """Serve from a thread with a loop of its own; gives host and port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stand-in")
    thread.start()
    server, bound = asyncio.run_coroutine_threadsafe(_start(service, port), loop).result()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(grace=None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(service: StandIn, port: int) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(service, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server, bound


def main() -> None:
    """Run it alone, until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--speedup", type=float, default=float("inf"), help="how much faster than real time")
    parser.add_argument("--ahead", type=float, metavar="S", help="in real time, each chunk so long before its playback")
    parser.add_argument("--no-stalling", action="store_true", help="say texts whole that stall")
    arguments = parser.parse_args()

    async def serve() -> None:
        server, bound = await _start(
            StandIn(arguments.speedup, arguments.ahead, is_stalling=not arguments.no_stalling), arguments.port
        )
        print(f"ready on 127.0.0.1:{bound}", flush=True)
        await server.wait_for_termination()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
