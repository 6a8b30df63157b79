"""Sounds that go into the encoders, and what decoders of others make of what comes out."""

import io
from collections.abc import Iterable, Iterator, Sequence

import av
import numpy as np
import numpy.typing as npt
import soundfile

from s1_gateway.encoding import AudioFormat, SoundEncoder, SoundSpec
from s1_protocol.sound import SAMPLE_RATE_HZ

Floats = npt.NDArray[np.float64]

RAW_SUBTYPES = {
    AudioFormat.PCM_S16LE: "PCM_16",
    AudioFormat.PCM_F32LE: "FLOAT",
    AudioFormat.PCM_MULAW: "ULAW",
    AudioFormat.PCM_ALAW: "ALAW",
}
AV_CONTAINERS = {
    AudioFormat.PCM_S16LE: "s16le",
    AudioFormat.PCM_F32LE: "f32le",
    AudioFormat.PCM_MULAW: "mulaw",
    AudioFormat.PCM_ALAW: "alaw",
    AudioFormat.WAV: "wav",
    AudioFormat.WAV_F32LE: "wav",
    AudioFormat.MP3: "mp3",
    AudioFormat.OPUS: "ogg",
    AudioFormat.AAC: "aac",
    AudioFormat.FLAC: "flac",
}


def tone(duration_s: float, pitch_hz: float = 440.0, level: float = 0.3) -> npt.NDArray[np.int16]:
    """A sine at the engine's rate."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.round(level * 32767 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.int16)


def voice(duration_s: float, pitch_hz: float = 120.0) -> npt.NDArray[np.int16]:
    """A vowel-like buzz in syllables of a quarter of a second, with some breath: what speech codecs expect."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    formants = [(500, 90.0), (1500, 120.0), (2500, 160.0)]
    buzz = np.zeros(len(time_s))
    for harmonic in range(1, int(3600 / pitch_hz)):
        hz = harmonic * pitch_hz
        gain = sum(1 / (1 + ((hz - centre) / width) ** 2) for centre, width in formants) + 0.02
        buzz += gain * np.sin(2 * np.pi * hz * time_s + harmonic**2)
    breath = np.random.default_rng(5).standard_normal(len(time_s))
    syllables = 0.6 - 0.4 * np.cos(2 * np.pi * 4 * time_s)
    return np.round(32767 * 0.12 * syllables * (buzz + 0.02 * breath)).astype(np.int16)


def pieces(samples: npt.NDArray[np.int16], lengths: Iterable[int]) -> Iterator[npt.NDArray[np.int16]]:
    """Cut into these lengths, and what is left over into one more."""
    start = 0
    for length in lengths:
        yield samples[start : start + length]
        start += length
    yield samples[start:]


def encode(
    spec: SoundSpec, samples: npt.NDArray[np.int16], lengths: Sequence[int] = (), *, whole: bool = False
) -> bytes:
    """Encode one answer that comes in pieces."""
    encoder = SoundEncoder(spec, is_whole=whole)
    return b"".join(encoder.encode(piece) for piece in pieces(samples, lengths)) + encoder.finish()


def decode_with_av(spec: SoundSpec, data: bytes) -> Floats:
    """Decode with PyAV; raw formats are told their rate."""
    name = AV_CONTAINERS[spec.format]
    options = {"sample_rate": str(spec.rate_hz)} if name in {"s16le", "f32le", "mulaw", "alaw"} else {}
    with av.open(io.BytesIO(data), format=name, options=options) as container:
        assert container.streams.audio[0].channels == 1
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    samples = np.concatenate(frames)
    return samples / 32768.0 if samples.dtype == np.int16 else samples.astype(np.float64)


def decode_with_soundfile(spec: SoundSpec, data: bytes) -> tuple[Floats, int]:
    """Decode with libsndfile, in blocks: the length in a stream's header means nothing. Samples and their rate."""
    raw = RAW_SUBTYPES.get(spec.format)
    told = {"format": "RAW", "subtype": raw, "channels": 1, "samplerate": spec.rate_hz} if raw else {}
    with soundfile.SoundFile(io.BytesIO(data), **told) as file:
        assert file.channels == 1
        blocks = []
        while len(block := file.read(4096)):
            blocks.append(block)
        return np.concatenate(blocks), file.samplerate


def pitch_hz(samples: Floats, rate_hz: int) -> float:
    """The strongest frequency, between the bins of the spectrum."""
    spectrum = np.log(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) + 1e-12)
    peak = int(spectrum[1:-1].argmax()) + 1
    left, middle, right = spectrum[peak - 1 : peak + 2]
    return float((peak + 0.5 * (left - right) / (left - 2 * middle + right)) * rate_hz / len(samples))


def shift_samples(sound: Floats, original: npt.NDArray[np.int16], rate_hz: int) -> float:
    """By how many samples at ``rate_hz`` a sound comes later than the original."""
    length = 2 * max(len(original), round(len(sound) * SAMPLE_RATE_HZ / rate_hz))
    grid = np.arange(length) / SAMPLE_RATE_HZ
    brought = np.interp(grid, np.arange(len(sound)) / rate_hz, sound, right=0.0)
    reference = np.zeros(length)
    reference[: len(original)] = original
    correlation = np.fft.irfft(np.fft.rfft(brought, 2 * length) * np.conj(np.fft.rfft(reference, 2 * length)))
    lag = int(correlation.argmax())
    return (lag if lag < length else lag - 2 * length) * rate_hz / SAMPLE_RATE_HZ


def worst_window_error_db(sound: Floats, rate_hz: int, wanted_hz: float) -> float:
    """Fit a sine in each 20 ms; the most that one of them leaves unexplained, relative to the sine: clicks are loud."""
    length = rate_hz // 50
    angle = 2 * np.pi * wanted_hz * np.arange(length) / rate_hz
    basis = np.stack([np.sin(angle), np.cos(angle), np.ones(length)], axis=1)
    windows = sound[: len(sound) // length * length].reshape(-1, length).T
    fitted = basis @ np.linalg.lstsq(basis, windows, rcond=None)[0]
    error, power = ((windows - fitted) ** 2).mean(0), (fitted**2).mean(0)
    return float(10 * np.log10((error / power).max() + 1e-12))
