"""The synchronous client: the asynchronous one on an event loop in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from s1_client.audio import AudioChunk, Speech
from s1_client.client import AsyncS1Client
from s1_client.connection import DEFAULT_URL, Health
from s1_client.live_text import Pieces
from s1_client.options import SpeechOptions
from s1_client.policy import Delivery, Retry, Tls
from s1_client.server_voices import SyncVoices
from s1_client.stream import SpeechStream

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread of its own until it is stopped."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="s1-client", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it has not been stopped."""
        return not self._loop.is_closed()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it; an interruption here cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call a function there, without waiting; nothing happens once the loop has been stopped."""
        if self.is_running:
            self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Cancel what still runs there, and end the thread."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class SyncSpeechStream:
    """Chunks of one utterance: ``for chunk in stream``, once.

    Leaving the loop early cancels the request on the server; so does :meth:`cancel`, from any thread.

    Args:
        stream: The stream on the loop.
        loop: Where it runs.
    """

    def __init__(self, stream: SpeechStream, loop: LoopThread) -> None:
        self._stream = stream
        self._loop = loop

    @property
    def dropped(self) -> int:
        """Chunks that were lost because the consumer was too slow."""
        return self._stream.dropped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cancel(self) -> None:
        """Stop the utterance; what was not yet read is lost."""
        self._loop.call_soon(self._stream.cancel)

    def close(self) -> None:
        """Stop the utterance, if it still goes on, and wait until the request has been cancelled."""
        if self._loop.is_running:  # else the client has been closed, and all streams with it
            self._loop.run(self._stream.aclose())

    def __iter__(self) -> Iterator[AudioChunk]:
        """Send the request and read its chunks; raises as :meth:`SpeechStream.__aiter__`."""
        chunks = aiter(self._stream)

        async def next_chunk() -> AudioChunk | None:
            return await anext(chunks, None)

        try:
            while (chunk := self._loop.run(next_chunk())) is not None:
                yield chunk
        finally:
            self.cancel()


class S1Client:
    """Asks a server for speech, and waits; threads may share it.

    Use it as ``with S1Client() as client``, or call :meth:`close` in the end. Arguments are those of
    :class:`~s1_client.client.AsyncS1Client`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        tls: Tls | None = None,
        headers: Mapping[str, str] | None = None,
        retry: Retry | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        self.url = url
        self._loop = LoopThread()

        async def connect() -> AsyncS1Client:
            return AsyncS1Client(url, tls=tls, headers=headers, retry=retry, delivery=delivery)

        try:
            self._client = self._loop.run(connect())  # a channel belongs to the loop it was made on
        except BaseException:
            self._loop.stop()
            raise
        self.voices = SyncVoices(self._client.voices, self._loop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; requests that are under way are cancelled."""
        if self._loop.is_running:
            self._loop.run(self._client.close())
            self._loop.stop()

    def health(self) -> Health:
        """Ask how the server is; see :meth:`AsyncS1Client.health`."""
        return self._loop.run(self._client.health())

    def speak(self, text: str, options: SpeechOptions | None = None, *, delivery: Delivery | None = None) -> Speech:
        """Say a text and wait for all of it; see :meth:`AsyncS1Client.speak`."""
        return self._loop.run(self._client.speak(text, options, delivery=delivery))

    def stream(
        self, text: str | Pieces, options: SpeechOptions | None = None, *, delivery: Delivery | None = None
    ) -> SyncSpeechStream:
        """Say a text and get its sound chunk by chunk: ``for chunk in client.stream("Hello")``.

        See :meth:`AsyncS1Client.stream`.
        """

        async def start() -> SpeechStream:
            return self._client.stream(text, options, delivery=delivery)

        return SyncSpeechStream(self._loop.run(start()), self._loop)
