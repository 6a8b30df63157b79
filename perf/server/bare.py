"""The two engines without Triton, with the same settings: what a server of them is measured by.

As on the server, the language model and the codec are a process each with half of the cores, and what goes from one to
the other is copied between them. There is no Triton, no network and no voice step. Arrivals are not gathered either, so
that a server, which gathers them, can pass these.
"""

import asyncio
import multiprocessing
import queue
import time
import zlib
from collections.abc import Iterable, Mapping
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from perf.errors import MeasurementError
from perf.load.generator import StreamRequest, closed_loop, new_record
from perf.load.streams import ChunkArrival, Outcome, StreamRecord
from perf.server.processes import ProcessMemory, peak_mb

from s1_protocol.errors import S1Error
from s1_protocol.names import ServiceClass
from s1_protocol.request_options import MAX_FRAMES
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.lm.engine import LmEngine
from s1_tts.settings import Settings
from s1_tts.speech_task import Sampling, SpeechTask
from s1_tts.stream_events import CodesChunk, DecodedChunk, StreamFailed

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.5


class BareEngine:
    """The engines in two processes, called as a server is.

    Args:
        settings: The ``S1_*`` settings of both by name, without the prefix.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self._requests: Queue[Any] = context.Queue()  # (number, request), in the end None
        self._sounds: Queue[Any] = context.Queue()  # None once both are ready, (number, event), in the end None
        self._codes: Queue[Any] = (
            context.Queue()
        )  # None once the language model is ready, (number, event), in the end None
        self._processes = [
            context.Process(
                target=_run_llama, args=(dict(settings), self._requests, self._codes), name="bare s1_llama"
            ),
            context.Process(target=_run_codec, args=(dict(settings), self._codes, self._sounds), name="bare s1_codec"),
        ]
        self._reader = Thread(target=self._read, name="bare-reader", daemon=True)
        self._streams: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Queue[Any]]] = {}
        self._num_sent = 0
        self._zero_s = time.perf_counter()

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        self._wait_until_ready()
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.put(None)
        for process in self._processes:
            process.join(STOP_TIMEOUT_S)
            process.kill()

    def memory(self) -> list[ProcessMemory]:
        """Memory of the two processes."""
        peaks = [(process.name, peak_mb(process.pid)) for process in self._processes if process.pid]
        return [ProcessMemory(name, 1, peak, peak) for name, peak in peaks]

    async def closed_loop(self, requests: Iterable[StreamRequest], concurrency: int) -> list[StreamRecord]:
        """Send all requests, so many at a time; records are in the requests' order."""
        return await closed_loop(self.stream, requests, concurrency)

    async def stream(self, index: int, request: StreamRequest) -> StreamRecord:
        """Send one request and read its sound to the end; times are on the engine's own clock."""
        number = self._num_sent
        self._num_sent += 1
        events: asyncio.Queue[tuple[float, DecodedChunk | StreamFailed]] = asyncio.Queue()
        self._streams[number] = asyncio.get_running_loop(), events
        record = new_record(index, request, self._now_s)
        self._requests.put((number, _speech_request(request)))
        is_last = False
        while not is_last:
            at_s, event = await events.get()
            if isinstance(event, StreamFailed):
                record.error = str(event.error)
                break
            record.num_chunks += 1
            record.checksum = zlib.crc32(event.samples.tobytes(), record.checksum)
            if event.samples.size:
                record.chunks.append(ChunkArrival(at_s, event.samples.size))
            is_last = event.is_last
        del self._streams[number]
        record.outcome = Outcome.OK if is_last else Outcome.FAILED
        record.ended_s = self._now_s
        return record

    @property
    def _now_s(self) -> float:
        return time.perf_counter() - self._zero_s

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._sounds.get(timeout=POLL_S)
                return
            except queue.Empty as error:
                is_alive = all(process.is_alive() for process in self._processes)
                if not is_alive or time.monotonic() > deadline_s:
                    raise MeasurementError("the bare engine did not start; it has said why") from error

    def _read(self) -> None:
        while (item := self._sounds.get()) is not None:
            number, event = item
            loop, events = self._streams[number]
            loop.call_soon_threadsafe(events.put_nowait, (self._now_s, event))


def _speech_request(request: StreamRequest) -> SpeechTask:
    options = request.options
    return SpeechTask(
        request.text.text,
        Sampling(seed=options.seed or 0),
        max_frames=options.max_frames or MAX_FRAMES.default,
        chunk_frames=options.chunk_frames or 0,
        service=options.service or ServiceClass.NOTE,
    )


def _run_llama(settings: dict[str, str], requests: "Queue[Any]", codes: "Queue[Any]") -> None:
    """The language model's process."""
    engine = LmEngine.load(Settings.load(settings))
    engine.start()
    codes.put(None)
    while (item := requests.get()) is not None:
        number, request = item

        def send(event: CodesChunk | StreamFailed, number: int = number) -> None:
            codes.put((number, event))

        try:
            engine.submit(request, send)
        except S1Error as error:
            send(StreamFailed(0, error))
    engine.close()
    codes.put(None)


def _run_codec(settings: dict[str, str], codes: "Queue[Any]", sounds: "Queue[Any]") -> None:
    """The codec's process."""
    batcher = CodecBatcher.load(Settings.load(settings))
    batcher.start()
    codes.get()
    sounds.put(None)
    while (item := codes.get()) is not None:
        number, event = item

        def send(event: DecodedChunk | StreamFailed, number: int = number) -> None:
            sounds.put((number, event))

        if isinstance(event, StreamFailed):
            send(event)
        else:
            batcher.submit(event, send)
    batcher.close()
    sounds.put(None)
