"""A wish for a sound is refused with the field, what came and what is allowed."""

import math

import pytest

from s1_gateway.encoding import AudioFormat, SoundSpec, SoundSpecError


@pytest.mark.parametrize(
    ("wish", "field", "words"),
    [
        ({"format": AudioFormat.OPUS, "sample_rate_hz": 44_100}, "sample_rate", "got 44100; allowed: 8000, 12000"),
        ({"format": AudioFormat.MP3, "sample_rate_hz": 0}, "sample_rate", "got 0; allowed: 8000"),
        ({"format": AudioFormat.MP3, "bit_rate_bps": 100_000}, "bit_rate", "128000"),
        ({"format": AudioFormat.MP3, "sample_rate_hz": 8_000, "bit_rate_bps": 128_000}, "bit_rate", "64000 bits"),
        ({"format": AudioFormat.OPUS, "bit_rate_bps": 5_999}, "bit_rate", "allowed: 6000 to 256000"),
        ({"format": AudioFormat.WAV, "bit_rate_bps": 64_000}, "bit_rate", "allowed: none"),
        ({"format": AudioFormat.WAV, "speed": 0.2}, "speed", "got 0.2; allowed: 0.25 to 4.0"),
        ({"format": AudioFormat.WAV, "speed": math.nan}, "speed", "got nan"),
        ({"format": AudioFormat.WAV, "volume_db": 20.5}, "volume", "got 20.5; allowed: -20.0 to 20.0 dB"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(wish: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(SoundSpecError, match=f"^{field}: ") as caught:
        SoundSpec(**wish)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert caught.value.field == field


def test_what_is_left_out_has_the_formats_own_value() -> None:
    assert SoundSpec(AudioFormat.PCM_S16LE).media_type == "audio/pcm;rate=24000;channels=1"
    assert SoundSpec(AudioFormat.MP3).media_type == "audio/mpeg"
    assert SoundSpec(AudioFormat.MP3).chosen_bit_rate_bps == 128_000
    assert SoundSpec(AudioFormat.MP3, 8_000).chosen_bit_rate_bps == 64_000
    assert SoundSpec(AudioFormat.OPUS).chosen_bit_rate_bps == 32_000
    assert SoundSpec(AudioFormat.FLAC).chosen_bit_rate_bps == 0
    assert SoundSpec(AudioFormat.OPUS).extension == "ogg"
