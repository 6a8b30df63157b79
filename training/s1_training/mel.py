"""Log-mel features: what the codes are learned from and what the codec's decoder is judged by."""

from functools import cache

import numpy as np
import numpy.typing as npt

from s1_training.speech import FRAME_SAMPLES, SAMPLE_RATE, Samples

NUM_BANDS = 40
WINDOW_SAMPLES = 1024
HOP_SAMPLES = 512
STEPS_A_FRAME = FRAME_SAMPLES // HOP_SAMPLES
NUM_FEATURES = STEPS_A_FRAME * NUM_BANDS
FLOOR = 1e-4
"""Of full scale; what is quieter counts as this."""

HIGHEST_HZ = 11025.0  # espeak-ng speaks at 22.05 kHz
LOWEST_HZ = 60.0


@cache
def mel_bands(window_samples: int = WINDOW_SAMPLES, num_bands: int = NUM_BANDS) -> npt.NDArray[np.float32]:
    """Triangular bands, evenly spaced on the mel scale ``2595 log10(1 + f / 700)``, each of sum 1.

    Args:
        window_samples: Length of the transform.
        num_bands: How many bands.

    Returns:
        ``[num_bands, window_samples // 2 + 1]``.
    """
    edges_mel = np.linspace(_to_mel(LOWEST_HZ), _to_mel(HIGHEST_HZ), num_bands + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    bins_hz = np.fft.rfftfreq(window_samples, 1 / SAMPLE_RATE)
    rising = (bins_hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    bands = np.maximum(0, np.minimum(rising, falling))
    nearest = np.abs(bins_hz - edges_hz[1:-1, None]).argmin(1)  # a band narrower than a bin takes the nearest one
    bands[np.arange(num_bands), nearest] += 1e-3
    return np.asarray(bands / bands.sum(1, keepdims=True), dtype=np.float32)


def log_mel(samples: Samples) -> npt.NDArray[np.float32]:
    """Features of whole frames: four log-mel spectra each.

    Args:
        samples: ``[frames * FRAME_SAMPLES]``.

    Returns:
        ``[frames, NUM_FEATURES]``, natural logarithms of amplitudes, a sine of full scale in a bin being about 0.
    """
    margin = (WINDOW_SAMPLES - HOP_SAMPLES) // 2
    padded = np.pad(samples, margin)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
    window = np.hanning(WINDOW_SAMPLES).astype(np.float32)
    amplitudes = np.abs(np.fft.rfft(pieces * window)) * (2 / window.sum())
    mel = np.log(np.maximum(amplitudes.astype(np.float32) @ mel_bands().T, FLOOR))
    return np.asarray(mel, dtype=np.float32).reshape(-1, NUM_FEATURES)


def _to_mel(frequency_hz: float) -> float:
    return float(2595 * np.log10(1 + frequency_hz / 700))
