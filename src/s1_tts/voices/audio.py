"""Recordings of voices: a sound file of any usual make in, mono samples at the codec's rate out, every fault told."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.limits import MAX_RECORDING_BYTES, MAX_RECORDING_S, MIN_RECORDING_S
from s1_protocol.names import Field
from s1_protocol.request_options import REFERENCE_AUDIO
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.voices.sound.fault import SoundError

Samples = npt.NDArray[np.float32]


class RecordingReader:
    """Reads recordings in a process of its own, so that a hostile file costs bounded time and memory."""

    def __init__(self) -> None:
        from s1_tts.voices.sound.process import SoundProcess  # noqa: PLC0415  # as below

        self._process = SoundProcess()

    def read(self, data: bytes) -> Samples:
        """Read a sound file to its end; see :func:`read_recording`."""
        return _read(data, self._process.read)

    def close(self) -> None:
        """End the process."""
        self._process.close()


def read_recording(data: bytes) -> Samples:
    """Read a sound file to its end.

    Args:
        data: The whole file, or several of one kind joined.

    Returns:
        Mono samples ``[N]`` in [-1, 1] at 44 100 Hz.

    Raises:
        InvalidArgumentError: on ``reference_audio``; it is too large, no sound file, broken, truncated, silent, too
            short or too long, and the message says which.
    """
    from s1_tts.voices.sound.reading import read_sound  # noqa: PLC0415  # no decoder where none decodes

    return _read(data, read_sound)


def _read(data: bytes, read_sound: Callable[[bytes, int, float, int], Samples]) -> Samples:
    check_size(data)
    try:
        samples = read_sound(data, SAMPLE_RATE_HZ, MAX_RECORDING_S, MAX_RECORDING_BYTES)
    except SoundError as fault:
        raise refusal(str(fault)) from fault
    if len(samples) < MIN_RECORDING_S * SAMPLE_RATE_HZ:
        raise refusal(f"is too short: {len(samples) / SAMPLE_RATE_HZ:.2f} s")
    return samples


def check_size(data: bytes) -> None:
    """Refuse what is empty or too large, before anything is done with it.

    Raises:
        InvalidArgumentError: it is.
    """
    if not data:
        raise refusal("is empty")
    if len(data) > MAX_RECORDING_BYTES:
        raise refusal(f"has {len(data)} bytes, which is too large")


def refusal(fault: str) -> InvalidArgumentError:
    """The error for a recording that cannot be used.

    Args:
        fault: What is wrong with it: "is empty", "has 9 channels".
    """
    return InvalidArgumentError(Field.REFERENCE_AUDIO, fault, REFERENCE_AUDIO.allowed)
