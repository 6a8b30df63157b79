"""One caller's wish for the sound of one answer, checked."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from s1_gateway.encoding.formats import (
    MAX_SPEED,
    MAX_VOLUME_DB,
    MIN_SPEED,
    MIN_VOLUME_DB,
    TRAITS,
    AudioFormat,
    bit_rates_bps,
)


class SoundSpecError(ValueError):
    """A wish that cannot be met.

    Args:
        field: Name of the field of :class:`SoundSpec`.
        got: What came.
        allowed: What is allowed, in words.
    """

    def __init__(self, field: str, got: object, allowed: str) -> None:
        super().__init__(f"{field}: got {got}; allowed: {allowed}")
        self.field = field
        self.got = got
        self.allowed = allowed


@dataclass(frozen=True)
class SoundSpec:
    """How an answer shall sound.

    Args:
        format: Of the bytes.
        sample_rate_hz: None is the format's own default.
        bit_rate_bps: None is the format's default, or the highest at this rate if that is less.
        speed: 0.25 to 4; 2 is twice as fast. The pitch stays.
        volume_db: -20 to 20, added to the loudness. Peaks are turned down before they clip.
        normalize_loudness: Bring quiet and loud voices to one loudness, gradually.

    Raises:
        SoundSpecError: A field is outside of what is allowed.
    """

    format: AudioFormat
    sample_rate_hz: int | None = None
    bit_rate_bps: int | None = None
    speed: float = 1.0
    volume_db: float = 0.0
    normalize_loudness: bool = False

    def __post_init__(self) -> None:
        rates = TRAITS[self.format].rates_hz
        if self.sample_rate_hz is not None and self.sample_rate_hz not in rates:
            raise SoundSpecError("sample_rate", self.sample_rate_hz, f"{_one_of(rates)} Hz for {self.format.value}")
        self._check_bit_rate()
        if not MIN_SPEED <= self.speed <= MAX_SPEED:  # not a number is refused too
            raise SoundSpecError("speed", self.speed, f"{MIN_SPEED} to {MAX_SPEED}")
        if not MIN_VOLUME_DB <= self.volume_db <= MAX_VOLUME_DB:
            raise SoundSpecError("volume", self.volume_db, f"{MIN_VOLUME_DB} to {MAX_VOLUME_DB} dB")

    def _check_bit_rate(self) -> None:
        if self.bit_rate_bps is None:
            return
        allowed = bit_rates_bps(self.format, self.rate_hz)
        if self.bit_rate_bps not in allowed:
            words = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else _one_of(allowed)
            told = f"{words} bits per second for {self.format.value} at {self.rate_hz} Hz" if allowed else "none"
            raise SoundSpecError("bit_rate", self.bit_rate_bps, told)

    @cached_property
    def rate_hz(self) -> int:
        """Samples per second of the sound that goes out."""
        return self.sample_rate_hz or TRAITS[self.format].default_rate_hz

    @cached_property
    def chosen_bit_rate_bps(self) -> int:
        """Bits per second of the sound that goes out; 0 where the format has no choice."""
        if self.bit_rate_bps is not None:
            return self.bit_rate_bps
        wanted = TRAITS[self.format].default_bit_rate_bps
        allowed = bit_rates_bps(self.format, self.rate_hz)  # rising, and for Opus a quarter of a million of them
        return allowed[max(bisect_right(allowed, wanted) - 1, 0)] if allowed else 0

    @property
    def is_cheap(self) -> bool:
        """Whether a second of it is made in less than half a millisecond: bare samples as they were spoken."""
        is_bare = self.format in (AudioFormat.PCM_S16LE, AudioFormat.WAV)
        return is_bare and self.speed == 1 and not self.volume_db and not self.normalize_loudness

    @property
    def media_type(self) -> str:
        """Content type of the bytes."""
        return TRAITS[self.format].media_type.format(rate_hz=self.rate_hz)

    @property
    def extension(self) -> str:
        """Ending of a file's name, without the dot."""
        return TRAITS[self.format].extension


def _one_of(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
