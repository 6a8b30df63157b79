"""First audio in the voice of a recording, beside first audio without one, through a running server.

    python -m perf voices --checkpoint DIR [--device cpu]

``cold_ms`` is the first request with the recording: it is encoded and its prompt computed. ``warm_ms`` and
``without_ms`` are medians of later ones, in turns. The bound of ``ratio`` is 1.15.
"""

import argparse
import io
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import numpy as np
import soundfile
from perf.measurement import add_subject, recorder, seconds, values_in_turns
from perf.server.running import running_server, url_of

from s1_client import S1Client, SpeechOptions
from s1_client.voices import NewRecording
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.serving.repository import Profile

TEXT = "The quick brown fox jumps over the lazy dog."
TRANSCRIPT = "This is a recording of ten seconds, in which someone reads a few sentences aloud."
VOICE_ID = "bench"
FRAMES = 8
"""Of each request; they are its only chunk."""

BOUND = 1.15


@dataclass
class VoiceFigures:
    """Figures of a voice; times in milliseconds, from the request to the first chunk of sound."""

    recording_s: float
    repeats: int
    without_ms: float
    cold_ms: float
    warm_ms: float
    ratio: float
    is_within_bound: bool


def recording(length_s: float) -> bytes:
    """A WAV file of made sound that changes all the time."""
    t = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = 0.3 * np.sin(2 * np.pi * (150 + 20 * np.sin(t)) * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    buffer = io.BytesIO()
    soundfile.write(buffer, sound.astype(np.float32), SAMPLE_RATE_HZ, format="WAV")
    return buffer.getvalue()


def measure(arguments: argparse.Namespace) -> VoiceFigures:
    """Run all measurements on a server with a voice store of its own."""
    with ExitStack() as stack:
        settings = {"voices": stack.enter_context(tempfile.TemporaryDirectory()), "dtype": arguments.dtype}
        server = stack.enter_context(
            running_server(arguments.checkpoint, arguments.device, profile=Profile.CALLS, settings=settings)
        )
        client = stack.enter_context(S1Client(url_of(server)))
        client.voices.add(VOICE_ID, [NewRecording(recording(arguments.seconds), TRANSCRIPT)])

        def first_audio_ms(voice: str | None) -> float:
            options = SpeechOptions(voice=voice, seed=1, max_frames=FRAMES, chunk_frames=FRAMES)
            return seconds(lambda: list(client.stream(TEXT, options))) * 1e3

        first_audio_ms(None)
        cold_ms = first_audio_ms(VOICE_ID)
        calls = [lambda: first_audio_ms(None), lambda: first_audio_ms(VOICE_ID)]
        without_ms, warm_ms = (median(times) for times in values_in_turns(calls, arguments.repeats))
    return VoiceFigures(
        recording_s=arguments.seconds,
        repeats=arguments.repeats,
        without_ms=without_ms,
        cold_ms=cold_ms,
        warm_ms=warm_ms,
        ratio=warm_ms / without_ms,
        is_within_bound=warm_ms / without_ms <= BOUND,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, has_dtype=True)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the recording")
    parser.add_argument("--repeats", type=int, default=7)


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    recorder("voices", arguments).print_and_record(arguments.checkpoint.name, measure(arguments))
