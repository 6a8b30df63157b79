"""The speech to learn from: espeak-ng, monotone, its periods on the grid of the codec's frames.

With the pitch at 44100/256 Hz eight periods make a frame, and with each voiced stretch moved by at most half a period
the phase of a period is always the same: a decoder of codes has no phase to guess. The price is a monotone robot.
"""

import ctypes
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soxr

from s1_tts.text.espeak import LANGUAGE, Espeak
from s1_tts.text.front_end import clauses

SAMPLE_RATE: Final = 44100
PERIOD_SAMPLES: Final = 256
FRAME_SAMPLES: Final = 2048
PITCH_HZ: Final = SAMPLE_RATE / PERIOD_SAMPLES

WORDS_A_MINUTE: Final = 140
PITCH_SETTING: Final = 45  # gives 172.6 Hz with this variant; the rest is resampled
HISS_SEED: Final = 0
"""Of espeak-ng's noise, so that the same texts in the same order sound the same."""
VARIANT: Final = "s1demo"
BASE_VARIANT: Final = "f5"

_DATA_FILES = ("en_dict", "intonations", "phondata", "phonindex", "phontab", "lang/gmw/en-US")
_UNEVEN = ("name", "echo", "roughness", "flutter")  # what of the variant would blur the periods
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_UTF8, _BY_CHARACTER = 1, 1
_CALIBRATION_TEXT = "All mean lawn moaning winning a long rule of more millions, all yellow lemon yawn along a lane."
_WINDOW_SAMPLES = 1024
_VOICED_LEVEL = 0.006
_MIN_VOICED_SAMPLES = 512
_SILENCE_LEVEL = 0.003
_EDGE_SAMPLES = FRAME_SAMPLES

Samples = npt.NDArray[np.float32]


class Speaker:
    """Says texts in the voice to learn. One a process: espeak-ng has one voice at a time.

    Args:
        data_folder: From :func:`write_voice_data`.
    """

    def __init__(self, data_folder: Path) -> None:
        self._espeak = Espeak(data_folder, f"{LANGUAGE}+{VARIANT}")
        library = self._espeak.library
        for parameter, value in ((_RATE, WORDS_A_MINUTE), (_PITCH, PITCH_SETTING), (_RANGE, 0)):
            library.espeak_SetParameter(parameter, value, 0)
        library.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ]
        library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        library.espeak_ng_SetRandSeed(HISS_SEED)
        self._pieces: list[Samples] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._take = kind(self._take_piece)  # kept: the library holds no reference to it
        library.espeak_SetSynthCallback(self._take)
        self._rate_hz = float(self._espeak.sample_rate)
        self._rate_hz = self._espeak.sample_rate * PITCH_HZ / _pitch_hz(self._raw(_CALIBRATION_TEXT), self._rate_hz)

    def say(self, text: str) -> Samples:
        """Speech of a text, read as the front end of the checkpoint reads it.

        Args:
            text: English.

        Returns:
            ``[samples]`` at 44.1 kHz, whole frames, from -1 to 1.
        """
        spoken = " ".join(words + mark for words, mark in clauses(text))
        raised = soxr.resample(self._raw(spoken), self._rate_hz, SAMPLE_RATE, "VHQ")
        return _whole_frames(lock_phase(_trim(raised)))

    def _raw(self, text: str) -> Samples:
        self._pieces.clear()
        data = text.encode()
        with self._espeak.turn:
            self._espeak.library.espeak_Synth(data, len(data) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None)
        return np.concatenate([np.zeros(1, np.float32), *self._pieces])

    def _take_piece(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32768)
        return 0


def write_voice_data(folder: Path) -> None:
    """Copy of espeak-ng's data what English takes, with a variant without echo, roughness and flutter.

    Args:
        folder: Where to; made if missing.
    """
    import espeakng_loader  # noqa: PLC0415  # of the extra `train`

    data = Path(espeakng_loader.get_data_path())
    for name in _DATA_FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / name, folder / name)
    lines = (data / "voices/!v" / BASE_VARIANT).read_text(encoding="utf-8").splitlines()
    even = [line for line in lines if not line.startswith(_UNEVEN)]
    variants = folder / "voices/!v"
    variants.mkdir(parents=True, exist_ok=True)
    (variants / VARIANT).write_text("\n".join([*even, f"name {VARIANT}", "flutter 0", "roughness 0"]) + "\n")


def lock_phase(samples: Samples) -> Samples:
    """Move each voiced stretch by at most half a period, so that its fundamental has phase 0 at every period's start.

    Stretches are moved whole; what lies between two is stretched or pressed by the difference.

    Args:
        samples: ``[samples]`` with the pitch at ``PITCH_HZ``.
    """
    wave = _fundamental(samples, PITCH_HZ, SAMPLE_RATE)
    voiced = np.flatnonzero(np.diff(np.concatenate([[0], np.abs(wave) > _VOICED_LEVEL, [0]])))
    times, shifts = [0.0], [0.0]
    for start, end in voiced.reshape(-1, 2):
        if end - start < _MIN_VOICED_SAMPLES:
            continue
        turns = np.angle(wave[start:end].sum()) / (2 * np.pi)
        shift = round(turns * PERIOD_SAMPLES)  # later by this much, and the phase is 0
        times += [start, end]
        shifts += [shift, shift]
    places = np.arange(len(samples), dtype=np.float64)
    source = places - np.interp(places, times, shifts)
    return np.interp(source, places, samples).astype(np.float32)


def _fundamental(samples: Samples, pitch_hz: float, rate_hz: float) -> npt.NDArray[np.complex128]:
    """Amplitude and phase of the fundamental around each sample."""
    turned = samples * np.exp(-2j * np.pi * pitch_hz / rate_hz * np.arange(len(samples)))
    window = np.hanning(_WINDOW_SAMPLES)
    padded = np.pad(turned, (_WINDOW_SAMPLES // 2, _WINDOW_SAMPLES // 2 - 1))
    size = 1 << (len(padded) + _WINDOW_SAMPLES - 1).bit_length()
    product = np.fft.fft(padded, size) * np.fft.fft(window / window.sum(), size)
    return np.fft.ifft(product)[_WINDOW_SAMPLES - 1 : _WINDOW_SAMPLES - 1 + len(samples)]


def _pitch_hz(samples: Samples, rate_hz: float) -> float:
    """Pitch of a monotone recording, by how fast the phase of its fundamental drifts."""
    step = 128
    guess_hz = PITCH_HZ
    wave = _fundamental(samples, guess_hz, rate_hz)[::step]
    is_voiced = np.abs(wave) > 2 * _VOICED_LEVEL
    turns = np.angle(wave[1:] * wave[:-1].conj())[is_voiced[1:] & is_voiced[:-1]] / (2 * np.pi)
    return guess_hz + float(np.median(turns)) * rate_hz / step


def _trim(samples: Samples) -> Samples:
    """Leave a frame of silence at either end."""
    loud = np.flatnonzero(np.abs(samples) > _SILENCE_LEVEL)
    if not len(loud):
        return samples
    padded = np.pad(samples, _EDGE_SAMPLES)
    return padded[loud[0] : loud[-1] + 2 * _EDGE_SAMPLES]


def _whole_frames(samples: Samples) -> Samples:
    return np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
