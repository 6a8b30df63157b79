"""A whole file, of one piece or of several joined ones, to one channel of sound at one rate."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import soxr

from s1_tts.voices.sound.chunks import with_true_sizes
from s1_tts.voices.sound.decoding import Block, decode
from s1_tts.voices.sound.fault import SoundError
from s1_tts.voices.sound.joined import MAX_FILES, parted
from s1_tts.voices.sound.kinds import W64, WAV, kind_of
from s1_tts.voices.sound.mixing import mixed

SILENCE_PEAK: Final = 1e-3
"""-60 dB of full scale."""

MAX_VALUES: Final = 90 * 192_000 * 2
"""Decoded samples of all channels held at once; a small file may unpack to any amount."""

_COUNTED_TIMES: Final = 2
"""How far sound that is too long is decoded, so that its length can be told."""

_PADDING_S: Final = 0.2
"""Silence that encoders add to both ends."""

Samples = npt.NDArray[np.float32]


def read_sound(data: bytes, rate_hz: int, max_s: float, max_bytes: int) -> Samples:
    """Read all sound of a file.

    Args:
        data: The whole file.
        rate_hz: Samples a second of the result.
        max_s: Longest sound that is decoded.
        max_bytes: Size of the largest file; no header that tells of more is believed.

    Returns:
        ``[N]`` in [-1, 1]. What is louder than full scale, as files of floats may be, is turned down as a whole.

    Raises:
        SoundError: it is no sound file, is broken or truncated, too long, silent, or holds values that are no numbers.
    """
    runs = [_read_run(run, rate_hz) for run in _runs(_blocks(data, max_s, max_bytes))]
    samples = np.concatenate(runs)
    loudest = float(np.abs(samples).max(initial=0.0))
    if loudest > 1.0:
        samples = samples / np.float32(loudest)
    if float(np.abs(samples - samples.mean(dtype=np.float64)).max(initial=0.0)) < SILENCE_PEAK:
        raise SoundError("is silent")
    return np.asarray(samples, dtype=np.float32)


def _blocks(data: bytes, max_s: float, max_bytes: int) -> Iterator[Block]:
    kind, sound = kind_of(data)
    files = parted(sound, kind)
    if len(files) > MAX_FILES:
        raise SoundError(f"is {len(files)} files joined; at most {MAX_FILES} are read")
    length_s, num_values = 0.0, 0
    for file in files:
        whole = with_true_sizes(file, kind, max_bytes)
        for block in decode(whole, WAV if kind is W64 else kind):
            length_s += block.samples.shape[1] / block.rate_hz
            if length_s > _COUNTED_TIMES * max_s:
                raise SoundError(f"is too long: more than {length_s:.0f} s")
            if length_s > max_s + _PADDING_S:
                continue  # only counted any more
            num_values += block.samples.size
            if num_values > MAX_VALUES:
                raise SoundError(f"holds too much sound: {len(block.samples)} channels at {block.rate_hz} Hz")
            if not np.isfinite(block.samples).all():
                raise SoundError("is broken: it holds values that are not finite")
            yield block
    if length_s > max_s + _PADDING_S:
        raise SoundError(f"is too long: {length_s:.2f} s")


def _runs(blocks: Iterator[Block]) -> Iterator[list[Block]]:
    """Blocks in a row of the same rate and number of channels."""
    run: list[Block] = []
    for block in blocks:
        if run and (run[0].rate_hz, len(run[0].samples)) != (block.rate_hz, len(block.samples)):
            yield run
            run = []
        run.append(block)
    if run:
        yield run


def _read_run(run: list[Block], rate_hz: int) -> Samples:
    given = run[0].rate_hz
    mono = mixed(np.concatenate([block.samples for block in run], axis=1), given)
    if given == rate_hz:
        return mono
    return np.asarray(soxr.resample(mono, given, rate_hz), dtype=np.float32)
