"""Recordings that are none, or are cut, changed or lying: each is refused with a reason, or spoken with whole."""

import asyncio
import io
import random
from collections.abc import Iterator

import httpx2
import numpy as np
import numpy.typing as npt
import soundfile
from perf.siege.attack import Siege
from perf.siege.doors import http_of
from perf.siege.place import Place
from perf.siege.tally import Tally, ToldError, settled
from perf.siege.triton_doors import recording_fields, whole_stream

RATE_HZ = 44_100
FORMATS = (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"))
NO_RECORDINGS = (
    b"",
    b"no sound",
    b"RIFF\xff\xff\xff\xffWAVE",
    b"OggS" + bytes(100),
    b"fLaC" + bytes(100),
    b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f",
    bytes(10**6),
)


def tone(seconds: float, channels: int = 1, rate_hz: int = RATE_HZ) -> npt.NDArray[np.float32]:
    """Something that sounds like a voice to a machine, ``[samples, channels]``."""
    at_s = np.arange(int(seconds * rate_hz)) / rate_hz
    wave = 0.3 * np.sin(2 * np.pi * 150 * at_s) * (1 + 0.5 * np.sin(2 * np.pi * 3 * at_s))
    return np.repeat(wave.astype(np.float32)[:, None], channels, axis=1)


def file_of(samples: npt.NDArray[np.float32], kind: str, subtype: str, rate_hz: int = RATE_HZ) -> bytes:
    """A sound file."""
    target = io.BytesIO()
    soundfile.write(target, samples, rate_hz, format=kind, subtype=subtype)
    return target.getvalue()


def strange_recordings(chance: random.Random, number: int) -> Iterator[bytes]:
    """Files that something is wrong with, or that are unusual."""
    yield from NO_RECORDINGS
    wave = tone(2.0)
    yield file_of(tone(0.05), "WAV", "PCM_16")
    yield file_of(np.zeros_like(wave), "WAV", "PCM_16")
    yield file_of(np.full_like(wave, np.nan), "WAV", "FLOAT")
    yield file_of(tone(2.0, channels=8), "WAV", "PCM_16")
    yield file_of(tone(2.0, rate_hz=192_000), "WAV", "PCM_24", 192_000)
    yield file_of(tone(300.0, rate_hz=8000), "FLAC", "PCM_16", 8000)
    for _ in range(number):
        whole = file_of(wave, *chance.choice(FORMATS))
        yield whole[: chance.randrange(1, len(whole))]


async def attack(siege: Siege, tally: Tally) -> None:
    """To the server as a recording that comes along, and to the gateway as a voice that is to be stored."""
    place = siege.place
    for index, audio in enumerate(strange_recordings(siege.chance, siege.number(4, 60))):
        fields = {"text": "Hello.", "max_frames": 4, **recording_fields(audio)}
        _note(tally, await settled(whole_stream(place, **fields)), f"recording {index} of {len(audio)} bytes")
        _note(tally, await settled(_store(place, audio)), f"voice {index} of {len(audio)} bytes")
    many = [whole_stream(place, text="Hello.", **recording_fields(bytes(2**20))) for _ in range(siege.number(8, 64))]
    for got in await asyncio.gather(*map(settled, many)):
        _note(tally, got, "one of many recordings at once")


def _note(tally: Tally, got: object, what: str) -> None:
    is_told = isinstance(got, ToldError) and "internal error" not in str(got)
    tally.note(is_told or (isinstance(got, bytes) and len(got) > 0), f"{what}: {got!r}")


async def _store(place: Place, audio: bytes) -> bytes:
    """Add a voice and remove it.

    Raises:
        ToldError: the gateway refused it; an answer of 500 is no refusal.
    """
    async with http_of(place) as client:
        try:
            answer = await client.post(
                "/v1/audio/voices",
                data={"name": "strange", "ref_text": "What is said in it."},
                files={"audio_sample": ("strange.wav", audio, "audio/wav")},
            )
        except httpx2.HTTPError as error:
            raise ToldError(f"internal error: the connection broke: {error!r}") from error
        if answer.status_code != 200:
            raise ToldError(f"{'internal error' if answer.status_code == 500 else answer.status_code} {answer.text}")
        removed = await client.delete("/v1/audio/voices/strange")
        return removed.content if removed.status_code == 200 else b""
