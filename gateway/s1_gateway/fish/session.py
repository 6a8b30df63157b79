"""One caller on Fish's WebSocket."""

import asyncio
from typing import Final

from s1_client import Retry, ServiceClass
from s1_gateway.auth import Caller
from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.errors import GatewayError, Reason, invalid, problem_of
from s1_gateway.fish.keep_alive import Owed, keep_alive
from s1_gateway.fish.one_stream import OneStream
from s1_gateway.fish.packing import unpack
from s1_gateway.fish.schemas import FishEvent, TtsRequest
from s1_gateway.fish.sink import FishSink
from s1_gateway.metrics import Door
from s1_gateway.pacing import Pace
from s1_gateway.sentence_turns import SentenceTurn
from s1_gateway.sockets import Socket, SocketGoneError
from s1_gateway.speech import SpeechOrder
from s1_gateway.state import Gateway
from s1_gateway.turns import TextFeed, Turn

PATIENCE: Final = Retry(max_attempts=20, first_delay_s=0.1, max_delay_s=1.0)
"""Some 12 s: Pipecat gives a service up for good after three errors, and waits where it hears silence."""

PIECE_BYTES: Final = 65_000
"""Of sound in a message, which then stays under 64 KiB."""

MAX_WAITING: Final = 16
"""Starts that were stopped and are not said yet."""

Speaking = SentenceTurn | OneStream


class FishSession:
    """The starts of one socket, which speak one after the other.

    Args:
        socket: The caller's.
        gateway: What makes sound.
        caller: Who it is.
    """

    def __init__(self, socket: Socket, gateway: Gateway, caller: Caller) -> None:
        self._socket = socket
        self._gateway = gateway
        self._caller = caller
        self._speaking = asyncio.Lock()
        self._request: TtsRequest | None = None
        self._open: Speaking | None = None
        self._all: dict[Speaking, Owed] = {}

    async def run(self) -> None:
        """Serve the caller until he leaves; then nothing of his goes on."""
        keeping_alive = asyncio.create_task(keep_alive(self._owed))
        try:
            async for message in self._socket.messages(self._is_busy):
                try:
                    await self._take(message)
                except SocketGoneError:
                    raise
                except Exception as error:  # one bad message costs the caller the start that it belongs to
                    await self._give_up(error)
        finally:
            keeping_alive.cancel()
            for each in self._all:
                await each.cancel()

    def _is_busy(self) -> bool:
        self._all = {each: owed for each, owed in self._all.items() if not each.is_over}
        return any(each.is_waiting for each in self._all)

    def _owed(self) -> Owed | None:
        """What the first start that is not said yet owes; those after it wait for their turn."""
        return next((owed for each, owed in self._all.items() if not each.is_over and each.is_waiting), None)

    async def _take(self, message: str | bytes) -> None:
        if isinstance(message, str):
            raise invalid(None, "got a text message; allowed: binary ones of msgpack")
        event = FishEvent.model_validate(unpack(message, "the message"))
        if event.event == "start":
            await self._start(event)
        elif event.event == "text":
            if event.text is None:
                raise invalid("text", "got none; allowed: a piece of the text")
            (await self._going_on()).put(event.text)
        elif event.event == "flush":
            if self._open is not None:
                self._open.flush()
        else:
            await self._stop()

    async def _start(self, event: FishEvent) -> None:
        if self._open is not None and not self._open.is_over:
            raise invalid("event", "got start before the stop of the one before")
        self._open = self._request = None
        if event.request is None:
            raise invalid("request", "got none; allowed: how to speak")
        self._is_busy()
        if len(self._all) >= MAX_WAITING:
            raise GatewayError(Reason.RATE_LIMITED, f"{MAX_WAITING} starts of this socket are not said yet")
        self._open = await self._begin(event.request)
        self._request = event.request
        if event.request.text:
            self._open.put(event.request.text)

    async def _going_on(self) -> Speaking:
        """What takes text now. Pipecat goes on after an error as if nothing had been, without another start."""
        if self._request is None:
            raise invalid("event", "got text before a start")
        if self._open is None or self._open.is_over:
            self._open = await self._begin(self._request)
        return self._open

    async def _stop(self) -> None:
        if self._open is None or self._open.is_over:
            if self._request is None:
                raise invalid("event", "got stop before a start")
            await FishSink(self._socket, may_be_cut=False).done(was_cut=False)
        elif isinstance(self._open, OneStream):
            await self._open.end()
        else:
            self._open.end()
        self._open = self._request = None

    async def _give_up(self, error: Exception) -> None:
        if self._open is not None:
            await self._open.cancel()
        self._open = None
        await FishSink(self._socket, may_be_cut=False).failed(problem_of(error))

    async def _begin(self, request: TtsRequest) -> Speaking:
        gateway, settings = self._gateway, self._gateway.settings
        options = request.options_of(ServiceClass.CALL)
        if not request.references:
            options = await gateway.voice_names.apply(request.reference_id or None, options)
        sound = request.sound()
        order = SpeechOrder(
            text="", options=options, sound=sound, door=Door.FISH_LIVE, caller=self._caller, retry=PATIENCE
        )
        sink = FishSink(self._socket, may_be_cut=options.max_frames is not None)
        pace = Pace(ahead_s=settings.ahead_s, send_s=settings.send_s, piece_bytes=PIECE_BYTES)
        speaking: Speaking
        if sound.format in (AudioFormat.PCM_S16LE, AudioFormat.WAV):
            speaking = SentenceTurn(
                gateway.speech,
                order,
                self._socket,
                sink,
                pace,
                settings.max_text_characters,
                lock=self._speaking,
                later_sound=_without_header(sound),
            )
        else:

            def begin(feed: TextFeed) -> Turn:
                return Turn(gateway.speech, order, feed, self._socket, sink, pace, self._speaking)

            speaking = OneStream(begin, sink, settings.max_text_characters)
        self._all[speaking] = Owed(sink, sound)
        return speaking


def _without_header(sound: SoundSpec) -> SoundSpec:
    """The same samples as bare ones: the header of a WAV comes once a start."""
    return SoundSpec(
        AudioFormat.PCM_S16LE,
        sample_rate_hz=sound.rate_hz,
        speed=sound.speed,
        volume_db=sound.volume_db,
        normalize_loudness=sound.normalize_loudness,
    )
