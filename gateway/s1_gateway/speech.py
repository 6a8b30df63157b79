"""The one place that makes sound: a text and its options in, pieces of encoded sound out, whatever the protocol."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from hashlib import sha256

import anyio
import numpy as np
import numpy.typing as npt

from s1_client import AsyncS1Client, AudioChunk, Delivery, Retry, SpeechOptions, SpeechStream
from s1_client.live_text import Piece
from s1_gateway.auth import Caller
from s1_gateway.encoding import SoundEncoder, SoundSpec
from s1_gateway.encoding_turns import EncodingTurns
from s1_gateway.errors import NO_FAULT_OF_THE_CALLER, GatewayError, Problem, Reason, problem_of
from s1_gateway.limits import Admission, Limits
from s1_gateway.metrics import Door, Metrics, Outcome
from s1_gateway.settings import Settings
from s1_gateway.texts import check_text
from s1_protocol.names import Parameter
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_protocol.text.cleaning import is_speakable

log = logging.getLogger(__name__)

MAX_BUFFERED_BYTES = 2**18
"""Of a server's sound held for a caller who reads slowly, 3 s, beside the chunk that went over it: 1 MiB at most."""

ONE_REQUEST_CHARACTERS = 300
"""A longer text is asked for sentence by sentence, as the engine would cut it, so that each has a whole length."""

WHOLE_FRAMES = 4_096
"""``max_frames`` where the caller names none: 190 s, which no request of so many characters needs."""

REFUSALS = frozenset({Reason.INVALID, Reason.NOT_FOUND, Reason.BUSY, Reason.QUOTA})
"""What a server or a limit says no to, so that nothing has failed."""

PIECE_SAMPLES = 8_820
"""Encoded at once, at most: 0.2 s takes 2 ms, so that no stream holds up the others."""

LARGE_PIECE_SAMPLES = 3 * PIECE_SAMPLES
"""The same of cheap sound that no clock paces: its encoding takes 0.3 ms, and each piece another 0.1 ms on its way."""

BODY_BYTES = 2**18
"""Of a piece in a body, where nothing limits it."""

EVENT_BYTES = 40 * 2**10
"""Of a piece in an event: in base64, and with what a resampler held back before it, the event stays under 64 KiB."""

TURNS_TO_LEAVE = 2
"""Of the event loop, until a request has been handed to gRPC: in the first the client makes its call, in the second the
call is sent."""

SILENCE_S = 0.2
"""Sound of a text in which there is nothing to say, such as a lone full stop."""


@dataclass(frozen=True, kw_only=True)
class SpeechOrder:
    """What a caller asks for, in no protocol's words.

    Args:
        text: What to say; pieces as they are written, or all of it.
        options: How to say it.
        sound: How its bytes shall sound.
        door: By which protocol it came.
        caller: Who asks.
        retry: How long it goes on asking while servers are full; None: for a moment.
        asked_s: When, on ``time.perf_counter``.
        is_whole: Whether nothing is heard before all of it is there: its header then tells the true length.
        max_piece_bytes: Of cheap sound that may leave at once; 0: it leaves at the pace of playback, in small pieces.
        tell: Hears of each piece of sound that comes, in seconds, also while nothing is given yet.
    """

    text: str | AsyncIterator[Piece]
    options: SpeechOptions
    sound: SoundSpec
    door: Door
    caller: Caller
    retry: Retry | None = None
    asked_s: float = field(default_factory=time.perf_counter)
    is_whole: bool = False
    max_piece_bytes: int = 0
    tell: Callable[[float], None] | None = None

    @property
    def labels(self) -> tuple[str, str]:
        """Its door and its caller, as metrics name them."""
        return self.door, self.caller.name

    @property
    def piece_samples(self) -> int:
        """The engine's samples that are encoded at once, at most."""
        if not self.sound.is_cheap:
            return PIECE_SAMPLES
        fitting = SAMPLE_RATE_HZ * self.max_piece_bytes // (2 * self.sound.rate_hz)
        return min(max(fitting, PIECE_SAMPLES), LARGE_PIECE_SAMPLES)


@dataclass(frozen=True)
class Sound:
    """A piece of an answer.

    Args:
        data: Bytes in the format that was asked for; none where the encoder holds them back.
        duration_s: How long the samples that went in are heard.
    """

    data: bytes
    duration_s: float


