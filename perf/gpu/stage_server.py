"""A real tritonserver on the GPU: first audio, audio a second, underruns, and a codec's process that is killed."""

import asyncio
import os
import signal
import time
from statistics import median

import psutil

from perf.gpu.stage import Stage
from perf.gpu.timing import guarded, tell
from s1_client import AsyncS1Client, SpeechOptions
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.serving.ports import Ports
from s1_tts.serving.repository import PACKAGED_REPOSITORY, Profile
from s1_tts.serving.server import ServerOptions, TritonServer

LOADS = ((1, 64), (8, 64), (32, 300), (64, 300))
REHEARSED = ((1, 8), (2, 8))
READY_S = 100.0
AFTER_KILL_S = 10.0
TEXT = "This is a sentence of a length that many sentences have, no more and no less."


def run(stage: Stage) -> None:
    """Start a server as for calls, and load it."""
    any_port = Ports(0, 0, 0)
    options = ServerOptions(
        stage.checkpoint, PACKAGED_REPOSITORY, ports=any_port, profile=Profile.CALLS, device=str(stage.device)
    )
    with (stage.out / "server.log").open("w") as log, TritonServer(options, log) as server:
        started_s = time.perf_counter()
        server.wait_until_ready(READY_S)
        tell(ready_s=round(time.perf_counter() - started_s, 1))
        url = f"127.0.0.1:{server.ports.grpc}"
        for count, frames in LOADS if stage.is_cuda else REHEARSED:
            with guarded(f"callers_{count}"):
                asyncio.run(_speak_all(url, count, 8))
                tell(**{f"callers_{count}": asyncio.run(_speak_all(url, count, frames))})
        with guarded("killed_codec"):
            tell(killed_codec=_kill_codec(server, url))


async def _speak_all(url: str, count: int, frames: int) -> dict[str, object]:
    started_s = time.perf_counter()
    async with AsyncS1Client(url) as client:
        heard = await asyncio.gather(*(_speak(client, seed, frames) for seed in range(count)))
    wall_s = time.perf_counter() - started_s
    firsts = sorted(first for first, _, _ in heard)
    return {
        "first_audio_ms_p50": round(median(firsts) * 1e3, 2),
        "first_audio_ms_worst": round(firsts[-1] * 1e3, 2),
        "audio_s_per_s": round(sum(audio_s for _, audio_s, _ in heard) / wall_s, 1),
        "callers_with_underruns": sum(underrun_s > 0 for _, _, underrun_s in heard),
    }


async def _speak(client: AsyncS1Client, seed: int, frames: int) -> tuple[float, float, float]:
    """Time to first audio, seconds of audio, and seconds without any for a listener who plays at once."""
    started_s = time.perf_counter()
    first_s, audio_s, underrun_s = 0.0, 0.0, 0.0
    async with client.stream(TEXT, SpeechOptions(seed=seed, max_frames=frames)) as stream:
        async for chunk in stream:
            now_s = time.perf_counter() - started_s
            if not audio_s:
                first_s = now_s
            underrun_s += max(0.0, now_s - first_s - audio_s - underrun_s) if audio_s else 0.0
            audio_s += len(chunk.samples) / SAMPLE_RATE_HZ
    return first_s, audio_s, underrun_s


def _kill_codec(server: TritonServer, url: str) -> dict[str, object]:
    """Kill the codec's process while somebody listens; what the caller gets, and whether the server notices."""
    children = psutil.Process(server.process_id).children(recursive=True)
    codec = next(child for child in children if any("s1_codec" in word for word in child.cmdline()))
    os.kill(codec.pid, signal.SIGKILL)
    started_s = time.perf_counter()
    try:
        asyncio.run(asyncio.wait_for(_speak_all(url, 1, 8), AFTER_KILL_S))
        told = "sound"
    except Exception as fault:  # whatever a caller gets is what is wanted here
        told = f"{type(fault).__name__}: {str(fault)[:200]}"
    return {"caller_got": told, "after_s": round(time.perf_counter() - started_s, 2)}
