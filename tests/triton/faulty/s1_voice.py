"""Voices whose encoder waits while a file beside the voice store says so, and counts in another what it encodes."""

import time
from pathlib import Path

from s1_tts.settings import Settings
from s1_tts.triton.models.voice import VoiceModel
from s1_tts.voices.audio import Samples
from s1_tts.voices.service import VoiceService
from s1_tts.voices.voice import Codes

GATE = "encoder-waits"
COUNT = "encoded"


class TritonPythonModel(VoiceModel):
    def load_service(self, settings: Settings) -> VoiceService:
        service = VoiceService.load(settings)
        encode = service._encode
        gate = Path(settings.voices).parent / GATE

        def encode_behind_gate(samples: Samples) -> Codes:
            while gate.exists():
                time.sleep(0.02)
            with gate.with_name(COUNT).open("a", encoding="ascii") as count:
                count.write("x")
            return encode(samples)

        service._encode = encode_behind_gate
        return service
