"""Voices for requests: from an id or a recording to the prompts that the language model reads.

Nothing here waits in its caller's thread. Stores are asked by a few threads; one thread encodes, since a second one
would only share its cores; another one changes the store, so that changes hold up nobody who wants to speak.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Self, TypeVar

import numpy as np
import torch

from s1_protocol.checks import check_voice_id
from s1_protocol.errors import NotFoundError, S1Error, UnavailableError
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.device import limit_threads, resolve_device
from s1_tts.request import VoicePrompt
from s1_tts.settings import Settings
from s1_tts.voices.ask import VoiceAsk
from s1_tts.voices.audio import Samples, read_recording
from s1_tts.voices.cache import CacheStats, SingleFlightCache
from s1_tts.voices.fingerprint import codec_fingerprint
from s1_tts.voices.futures import flatten, gather, resolved, then
from s1_tts.voices.location import store_of
from s1_tts.voices.store import VoiceStore
from s1_tts.voices.voice import Codes, Recording, Voice, check_recordings

log = logging.getLogger(__name__)

T = TypeVar("T")

STORE_THREADS = 8

Prompts = tuple[VoicePrompt, ...]
Encode = Callable[[Samples], Codes]


@dataclass(eq=False)
class HeldVoice:
    """A stored voice, ready for use.

    Args:
        prompts: Its recordings.
        version: Its version in the store.
        checked_s: When the store last confirmed that version.
    """

    prompts: Prompts
    version: str
    checked_s: float

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
        refused: Requests refused because too many were waiting.
        encoding_s: Seconds spent on encoding.
        encoded_s: Seconds of sound encoded.
    """

    voices: CacheStats
    encodings: CacheStats
    waiting: int
    refused: int
    encoding_s: float
    encoded_s: float