class Speech:
    """Begins utterances.

    Args:
        client: Of the servers.
        limits: Who may.
        metrics: Where it is counted.
        settings: The gateway's.
    """

    def __init__(self, client: AsyncS1Client, limits: Limits, metrics: Metrics, settings: Settings) -> None:
        self._client = client
        self._limits = limits
        self._metrics = metrics
        self._settings = settings
        self._turns = EncodingTurns()
        self._delivery = Delivery(stall_timeout_s=settings.stall_s, max_buffered_bytes=MAX_BUFFERED_BYTES)

    async def begin(self, order: SpeechOrder) -> "Answer":
        """Ask for an answer and wait for its first sound, so that a refusal can still be a status.

        Returns:
            The answer, whose first piece is there; to be closed by :meth:`Answer.aclose`.

        Raises:
            GatewayError: the text or a limit refuses it.
            S1ClientError: no server says it.
        """
        try:
            num_characters = 0
            if isinstance(order.text, str):
                check_text(order.text, self._settings.max_text_characters)
                num_characters = len(order.text)
            admission = await self._limits.admit(order.caller, num_characters)
        except GatewayError:
            self._metrics.utterances.labels(*order.labels, Outcome.REFUSED).inc()
            raise
        self._metrics.characters.labels(*order.labels).inc(num_characters)
        answer = Answer(order, self._open(order, admission), admission, self._turns, self._metrics)
        try:
            await answer.wait_for_sound()
        except Exception:
            reason = answer.problem.reason if answer.problem is not None else Reason.INTERNAL
            is_no_fault = reason in NO_FAULT_OF_THE_CALLER
            await self._limits.give_back(order.caller, admission.num_characters, is_request_too=is_no_fault)
            raise
        return answer

    async def encode(self, samples: npt.NDArray[np.int16], sound: SoundSpec) -> bytes:
        """Make a file of sound that is there already, piece by piece between what others hear.

        Args:
            samples: Mono at the engine's rate.
            sound: How it shall sound.
        """
        encoder = SoundEncoder(sound, is_whole=True)
        parts = []
        for start in range(0, len(samples), PIECE_SAMPLES):
            await self._turns.take()
            parts.append(encoder.encode(samples[start : start + PIECE_SAMPLES]))
        return b"".join([*parts, encoder.finish()])

    def count_problem(self, order: SpeechOrder, problem: Problem) -> None:
        """Count an utterance on a socket that was refused or failed; requests over HTTP are counted at their end."""
        self._metrics.count_problem(order.door, order.caller.name, problem)

    def _open(self, order: SpeechOrder, admission: Admission) -> SpeechStream:
        if isinstance(order.text, str):
            if not is_speakable(order.text):
                return SpeechStream(_silence, self._delivery)
            text = order.text if len(order.text) <= ONE_REQUEST_CHARACTERS else _in_one_piece(order.text)
            return self._stream(order, text)
        return self._stream(order, self._charged(order, order.text, admission))

    def _stream(self, order: SpeechOrder, text: str | AsyncIterator[Piece]) -> SpeechStream:
        headers = {Parameter.CALLER.value: sha256(order.caller.name.encode()).hexdigest()[:16]}
        return self._client.stream(
            text, _whole(order.options), delivery=self._delivery, retry=order.retry, headers=headers
        )

    async def _charged(
        self, order: SpeechOrder, pieces: AsyncIterator[Piece], admission: Admission
    ) -> AsyncGenerator[Piece]:
        """Count the characters of a text in pieces as they come."""
        async for piece in pieces:
            if isinstance(piece, str):
                await self._limits.charge(order.caller, len(piece))
                admission.num_characters += len(piece)
                self._metrics.characters.labels(*order.labels).inc(len(piece))
            yield piece


