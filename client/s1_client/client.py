"""The asynchronous client: a gRPC channel to each server, any number of requests."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Self

from s1_client.address import check_headers
from s1_client.audio import AudioChunk, Speech
from s1_client.connection import DEFAULT_URL, Connection, Health
from s1_client.gateway_http import Gateway
from s1_client.jobs import AsyncJobs
from s1_client.live_speech import LiveSpeech, with_seed
from s1_client.live_text import Pieces
from s1_client.options import SpeechOptions, make_tensors
from s1_client.policy import Delivery, Pick, Retry, Tls
from s1_client.server_voices import AsyncVoices
from s1_client.servers import ServerPool, ServerState
from s1_client.stream import SpeechStream
from s1_client.utterance import Utterance


class AsyncS1Client:
    """Asks a server for speech.

    Use it as ``async with AsyncS1Client() as client``, or call :meth:`close` in the end. Every request is a call of
    its own on one connection: a consumer that reads slowly holds up nobody else. ``voices`` are those of the server,
    ``jobs`` those of a gateway.

    Args:
        url: Host and gRPC port of the server, or of several. A request goes to one of them, and on to the next if that
            refuses it or is gone before its first sound has come.
        pick: Which of several.
        tls: How to encrypt; None: not at all.
        headers: Sent with every request, for example ``{"authorization": "Bearer ..."}``.
        retry: When a request is sent again.
        delivery: How sound is handed over, unless a request says otherwise.
        gateway: Where jobs are made; None: at a gateway of this machine.

    Raises:
        ValueError: the address or a header cannot be one.
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
        def connect(address: str) -> Connection:
            return Connection(address, tls, headers or {})

        self._servers = ServerPool([url] if isinstance(url, str) else url, connect, pick)
        self.voices = AsyncVoices(self._servers)
        self.jobs = AsyncJobs(gateway)
        self._retry = retry or Retry()
        self._delivery = delivery or Delivery()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channels; requests that are under way are cancelled, jobs go on."""
        await self.jobs.close()
        await self._servers.close()

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Channels to the servers."""
        return self._servers.connections

    @property
    def servers(self) -> tuple[ServerState, ...]:
        """How each server looks from here, without asking it."""
        return self._servers.states()

    async def set_servers(self, urls: Sequence[str]) -> None:
        """Replace the servers, for example by what a name stands for now; streams that are open go on to their end.

        Args:
            urls: Their addresses; with none, requests fail until there are some.

        Raises:
            ValueError: an address cannot be one; nothing is changed.
        """
        await self._servers.set_servers(urls)

    async def health(self) -> Health:
        """Ask how the server is; of several, what they can do together.

        Raises:
            UnreachableError: no server answers.
        """
        return await self._servers.health()

    async def speak(
        self,
        text: str,
        options: SpeechOptions | None = None,
        *,
        delivery: Delivery | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Speech:
        """Say a text and wait for all of it, from the model that gives one answer.

        Args:
            text: What to say.
            options: How to say it.
            delivery: Only its ``deadline_s`` counts here; None: the client's.
            headers: Sent with this request, over those of every request; for example ``{"x-request-id": "..."}``.

        Raises:
            ValueError: a header cannot be one.
            OptionError: an option cannot be sent.
            DeadlineError: the deadline passed.
            ServerError: the server refused the request or failed.
            UnreachableError: no server answers.
        """
        checked = check_headers(headers or {})
        return await self._request(text, options or SpeechOptions(), delivery or self._delivery, None, checked).answer()

    def stream(
        self,
        text: str | Pieces,
        options: SpeechOptions | None = None,
        *,
        delivery: Delivery | None = None,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SpeechStream:
        """Say a text and get its sound chunk by chunk, while the rest is still being made.

        Args:
            text: What to say. Pieces of a text that is still being written, such as a language model's tokens, are
                said sentence by sentence: each is requested as soon as it is whole, while the one before is heard. The
                piece :data:`~s1_client.live_text.FLUSH` says what is pending without waiting for more.
            options: How to say it.
            delivery: How the sound is handed over; None: as the client does.
            retry: When it is sent again; None: as the client does. For each sentence of a text in pieces.
            headers: Sent with this request, over those of every request; with each sentence of a text in pieces.

        Returns:
            The chunks: ``async for chunk in client.stream("Hello")``. The request is sent when the loop begins.

        Raises:
            OptionError: an option cannot be sent.
            ValueError: a header cannot be one.
        """
        options, delivery = options or SpeechOptions(), delivery or self._delivery
        checked = check_headers(headers or {})
        if isinstance(text, str):
            utterance = self._request(text, options, delivery, retry, checked)
            utterance.prepare()  # what cannot be sent raises here, not in the loop
            return SpeechStream(utterance.chunks, delivery)
        make_tensors("", options)
        seeded = with_seed(options)

        def read_sentence(sentence: str) -> AsyncGenerator[AudioChunk]:
            return self._request(sentence, seeded, delivery, retry, checked).chunks()

        return SpeechStream(LiveSpeech(text, read_sentence, delivery).chunks, delivery)

    def _request(
        self, text: str, options: SpeechOptions, delivery: Delivery, retry: Retry | None, headers: Mapping[str, str]
    ) -> Utterance:
        return Utterance(self._servers, text, options, delivery, retry or self._retry, headers)
