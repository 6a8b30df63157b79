"""The synchronous client: the asynchronous one on an event loop in a thread of its own."""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from s1_client.audio import AudioChunk, Speech
from s1_client.client import AsyncS1Client
from s1_client.connection import DEFAULT_URL, Health
from s1_client.gateway_http import Gateway
from s1_client.live_text import Pieces
from s1_client.loop_thread import LoopThread
from s1_client.options import SpeechOptions
from s1_client.policy import Delivery, Pick, Retry, Tls
from s1_client.servers import ServerState
from s1_client.stream import SpeechStream
from s1_client.sync_jobs import SyncJobs
from s1_client.sync_voices import SyncVoices


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
        url: str | Sequence[str] = DEFAULT_URL,
        *,
        pick: Pick = Pick.LEAST_OPEN,
        tls: Tls | None = None,
        headers: Mapping[str, str] | None = None,
        retry: Retry | None = None,
        delivery: Delivery | None = None,
        gateway: Gateway | None = None,
    ) -> None:
        self._client = AsyncS1Client(
            url, pick=pick, tls=tls, headers=headers, retry=retry, delivery=delivery, gateway=gateway
        )
        self._loop = LoopThread()
        self.jobs = SyncJobs(self._client.jobs, self._loop)
        self.voices = SyncVoices(self._client.voices, self._loop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; requests that are under way are cancelled, jobs go on."""
        if self._loop.is_running:
            self._loop.run(self._client.close())
            self._loop.stop()

    def health(self) -> Health:
        """Ask how the server is; see :meth:`AsyncS1Client.health`."""
        return self._loop.run(self._client.health())

    @property
    def servers(self) -> tuple[ServerState, ...]:
        """How each server looks from here, without asking it."""
        return self._client.servers

    def set_servers(self, urls: Sequence[str]) -> None:
        """Replace the servers; see :meth:`AsyncS1Client.set_servers`."""
        self._loop.run(self._client.set_servers(urls))

    def speak(
        self,
        text: str,
        options: SpeechOptions | None = None,
        *,
        delivery: Delivery | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Speech:
        """Say a text and wait for all of it; see :meth:`AsyncS1Client.speak`."""
        return self._loop.run(self._client.speak(text, options, delivery=delivery, headers=headers))

    def stream(
        self,
        text: str | Pieces,
        options: SpeechOptions | None = None,
        *,
        delivery: Delivery | None = None,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SyncSpeechStream:
        """Say a text and get its sound chunk by chunk: ``for chunk in client.stream("Hello")``.

        See :meth:`AsyncS1Client.stream`.
        """

        async def start() -> SpeechStream:
            return self._client.stream(text, options, delivery=delivery, retry=retry, headers=headers)

        return SyncSpeechStream(self._loop.run(start()), self._loop)