class Answer:
    """One answer under way: ``async for piece in answer.pieces()``.

    Args:
        order: What was asked for.
        stream: Its chunks.
        admission: Its place, given back when it is closed.
        turns: Whose sound is encoded next.
        metrics: Where it is counted.

    Attributes:
        problem: Why it broke off; None: it did not.
    """

    def __init__(
        self, order: SpeechOrder, stream: SpeechStream, admission: Admission, turns: EncodingTurns, metrics: Metrics
    ) -> None:
        self._order = order
        self._stream = stream
        self._admission = admission
        self._turns = turns
        self._metrics = metrics
        self._piece_samples = order.piece_samples
        self._bytes = metrics.bytes.labels(*order.labels)
        self._audio_seconds = metrics.audio_seconds.labels(*order.labels)
        self.problem: Problem | None = None
        self._first: Sound | None = None
        self._left_out_samples = 0
        self._outcome = Outcome.HUNG_UP
        self._is_closed = False
        self._is_taken = False
        self._pieces = self._encode()

    async def wait_for_sound(self) -> None:
        """Wait for the first piece of sound.

        Raises:
            S1ClientError: none comes.
        """
        try:
            # the encoder may hold the first samples back
            while not self._is_heard:
                sound = await anext(self._pieces, None)
                if sound is None:
                    break
                held_s = self._first.duration_s if self._first is not None else 0.0
                self._first = Sound(sound.data, held_s + sound.duration_s)
        except BaseException:
            await self.aclose()
            raise
        waited_s = time.perf_counter() - self._order.asked_s
        self._metrics.first_audio.labels(self._order.door).observe(waited_s)

    @property
    def _is_heard(self) -> bool:
        """Whether its first byte of sound has been made."""
        return self._first is not None and bool(self._first.data)

    @property
    def was_cut(self) -> bool:
        """Whether a limit of length was reached, so that the text may not have been said whole."""
        return self._outcome is Outcome.CUT

    @property
    def has_chosen_length(self) -> bool:
        """Whether the limit of length is the caller's own."""
        return self._order.options.max_frames is not None

    def check_whole(self) -> None:
        """Refuse to call speech whole that was cut against its caller's wish.

        Raises:
            GatewayError: it was.
        """
        if self.was_cut and not self.has_chosen_length:
            raise GatewayError(Reason.CUT, "the speech reached its greatest length before the text was said")

    def leave_out(self, duration_s: float) -> None:
        """Leave out so much of what comes next: its caller is too slow for it, and wants to hear what is newest."""
        self._left_out_samples += round(duration_s * SAMPLE_RATE_HZ)

    async def pieces(self) -> AsyncGenerator[Sound]:
        """Give the sound from its first byte on.

        Raises:
            S1ClientError: the server broke off; what was given is not the whole.
        """
        if self._is_closed:
            return
        self._is_taken = True
        async with aclosing(self._pieces) as pieces:
            if self._first is not None:
                yield self._first
            async for sound in pieces:
                yield sound

    async def aclose(self) -> None:
        """Stop the server's work, if it goes on, and give the place back. Safe in a task that is being cancelled."""
        self._stream.cancel()  # takes effect even if nothing can be awaited any more
        self._admission.release()
        if not self._is_closed:
            self._is_closed = True
            self._metrics.utterances.labels(*self._order.labels, self._outcome).inc()
        if self._stream.is_over and self._is_taken:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._stream.aclose()
            finally:  # a task may be cancelled twice
                if not self._is_taken:
                    self._is_taken = True
                    await self._pieces.aclose()  # else its sound would be held until cycles are collected

    async def _encode(self) -> AsyncGenerator[Sound]:
        clock = PlaybackClock()
        outcome = Outcome.DONE
        try:
            async with self._stream:
                self._stream.start()
                for _ in range(TURNS_TO_LEAVE):  # the encoder is made while the server works
                    await asyncio.sleep(0)
                encoder = SoundEncoder(self._order.sound, is_whole=self._order.is_whole)
                async for chunk in self._stream:
                    if chunk.is_cut:
                        outcome = Outcome.CUT
                    if clock.add(encoder.duration_s(len(chunk.samples))):
                        self._metrics.underruns.labels(*self._order.labels).inc()
                    for start in range(0, len(chunk.samples), self._piece_samples):
                        if self._is_heard or self._order.is_whole:
                            await self._turns.take()
                        samples = self._without_left_out(chunk.samples[start : start + self._piece_samples])
                        duration_s = encoder.duration_s(len(samples))
                        if self._order.tell is not None:
                            self._order.tell(duration_s)
                        yield self._counted(encoder.encode(samples), duration_s)
            yield self._counted(encoder.finish(), 0.0)
        except Exception as error:
            self.problem = problem_of(error)
            is_refusal = self._first is None and self.problem.reason in REFUSALS
            self._outcome = Outcome.REFUSED if is_refusal else Outcome.FAILED
            raise
        self._outcome = outcome

    def _without_left_out(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        num_left_out = min(self._left_out_samples, len(samples))
        if num_left_out:
            self._left_out_samples -= num_left_out
            self._metrics.dropped_samples.labels(*self._order.labels).inc(num_left_out)
        return samples[num_left_out:]

    def _counted(self, data: bytes, duration_s: float) -> Sound:
        self._bytes.inc(len(data))
        self._audio_seconds.inc(duration_s)
        return Sound(data, duration_s)


class PlaybackClock:
    """Plays sound as it comes, without a buffer, and notices an underrun."""

    def __init__(self) -> None:
        self._plays_until_s: float | None = None

    def add(self, duration_s: float) -> bool:
        """Take sound; tells whether it came later than what was there had been played."""
        now_s = time.perf_counter()
        was_late = self._plays_until_s is not None and now_s > self._plays_until_s
        begins_s = now_s if was_late or self._plays_until_s is None else self._plays_until_s
        self._plays_until_s = begins_s + duration_s
        return was_late


def _whole(options: SpeechOptions) -> SpeechOptions:
    return options if options.max_frames is not None else replace(options, max_frames=WHOLE_FRAMES)


async def _in_one_piece(text: str) -> AsyncIterator[Piece]:
    yield text


async def _silence() -> AsyncGenerator[AudioChunk]:
    samples = np.zeros(round(SILENCE_S * SAMPLE_RATE_HZ), dtype=np.int16)
    yield AudioChunk(index=0, samples=samples, sample_rate_hz=SAMPLE_RATE_HZ, is_last=True, arrival_s=0.0)
