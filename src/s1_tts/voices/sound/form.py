"""Rates and channels that a recording of a voice may have."""

from typing import Final

from s1_tts.voices.sound.fault import SoundError

MAX_CHANNELS: Final = 8
MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 192_000


def check_form(rate_hz: int, channels: int) -> None:
    """Refuse rates and numbers of channels that no recording of a voice has.

    Raises:
        SoundError: one of them is out of bounds.
    """
    if not 1 <= channels <= MAX_CHANNELS:
        raise SoundError(f"has {channels} channels; at most {MAX_CHANNELS} can be mixed")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise SoundError(f"has {rate_hz} samples a second; {MIN_RATE_HZ} to {MAX_RATE_HZ} can be read")
