"""Callers: by bare ``tritonclient``, by our client, and through the gateway over HTTP."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import tritonclient.grpc.aio
from perf.errors import MeasurementError
from perf.gateway.hearing import Listener, Meter, Mp3Meter, OggMeter, PcmMeter

from s1_client import AsyncS1Client, SpeechOptions
from s1_client.options import make_inputs
from s1_protocol.names import Field, ModelName
from s1_protocol.sound import SAMPLE_RATE_HZ

Call = Callable[[str], Awaitable[Listener]]
"""Asks for a text's speech and hears it to its end."""

DIRECT = "direct"
METERS: Mapping[str, Callable[[], Meter]] = {"pcm": PcmMeter, "opus": OggMeter, "mp3": Mp3Meter}
OPTIONS = SpeechOptions(max_frames=4096, seed=1)
"""The same for all, so that all hear the same speech."""


@dataclass(frozen=True)
class Callers:
    """Ways to ask one server.

    Args:
        direct: A bare stream of ``tritonclient``.
        through: Through the gateway, by format.
    """

    direct: Call
    through: Mapping[str, Call]

    @property
    def by_name(self) -> dict[str, Call]:
        """All of them."""
        return {DIRECT: self.direct, **self.through}


@asynccontextmanager
async def callers(server: str, gateway: str) -> AsyncGenerator[Callers]:
    """Open connections to a server and to the gateway before it.

    Args:
        server: Host and port of gRPC.
        gateway: Host and port of HTTP.
    """
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(tritonclient.grpc.aio.InferenceServerClient(server))
        # kept open, as clients keep them; no limit: each caller has its own
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(f"http://{gateway}", connector=connector))
        yield Callers(partial(ask_bare, bare), {name: partial(ask_gateway, http, name) for name in METERS})


async def ask_bare(client: tritonclient.grpc.aio.InferenceServerClient, text: str) -> Listener:
    """Hear a text over a bare stream."""

    async def request() -> AsyncIterator[dict[str, Any]]:
        yield {
            "model_name": ModelName.STREAM.value,
            "inputs": make_inputs(text, OPTIONS),
        }

    listener = Listener()
    num_samples = 0
    async for result, error in client.stream_infer(request()):
        if error is not None:
            raise error
        num_samples += result.as_numpy(Field.AUDIO.value).size
        listener.hear(num_samples / SAMPLE_RATE_HZ)
    return listener


async def ask_client(client: AsyncS1Client, text: str) -> Listener:
    """Hear a text over our client."""
    listener = Listener()
    num_samples = 0
    async for chunk in client.stream(text, OPTIONS):
        num_samples += len(chunk.samples)
        listener.hear(num_samples / SAMPLE_RATE_HZ)
    return listener


async def ask_gateway(http: aiohttp.ClientSession, sound: str, text: str) -> Listener:
    """Hear a text through the gateway in a format.

    Raises:
        MeasurementError: it is refused.
    """
    body: dict[str, Any] = {"model": "s1-mini", "voice": "alloy", "input": text, "response_format": sound}
    body |= {"max_frames": OPTIONS.max_frames, "seed": OPTIONS.seed}
    listener, meter = Listener(), METERS[sound]()
    async with http.post("/v1/audio/speech", json=body) as answer:
        if answer.status != 200:
            raise MeasurementError(f"the gateway answers {answer.status}: {await answer.text()}")
        async for data in answer.content.iter_any():
            listener.hear(meter.add(data))
    return listener
