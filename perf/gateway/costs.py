"""Where the gateway's time goes: its parts alone, each for a second of sound."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tritonclient.grpc.aio
import uvloop
from perf.gateway.callers import ask_bare, ask_client
from perf.gateway.sound import encode

from s1_client import AsyncS1Client
from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_protocol.sound import SAMPLE_RATE_HZ

STREAMS = 20
TEXT = "The train to the coast leaves from the second platform. " * 5
TONE_S = 20


@dataclass
class Costs:
    """CPU time for a second of sound, in milliseconds, of each part alone; the shortest of several runs.

    Args:
        grpc_ms: A bare stream of ``tritonclient``: gRPC and protobuf.
        client_ms: What our client adds to it: checks, buffer, tasks.
        resampling_ms: 44.1 kHz to 24 kHz.
        opus_ms: Resampling to 48 kHz and libopus.
        mp3_ms: LAME at 44.1 kHz.
        rest_pcm_ms: What is left of the gateway's whole cost of pcm: HTTP, asyncio, metrics.
        rest_opus_ms: What is left of the gateway's whole cost of opus.
    """

    grpc_ms: float
    client_ms: float
    resampling_ms: float
    opus_ms: float
    mp3_ms: float
    rest_pcm_ms: float
    rest_opus_ms: float


def measure_costs(server: str, rounds: int, pcm_ms: float, opus_ms: float) -> Costs:
    """Run each part alone, in turns.

    Args:
        server: Where streams come from.
        rounds: How often.
        pcm_ms: Whole cost of the gateway for a second of pcm.
        opus_ms: The same of opus.
    """
    samples = np.round(8000 * np.sin(np.arange(TONE_S * SAMPLE_RATE_HZ) * 2 * np.pi * 440 / SAMPLE_RATE_HZ))
    tone = samples.astype(np.int16)
    parts: tuple[Callable[[], float], ...] = (
        lambda: _run(_bare_s(server)),
        lambda: _run(_client_s(server)),
        lambda: _encoding_s(SoundSpec(AudioFormat.PCM_S16LE, SAMPLE_RATE_HZ), tone),
        lambda: _encoding_s(SoundSpec(AudioFormat.PCM_S16LE, 24_000), tone),
        lambda: _encoding_s(SoundSpec(AudioFormat.OPUS), tone),
        lambda: _encoding_s(SoundSpec(AudioFormat.MP3), tone),
    )
    found = [[part() for part in parts] for _ in range(rounds)]
    bare, client, plain, resampled, opus, mp3 = (1e3 * min(costs) for costs in zip(*found, strict=True))
    return Costs(
        grpc_ms=bare,
        client_ms=client - bare,
        resampling_ms=resampled - plain,
        opus_ms=opus - plain,
        mp3_ms=mp3 - plain,
        rest_pcm_ms=pcm_ms - client - resampled,
        rest_opus_ms=opus_ms - client - opus,
    )


def _run(measured: Coroutine[Any, Any, float]) -> float:
    # the gateway's loop
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measured)


async def _bare_s(server: str) -> float:
    async with tritonclient.grpc.aio.InferenceServerClient(server) as client:
        begun_s = time.process_time()
        heard = await asyncio.gather(*(ask_bare(client, TEXT) for _ in range(STREAMS)))
        return (time.process_time() - begun_s) / sum(each.sound_s for each in heard)


async def _client_s(server: str) -> float:
    async with AsyncS1Client(server) as client:
        begun_s = time.process_time()
        heard = await asyncio.gather(*(ask_client(client, TEXT) for _ in range(STREAMS)))
        return (time.process_time() - begun_s) / sum(each.sound_s for each in heard)


def _encoding_s(spec: SoundSpec, samples: npt.NDArray[np.int16]) -> float:
    opening_s, encoding_s, _ = encode(spec, samples)
    return (opening_s + encoding_s) * SAMPLE_RATE_HZ / len(samples)
