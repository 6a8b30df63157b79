"""What a second of sound costs the gateway in each format: resampling, speed, volume and encoding.

    python -m perf sound out/demo.wav [--out DIR]

The encoders take recorded speech, for codecs' costs depend on it, in the pieces of a real answer, in turns, so that a
busy machine slows all alike. Times are of this process's CPU, the shortest of several; ``streams_a_core`` is how many
such streams would fill a core if nothing else were to be done.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from perf.errors import MeasurementError
from perf.measurement import add_recording, recorder

from s1_gateway.encoding import AudioFormat, SoundEncoder, SoundSpec
from s1_gateway.speech import PIECE_SAMPLES
from s1_protocol.sound import SAMPLE_RATE_HZ

SPECS = {
    "pcm 44.1 kHz": SoundSpec(AudioFormat.PCM_S16LE, SAMPLE_RATE_HZ),
    "pcm 24 kHz": SoundSpec(AudioFormat.PCM_S16LE, 24_000),
    "pcm 16 kHz": SoundSpec(AudioFormat.PCM_S16LE, 16_000),
    "mulaw 8 kHz": SoundSpec(AudioFormat.PCM_MULAW, 8_000),
    "wav 44.1 kHz": SoundSpec(AudioFormat.WAV),
    "mp3 44.1 kHz 128 kb/s": SoundSpec(AudioFormat.MP3),
    "mp3 44.1 kHz 64 kb/s": SoundSpec(AudioFormat.MP3, bit_rate_bps=64_000),
    "opus 48 kHz 32 kb/s": SoundSpec(AudioFormat.OPUS),
    "opus 24 kHz 32 kb/s": SoundSpec(AudioFormat.OPUS, 24_000),
    "aac 44.1 kHz 128 kb/s": SoundSpec(AudioFormat.AAC),
    "flac 44.1 kHz": SoundSpec(AudioFormat.FLAC),
    "pcm 24 kHz, speed 1.25": SoundSpec(AudioFormat.PCM_S16LE, 24_000, speed=1.25),
    "pcm 24 kHz, volume 6 dB": SoundSpec(AudioFormat.PCM_S16LE, 24_000, volume_db=6),
    "pcm 24 kHz, loudness": SoundSpec(AudioFormat.PCM_S16LE, 24_000, normalize_loudness=True),
}


@dataclass
class SoundFigures:
    """Figures of one wish for a sound."""

    cpu_ms_a_second: float
    streams_a_core: float
    open_ms: float
    kilobits_a_second: float


def encode(spec: SoundSpec, samples: npt.NDArray[np.int16]) -> tuple[float, float, int]:
    """CPU seconds of opening an encoder, and of all the rest; bytes."""
    begun_s = time.process_time()
    encoder = SoundEncoder(spec)
    opened_s = time.process_time()
    num_bytes = sum(
        len(encoder.encode(samples[at : at + PIECE_SAMPLES])) for at in range(0, len(samples), PIECE_SAMPLES)
    )
    num_bytes += len(encoder.finish())
    return opened_s - begun_s, time.process_time() - opened_s, num_bytes


def speech(file: Path) -> npt.NDArray[np.int16]:
    """Read a recording at the engine's rate.

    Raises:
        MeasurementError: It is none.
    """
    samples: npt.NDArray[np.int16]
    samples, rate_hz = soundfile.read(file, dtype="int16")
    if samples.ndim != 1 or rate_hz != SAMPLE_RATE_HZ or not len(samples):
        raise MeasurementError(
            f"{file}: got {samples.shape} samples at {rate_hz} Hz; allowed: mono, {SAMPLE_RATE_HZ} Hz"
        )
    return samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("sound", type=Path, help="speech at 44.1 kHz in one channel, such as make demo's out/demo.wav")
    add_recording(parser)
    parser.add_argument("--rounds", type=int, default=7)


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    samples = speech(arguments.sound)
    length_s = len(samples) / SAMPLE_RATE_HZ
    rounds = [{name: encode(spec, samples) for name, spec in SPECS.items()} for _ in range(arguments.rounds)]
    found = recorder("sound", arguments)
    for name, spec in SPECS.items():
        cpu_ms = min(costs[name][1] for costs in rounds) * 1e3 / length_s
        figures = SoundFigures(
            cpu_ms_a_second=cpu_ms,
            streams_a_core=1e3 / cpu_ms,
            open_ms=min(costs[name][0] for costs in rounds) * 1e3,
            kilobits_a_second=rounds[0][name][2] * 8 / 1e3 / length_s * spec.speed,
        )
        found.print_and_record(name, figures)
