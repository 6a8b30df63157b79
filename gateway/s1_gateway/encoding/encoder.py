"""One answer's sound on its way from the engine's samples to the caller's bytes."""

from typing import TYPE_CHECKING

from s1_gateway.encoding.aac import AacWriter
from s1_gateway.encoding.flac import FlacWriter
from s1_gateway.encoding.formats import AudioFormat
from s1_gateway.encoding.loudness import Loudness
from s1_gateway.encoding.mp3 import Mp3Writer, WholeMp3Writer
from s1_gateway.encoding.opus import OpusWriter
from s1_gateway.encoding.pcm import AlawWriter, Float32Writer, Int16Writer, MulawWriter
from s1_gateway.encoding.resampling import resampling
from s1_gateway.encoding.samples import FloatSamples, Int16Samples, to_float
from s1_gateway.encoding.spec import SoundSpec
from s1_gateway.encoding.stage import Stage
from s1_gateway.encoding.tempo import TimeStretch
from s1_gateway.encoding.wav import FLOATS, INTEGERS, Coding, WavWriter, WholeWavWriter
from s1_gateway.encoding.writer import FormatWriter

if TYPE_CHECKING:
    from collections.abc import Callable
from s1_protocol.sound import SAMPLE_RATE_HZ


class SoundEncoder:
    """Encodes one answer, as it comes. The bytes do not depend on how the sound was cut into pieces.

    It is not shared: an answer has its own, for two files of most formats behind each other are not one.

    Args:
        spec: How the answer shall sound.
        is_whole: All bytes come at the end; the header tells the true length where the format can.
    """

    def __init__(self, spec: SoundSpec, *, is_whole: bool = False) -> None:
        self.spec = spec
        self._stages = _stages(spec)
        self._writer = _writer(spec, is_whole)

    @property
    def delay_s(self) -> float:
        """Silence before the sound that the format cannot tell a player of, in seconds."""
        return self._writer.delay_samples / self.spec.rate_hz

    def duration_s(self, samples: int) -> float:
        """How long a number of the engine's samples is heard, in seconds."""
        return samples / SAMPLE_RATE_HZ / self.spec.speed

    def encode(self, samples: Int16Samples) -> bytes:
        """Take a piece of the engine's sound.

        Args:
            samples: Mono at 44.1 kHz, any number of them.

        Returns:
            The bytes that are certain by now, which may be none.
        """
        sound = to_float(samples)
        for stage in self._stages:
            sound = stage.process(sound)
        return self._writer.write(sound)

    def finish(self) -> bytes:
        """End the answer; gives the rest of its bytes."""
        held = b""
        for index, stage in enumerate(self._stages):
            held += self._write_through(stage.finish(), self._stages[index + 1 :])
        return held + self._writer.close()

    def _write_through(self, sound: FloatSamples, stages: list[Stage]) -> bytes:
        for stage in stages:
            sound = stage.process(sound)
        return self._writer.write(sound)


def encode_whole(samples: Int16Samples, spec: SoundSpec) -> bytes:
    """Make a whole file.

    Args:
        samples: Mono at 44.1 kHz.
        spec: How it shall sound.
    """
    encoder = SoundEncoder(spec, is_whole=True)
    return encoder.encode(samples) + encoder.finish()


def _stages(spec: SoundSpec) -> list[Stage]:
    stages: list[Stage] = []
    if spec.speed != 1:
        stages.append(TimeStretch(spec.speed))
    if spec.volume_db or spec.normalize_loudness:
        stages.append(Loudness(spec.volume_db, is_normalized=spec.normalize_loudness))
    if spec.rate_hz != SAMPLE_RATE_HZ:
        stages.append(resampling(spec.rate_hz))
    return stages


def _writer(spec: SoundSpec, is_whole: bool) -> FormatWriter:
    rate_hz, bit_rate_bps = spec.rate_hz, spec.chosen_bit_rate_bps

    def wav(coding: Coding) -> FormatWriter:
        return (WholeWavWriter if is_whole else WavWriter)(rate_hz, coding)

    makers: dict[AudioFormat, Callable[[], FormatWriter]] = {
        AudioFormat.PCM_S16LE: Int16Writer,
        AudioFormat.PCM_F32LE: Float32Writer,
        AudioFormat.PCM_MULAW: MulawWriter,
        AudioFormat.PCM_ALAW: AlawWriter,
        AudioFormat.WAV: lambda: wav(INTEGERS),
        AudioFormat.WAV_F32LE: lambda: wav(FLOATS),
        AudioFormat.MP3: lambda: (WholeMp3Writer if is_whole else Mp3Writer)(rate_hz, bit_rate_bps),
        AudioFormat.OPUS: lambda: OpusWriter(rate_hz, bit_rate_bps),
        AudioFormat.AAC: lambda: AacWriter(rate_hz, bit_rate_bps),
        AudioFormat.FLAC: lambda: FlacWriter(rate_hz, is_whole=is_whole),
    }
    return makers[spec.format]()