class VoiceService:
    """Finds, encodes, keeps and changes voices.

    Args:
        store: Where voices are kept.
        encode: Samples ``[N]`` at 44 100 Hz to codes ``[num_codebooks, frames]``.
        fingerprint: Of the codec behind ``encode``.
        cache_bytes: What each of the two caches may grow to.
        max_waiting: Requests that may wait for their voice; one more is refused.
    """

    def __init__(
        self, store: VoiceStore, encode: Encode, fingerprint: str, *, cache_bytes: int, max_waiting: int
    ) -> None:
        self.store = store
        self._encode = encode
        self._fingerprint = fingerprint
        self._max_waiting = max_waiting
        self._voices: SingleFlightCache[HeldVoice] = SingleFlightCache(cache_bytes, lambda held: held.size_bytes)
        self._encodings: SingleFlightCache[Codes] = SingleFlightCache(cache_bytes, lambda codes: codes.nbytes)
        self._readers = ThreadPoolExecutor(STORE_THREADS, "s1-voice-store")
        self._encoder = ThreadPoolExecutor(1, "s1-voice-encoder")
        self._changer = ThreadPoolExecutor(1, "s1-voice-changes")
        self._lock = threading.Lock()
        self._is_closing = False
        self._num_waiting = self._num_refused = 0
        self._encoding_s = self._encoded_s = 0.0

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Load the encoder and open the store that the settings name.

        The encoder computes in float32 whatever the other models do: a voice's codes are made once and kept.

        Raises:
            SettingsError: a setting is wrong.
            CheckpointError: the checkpoint is missing or does not fit the model.
        """
        limit_threads(settings.threads)
        folder = settings.require_checkpoint()
        store = store_of(settings)
        encoder = CodecEncoder.load(folder, resolve_device(settings.device), torch.float32)

        def encode(samples: Samples) -> Codes:
            return np.asarray(encoder.encode(torch.from_numpy(samples)).cpu().numpy(), dtype=np.int32)

        cache_bytes = int(settings.voice_cache_mb * 1e6)
        return cls(
            store, encode, codec_fingerprint(folder), cache_bytes=cache_bytes, max_waiting=settings.max_waiting_voices
        )

    def submit(self, ask: VoiceAsk) -> Future[Prompts]:
        """Find the prompts of a request; never waits.

        Returns:
            The prompts to come, or an error: ``NotFoundError`` for an unknown voice, ``InvalidArgumentError`` for a
            recording that cannot be used, ``UnavailableError`` when the store does not answer.

        Raises:
            UnavailableError: too many requests wait already, or the service is closing.
        """
        if ask.is_empty:
            return resolved(())
        return self._admit(lambda: flatten(self._readers.submit(self._find, ask)))

    def resolve(self, ask: VoiceAsk) -> Prompts:
        """Find the prompts of a request and wait for them; raises what :meth:`submit` tells."""
        return self.submit(ask).result()

    def run(self, action: Callable[[], T], *, is_change: bool) -> Future[T]:
        """Run something that waits for the store; changes one after the other. Never waits itself.

        Raises:
            UnavailableError: too many requests wait already, or the service is closing.
        """
        return self._admit(lambda: (self._changer if is_change else self._readers).submit(action))

    def add(self, voice: Voice) -> Voice:
        """Encode a voice and store it; one of the same id is replaced. Waits for both.

        Returns:
            The voice with its codes.

        Raises:
            InvalidArgumentError: the id or a recording cannot be used.
            UnavailableError: the store cannot be written.
        """
        check_voice_id(voice.id)
        check_recordings(voice.recordings)
        encoded = replace(voice, recordings=self._encoded(voice.recordings).result())
        self.store.put(encoded)
        self._voices.forget(voice.id)
        return encoded

    def remove(self, voice_id: str) -> None:
        """Remove a voice from the store.

        Raises:
            InvalidArgumentError: the id is none.
            NotFoundError: there is no such voice.
            UnavailableError: the store cannot be written.
        """
        self.store.delete(check_voice_id(voice_id))
        self._voices.forget(voice_id)

    def stats(self) -> VoiceStats:
        """Counters and sizes."""
        with self._lock:
            waiting, refused = self._num_waiting, self._num_refused
            encoding_s, encoded_s = self._encoding_s, self._encoded_s
        return VoiceStats(self._voices.stats(), self._encodings.stats(), waiting, refused, encoding_s, encoded_s)

    def close(self) -> None:
        """End what is being computed; whoever still waits gets ``UnavailableError``."""
        with self._lock:
            self._is_closing = True
        for executor in (self._readers, self._encoder, self._changer):
            executor.shutdown(wait=True, cancel_futures=True)

    # --- the readers' threads ---

    def _find(self, ask: VoiceAsk) -> Future[Prompts]:
        if ask.voice is None:
            return then(self._encoded(ask.recordings), _prompts)
        return then(self._held(check_voice_id(ask.voice)), lambda held: held.prompts)

    def _held(self, voice_id: str) -> Future[HeldVoice]:
        held = self._voices.peek(voice_id)
        if held is not None and not self._is_current(voice_id, held):
            self._voices.forget(voice_id)
        return self._voices.ask(voice_id, lambda: self._load(voice_id))

    def _is_current(self, voice_id: str, held: HeldVoice) -> bool:
        now_s = time.monotonic()
        if now_s - held.checked_s < self.store.check_every_s:
            return True
        try:
            is_current = self.store.version(voice_id) == held.version
        except NotFoundError:
            return False
        held.checked_s = now_s
        return is_current

    def _load(self, voice_id: str) -> Future[HeldVoice]:
        checked_s = time.monotonic()
        voice = self.store.get(voice_id)
        recordings = check_recordings(voice.recordings)
        is_encoded = all(recording.codes_of(self._fingerprint) is not None for recording in recordings)

        def hold(encoded: tuple[Recording, ...]) -> HeldVoice:
            if not is_encoded:
                self._keep_codes(replace(voice, recordings=encoded))
            return HeldVoice(_prompts(encoded), voice.version, checked_s)

        return then(self._encoded(recordings), hold)

    def _keep_codes(self, voice: Voice) -> None:
        """Write a voice back with its new codes, when there is time; not being able to costs only time again."""

        def keep() -> None:
            try:
                if self.store.refresh(voice):
                    log.info("voice %s: codes renewed in the store", voice.id)
            except S1Error as error:
                log.warning("voice %s: its codes could not be stored: %s", voice.id, error)

        try:
            self.run(keep, is_change=True)
        except UnavailableError:
            log.info("voice %s: its codes were not stored, there is too much else to do", voice.id)

    # --- encoding ---

    def _encoded(self, recordings: Sequence[Recording]) -> Future[tuple[Recording, ...]]:
        return gather([self._encode_once(recording) for recording in recordings])

    def _encode_once(self, recording: Recording) -> Future[Recording]:
        codes = recording.codes_of(self._fingerprint)
        if codes is not None:
            return resolved(recording)
        key = sha256(recording.audio).hexdigest() + self._fingerprint + recording.transcript
        asked = self._encodings.ask(key, lambda: self._encoder.submit(self._encode_audio, recording.audio))
        return then(asked, lambda codes: replace(recording, codes=codes, fingerprint=self._fingerprint))

    def _encode_audio(self, audio: bytes) -> Codes:
        samples = read_recording(audio)
        started_s = time.monotonic()
        codes = self._encode(samples)
        with self._lock:
            self._encoding_s += time.monotonic() - started_s
            self._encoded_s += len(samples) / SAMPLE_RATE_HZ
        return codes

    # --- counting ---

    def _admit(self, start: Callable[[], Future[T]]) -> Future[T]:
        with self._lock:
            if self._is_closing:
                raise UnavailableError("the server is shutting down")
            if self._num_waiting >= self._max_waiting:
                self._num_refused += 1
                raise UnavailableError(f"{self._max_waiting} requests wait for voices already; try again later")
            self._num_waiting += 1
            future = start()
        future.add_done_callback(self._count_done)
        return future

    def _count_done(self, _future: Future[T]) -> None:
        with self._lock:
            self._num_waiting -= 1


def _prompts(recordings: Sequence[Recording]) -> Prompts:
    return tuple(
        VoicePrompt(recording.transcript, recording.codes) for recording in recordings if recording.codes is not None
    )
