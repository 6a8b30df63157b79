"""Voices for requests: from an id or a recording to the prompts that the language model reads.

Nothing here waits in its caller's thread. All is coroutines of one event loop; what waits or computes runs beside it:
a few threads ask the store, which may hang, one tells recordings apart, and one encodes, since a second one would only
share its cores. The store is changed by one after the other, so that the last of two changes is the one that holds.
What is no longer wanted may be cancelled: work that has not begun is dropped then, but for a change of the store.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Self

from s1_protocol.errors import NotFoundError, S1Error, UnavailableError
from s1_protocol.names import VoiceOperation
from s1_protocol.sound import FRAMES_PER_SECOND, SAMPLE_RATE_HZ
from s1_tts.device import limit_threads, resolve_device
from s1_tts.settings import Settings
from s1_tts.speech_task import VoicePrompt
from s1_tts.voices.audio import RecordingReader, Samples, read_recording
from s1_tts.voices.byte_budget import ByteBudget
from s1_tts.voices.cache import CacheStats, SingleFlightCache
from s1_tts.voices.fingerprint import codec_fingerprint
from s1_tts.voices.location import store_of
from s1_tts.voices.recording_encoder import RecordingEncoder
from s1_tts.voices.store import VoiceStore
from s1_tts.voices.task_loop import TaskLoop, to_its_end
from s1_tts.voices.transcript import check_fit
from s1_tts.voices.voice import Codes, Recording, Voice, check_recordings, describe
from s1_tts.voices.voice_ask import VoiceAsk
from s1_tts.voices.voice_change import VoiceChange, change_stored
from s1_tts.voices.voice_command import VoiceCommand

log = logging.getLogger(__name__)

STORE_THREADS = 8

MAX_UNCONFIRMED_S = 3600.0
"""How long a voice in memory is used while its store does not answer; it may have been removed there meanwhile."""
STORE_PATIENCE_S = 2.0
"""How long a voice in memory waits for its store to confirm it."""
RETRY_STORE_S = 5.0
"""Pause before a store that did not answer is asked again for a voice in memory."""

Prompts = tuple[VoicePrompt, ...]
Encode = Callable[[Samples], Codes]


@dataclass(eq=False)
class HeldVoice:
    """A stored voice, ready for use.

    Args:
        prompts: Its recordings.
        version: Its version in the store.
        checked_s: When the store was last asked for that version.
        confirmed_s: When it last confirmed it.
    """

    prompts: Prompts
    version: str
    checked_s: float
    confirmed_s: float

    @property
    def size_bytes(self) -> int:
        """Memory it takes, about."""
        return sum(prompt.codes.nbytes + len(prompt.transcript) for prompt in self.prompts)


@dataclass(frozen=True)
class VoiceStats:
    """What the service counted.

    Args:
        voices: Cache of stored voices.
        encodings: Cache of encoded recordings.
        waiting: Requests that wait for their voice.
        refused: Requests refused because too many, or too large recordings, were waiting.
        encoding_s: Seconds spent on encoding.
        encoded_s: Seconds of sound encoded.
        recording_bytes: Recordings under way.
        unconfirmed: Times that a voice in memory was used although its store did not answer.
    """

    voices: CacheStats
    encodings: CacheStats
    waiting: int
    refused: int
    encoding_s: float
    encoded_s: float
    unconfirmed: int
    recording_bytes: int


class VoiceService:
    """Finds, encodes, keeps and changes voices. Its methods never wait, but for :meth:`resolve` and :meth:`close`.

    What they give fails with ``NotFoundError`` for an unknown voice, ``InvalidArgumentError`` for an id or a recording
    that cannot be used, ``UnavailableError`` when the store does not answer or the server stops; they raise
    ``UnavailableError`` themselves when too many wait already, or the service is closing.

    Args:
        store: Where voices are kept.
        encode: Samples ``[N]`` at 44 100 Hz to codes ``[num_codebooks, frames]``.
        fingerprint: Of the codec behind ``encode``.
        cache_bytes: What each of the two caches may grow to.
        max_waiting: Requests that may wait for a stored voice, and as many again that bring recordings or change the
            store; one more is refused.
        recordings_bytes: Recordings that may be under way at once.
        reader: What reads recordings in bounds of time and memory; none reads them in this process.
    """

    def __init__(
        self,
        store: VoiceStore,
        encode: Encode,
        fingerprint: str,
        *,
        cache_bytes: int,
        max_waiting: int,
        recordings_bytes: int = 2**28,
        reader: RecordingReader | None = None,
    ) -> None:
        self.store = store
        self._encode = encode
        self._reader = reader
        self._read = reader.read if reader is not None else read_recording
        self._fingerprint = fingerprint
        self._tasks = TaskLoop("s1-voices", max_waiting)
        self._voices: SingleFlightCache[HeldVoice] = SingleFlightCache(cache_bytes, lambda held: held.size_bytes)
        self._encodings: SingleFlightCache[Codes] = SingleFlightCache(cache_bytes, lambda codes: codes.nbytes)
        self._store_threads = self._tasks.threads("s1-voice-store", STORE_THREADS)
        self._digest_thread = self._tasks.threads("s1-voice-digest", 1)
        self._encoder_thread = self._tasks.threads("s1-voice-encoder", 1)
        self._changing = asyncio.Lock()
        self._encoding_s = self._encoded_s = 0.0
        self._num_unconfirmed = 0
        self._budget = ByteBudget(recordings_bytes)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Make the encoder and open the store that the settings name.

        Raises:
            SettingsError: a setting is wrong.
            CheckpointError: the checkpoint is missing or does not fit the model.
        """
        limit_threads(settings.threads)
        folder = settings.require_checkpoint()
        store = store_of(settings)
        device = resolve_device(settings.device)
        cache_bytes = int(settings.voice_cache_mb * 1e6)
        return cls(
            store,
            RecordingEncoder(folder, device, use_native=settings.native_layers),
            codec_fingerprint(folder),
            cache_bytes=cache_bytes,
            max_waiting=settings.max_waiting_voices,
            recordings_bytes=int(settings.recordings_mb * 1e6),
            reader=RecordingReader(),
        )

    def submit(self, ask: VoiceAsk) -> Future[Prompts]:
        """Find the prompts of a request."""
        if ask.is_empty:
            nothing: Future[Prompts] = Future()
            nothing.set_result(())
            return nothing
        begin = self._tasks.begin_slow if ask.recordings else self._tasks.begin
        return self._budget.begin(ask.recordings, lambda: begin(self._find, ask))

    def resolve(self, ask: VoiceAsk) -> Prompts:
        """Find the prompts of a request and wait for them."""
        return self.submit(ask).result()

    def run(self, command: VoiceCommand) -> Future[str]:
        """Do what was ordered.

        Returns:
            The answer as JSON: ids for ``list``, the id for ``remove``, else a description of the voice.
        """
        begin = self._tasks.begin_slow if command.is_change else self._tasks.begin
        return self._budget.begin(command.recordings, lambda: begin(self._run, command))

    def stats(self) -> VoiceStats:
        """Counters and sizes."""
        return VoiceStats(
            self._voices.stats(),
            self._encodings.stats(),
            self._tasks.num_open,
            self._tasks.num_refused + self._budget.num_refused,
            self._encoding_s,
            self._encoded_s,
            self._num_unconfirmed,
            self._budget.held,
        )

    def close(self) -> None:
        """End what is being computed; waiting callers get ``UnavailableError``."""
        self._tasks.close()
        if self._reader is not None:
            self._reader.close()

    # --- on the event loop: voices of requests ---

    async def _find(self, ask: VoiceAsk) -> Prompts:
        if ask.voice is None:
            return _prompts(await self._encoded(ask.recordings))
        return (await self._held(ask.voice)).prompts

    async def _held(self, voice_id: str) -> HeldVoice:
        held = self._voices.peek(voice_id)
        if held is not None and not await self._is_current(voice_id, held) and self._voices.peek(voice_id) is held:
            self._voices.forget(voice_id)
        return await self._voices.get(voice_id, lambda: self._load(voice_id))

    async def _is_current(self, voice_id: str, held: HeldVoice) -> bool:
        now_s = time.monotonic()
        if now_s - held.checked_s < self.store.check_every_s:
            return True
        try:
            async with asyncio.timeout(STORE_PATIENCE_S):
                is_current = await self._tasks.on(self._store_threads, self.store.version, voice_id) == held.version
        except NotFoundError:
            return False
        except (UnavailableError, TimeoutError) as error:
            if now_s - held.confirmed_s > MAX_UNCONFIRMED_S:
                raise UnavailableError(str(error) or "the voice store does not answer") from error
            log.warning(
                "voice %s: the store is away, what is held of it is used: %s", voice_id, str(error) or "it hangs"
            )
            self._num_unconfirmed += 1
            held.checked_s = now_s + RETRY_STORE_S - self.store.check_every_s  # asked again after so long
            return True
        held.checked_s = held.confirmed_s = now_s
        return is_current

    async def _load(self, voice_id: str) -> HeldVoice:
        checked_s = time.monotonic()
        voice = await self._tasks.on(self._store_threads, self.store.get, voice_id)
        recordings = check_recordings(voice.recordings)  # the store may have been filled by somebody else
        encoded = await self._encoded(recordings)
        if any(recording.codes_of(self._fingerprint) is None for recording in recordings):
            self._keep_codes(replace(voice, recordings=encoded))
        return HeldVoice(_prompts(encoded), voice.version, checked_s, checked_s)

    def _keep_codes(self, voice: Voice) -> None:
        """Write a voice back with its new codes, in the background; if that fails, it is encoded again next time."""
        try:
            self._tasks.begin(self._refresh, voice)
        except UnavailableError:
            log.info("voice %s: its codes were not stored, there is too much else to do", voice.id)

    # --- on the event loop: encoding ---

    async def _encoded(self, recordings: Sequence[Recording]) -> tuple[Recording, ...]:
        return tuple([await self._encode_once(recording) for recording in recordings])

    async def _encode_once(self, recording: Recording) -> Recording:
        if recording.codes_of(self._fingerprint) is not None:
            return recording
        digest = await self._tasks.on(self._digest_thread, _digest, recording.audio)
        key = digest + self._fingerprint + recording.transcript
        codes = await self._encodings.get(
            key, lambda: self._tasks.on(self._encoder_thread, self._encode_audio, recording.audio)
        )
        check_fit(recording.transcript, codes.shape[1] / FRAMES_PER_SECOND)
        return replace(recording, codes=codes, fingerprint=self._fingerprint)

    def _encode_audio(self, audio: bytes) -> Codes:
        samples = self._read(audio)
        started_s = time.monotonic()
        codes = self._encode(samples)
        self._encoding_s += time.monotonic() - started_s
        self._encoded_s += len(samples) / SAMPLE_RATE_HZ
        return codes

    # --- on the event loop: the store ---

    async def _run(self, command: VoiceCommand) -> str:
        answer: Any
        match command.operation:
            case VoiceOperation.LIST:
                answer = await self._tasks.on(self._store_threads, self.store.list)
            case VoiceOperation.SHOW:
                answer = describe(await self._tasks.on(self._store_threads, self.store.get, command.voice_id)).to_json()
            case VoiceOperation.ADD:
                answer = describe(
                    await self._add(Voice(command.voice_id, command.recordings, command.metadata))
                ).to_json()
            case VoiceOperation.REMOVE:
                await to_its_end(self._remove(command.voice_id))
                answer = {"id": command.voice_id}
            case VoiceOperation.CHANGE:
                changed = self._change(command.voice_id, command.change or VoiceChange())
                answer = describe(await to_its_end(changed)).to_json()
        return json.dumps(answer, ensure_ascii=False)

    async def _add(self, voice: Voice) -> Voice:
        encoded = replace(voice, recordings=await self._encoded(voice.recordings))
        await to_its_end(self._put(encoded))
        return encoded

    async def _put(self, voice: Voice) -> None:
        async with self._changing:
            await self._tasks.on(self._store_threads, self.store.put, voice)
            self._voices.forget(voice.id)

    async def _remove(self, voice_id: str) -> None:
        async with self._changing:
            await self._tasks.on(self._store_threads, self.store.delete, voice_id)
            self._voices.forget(voice_id)

    async def _change(self, voice_id: str, change: VoiceChange) -> Voice:
        async with self._changing:
            try:
                return await self._tasks.on(self._store_threads, change_stored, self.store, voice_id, change)
            finally:  # also where only a part of it was done
                self._voices.forget(voice_id)

    async def _refresh(self, voice: Voice) -> None:
        try:
            async with self._changing:
                if await self._tasks.on(self._store_threads, self.store.refresh, voice):
                    log.info("voice %s: codes renewed in the store", voice.id)
        except S1Error as error:
            log.warning("voice %s: its codes could not be stored: %s", voice.id, error)


def _digest(audio: bytes) -> str:
    return sha256(audio).hexdigest()


def _prompts(recordings: Sequence[Recording]) -> Prompts:
    return tuple(
        VoicePrompt(recording.transcript, recording.codes) for recording in recordings if recording.codes is not None
    )
