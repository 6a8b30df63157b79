"""A service of voices with the real encoder of a tiny codec, counted, and what it is asked for."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from s1_protocol.names import VoiceOperation
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.voices.audio import Samples, read_recording
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice import Codes, Recording, Voice
from s1_tts.voices.voice_ask import VoiceAsk
from s1_tts.voices.voice_command import VoiceCommand
from tests.unit.voices.sounds import recording

CPU = torch.device("cpu")


class CountedEncoder:
    """The real encoder; counts, and waits while its gate is closed."""

    def __init__(self, checkpoint: Path) -> None:
        self.encoder = CodecEncoder.load(checkpoint, CPU, torch.float32)
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, samples: Samples) -> Codes:
        self.calls += 1
        self.gate.wait()
        return self.encoder.encode(torch.from_numpy(samples)).numpy().astype(np.int32)

    def codes_of(self, audio: bytes) -> Codes:
        return self.encoder.encode(torch.from_numpy(read_recording(audio))).numpy().astype(np.int32)


Make = Callable[..., VoiceService]


def reference(hz: float = 220.0, transcript: str = "Some words.") -> VoiceAsk:
    return VoiceAsk(recordings=(Recording(recording(hz), transcript),))


def anna(*pitches: float) -> Voice:
    return Voice("anna", tuple(Recording(recording(hz), f"at {hz}") for hz in pitches or (220.0,)))


def add(service: VoiceService, voice: Voice) -> None:
    service.run(VoiceCommand(VoiceOperation.ADD, voice.id, voice.recordings, voice.metadata)).result()


def remove(service: VoiceService, voice_id: str) -> None:
    service.run(VoiceCommand(VoiceOperation.REMOVE, voice_id)).result()


def settled(condition: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return condition()
