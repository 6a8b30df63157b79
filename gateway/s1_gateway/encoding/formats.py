"""What can be asked of a sound: formats with their rates and bit rates, speed and loudness."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from s1_protocol.sound import SAMPLE_RATE_HZ

MIN_SPEED, MAX_SPEED = 0.25, 4.0
MIN_VOLUME_DB, MAX_VOLUME_DB = -20.0, 20.0

COMMON_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)

# ISO/IEC 11172-3 and 13818-3, layer III; MPEG-2.5 is what LAME keeps below 16 kHz
MPEG_1_BIT_RATES_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MPEG_2_BIT_RATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG_2_5_BIT_RATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64)
AAC_BIT_RATES_KBPS = (16, 24, 32, 48, 64, 96, 128, 192)
AAC_MAX_BITS_A_SAMPLE = 5  # ffmpeg's encoder quietly makes less of a higher rate
OPUS_BIT_RATES_BPS = range(6_000, 256_001)


class AudioFormat(StrEnum):
    """Formats of the sound that goes out; all of them are mono."""

    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    PCM_MULAW = "pcm_mulaw"
    PCM_ALAW = "pcm_alaw"
    WAV = "wav"
    WAV_F32LE = "wav_f32le"
    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    FLAC = "flac"


@dataclass(frozen=True)
class FormatTraits:
    """What is true of a format.

    Args:
        extension: Ending of a file's name, without the dot.
        media_type: Content type; ``{rate_hz}`` stands for the rate where the bytes do not tell it.
        default_rate_hz: Samples per second if the caller does not say.
        rates_hz: Samples per second that can be asked for.
        default_bit_rate_bps: Bits per second if the caller does not say; 0 where the format has no choice.
    """

    extension: str
    media_type: str
    default_rate_hz: int
    rates_hz: tuple[int, ...] = COMMON_RATES_HZ
    default_bit_rate_bps: int = 0


TRAITS: dict[AudioFormat, FormatTraits] = {
    AudioFormat.PCM_S16LE: FormatTraits("pcm", "audio/pcm;rate={rate_hz};channels=1", 24_000),
    AudioFormat.PCM_F32LE: FormatTraits("f32", "audio/pcm;encoding=float;bits=32;rate={rate_hz};channels=1", 24_000),
    AudioFormat.PCM_MULAW: FormatTraits("ulaw", "audio/PCMU;rate={rate_hz};channels=1", 8_000),
    AudioFormat.PCM_ALAW: FormatTraits("alaw", "audio/PCMA;rate={rate_hz};channels=1", 8_000),
    AudioFormat.WAV: FormatTraits("wav", "audio/wav", SAMPLE_RATE_HZ),
    AudioFormat.WAV_F32LE: FormatTraits("wav", "audio/wav", SAMPLE_RATE_HZ),
    # bare: a browser's MediaSource refuses audio/mpeg with a codecs parameter
    AudioFormat.MP3: FormatTraits("mp3", "audio/mpeg", SAMPLE_RATE_HZ, default_bit_rate_bps=128_000),
    AudioFormat.OPUS: FormatTraits("ogg", "audio/ogg", 48_000, OPUS_RATES_HZ, default_bit_rate_bps=32_000),
    AudioFormat.AAC: FormatTraits("aac", "audio/aac", SAMPLE_RATE_HZ, default_bit_rate_bps=128_000),
    AudioFormat.FLAC: FormatTraits("flac", "audio/flac", SAMPLE_RATE_HZ),
}


def bit_rates_bps(audio_format: AudioFormat, rate_hz: int) -> Sequence[int]:
    """List the bit rates that a format has at a sample rate, from low to high; none where there is no choice."""
    if audio_format is AudioFormat.MP3:
        if rate_hz >= 32_000:
            return [1000 * rate for rate in MPEG_1_BIT_RATES_KBPS]
        rates = MPEG_2_BIT_RATES_KBPS if rate_hz >= 16_000 else MPEG_2_5_BIT_RATES_KBPS
        return [1000 * rate for rate in rates]
    if audio_format is AudioFormat.AAC:
        return [1000 * rate for rate in AAC_BIT_RATES_KBPS if 1000 * rate <= AAC_MAX_BITS_A_SAMPLE * rate_hz]
    if audio_format is AudioFormat.OPUS:
        return OPUS_BIT_RATES_BPS
    return ()
