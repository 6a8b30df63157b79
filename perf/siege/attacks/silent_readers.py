"""Callers who ask and never read, at the server and at the gateway: nobody else's sound waits for them."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import tritonclient.grpc.aio as grpcclient
from perf.siege.aftermath import held_by_gateway
from perf.siege.attack import Siege
from perf.siege.doors import headers_of
from perf.siege.place import ATTACKER, Place
from perf.siege.tally import HANG_S, Tally
from tests.triton.callers import inputs_of

from s1_protocol.names import Parameter

LONG = "This sentence is said again and again, to somebody who does not listen. " * 20
MAX_FRAMES = 600
"""28 s of sound, 2.5 MB of samples: more than the buffers of a connection."""


async def attack(siege: Siege, tally: Tally) -> None:
    """Silent ones of both kinds at once; those who read are served beside them."""
    number = siege.number(1, 8)
    async with _silent_streams(siege.place, number), _silent_bodies(siege.place, number):
        await asyncio.sleep(1.0)
        await siege.proof.ask_streams(siege.place, tally, 2, may_be_told=False)
        await siege.proof.ask_doors(siege.place, tally, may_be_told=False)
        if not siege.is_small:
            tally.note(await _is_cut_off(siege.place), "the gateway goes on for callers who read nothing")
        await siege.proof.ask_streams(siege.place, tally, 2, may_be_told=False)


async def _is_cut_off(place: Place) -> bool:
    """Whether the gateway ends what nobody reads, although the callers are still there."""
    deadline_s = time.monotonic() + HANG_S
    while await held_by_gateway(place):
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(1.0)
    return True


@contextlib.asynccontextmanager
async def _silent_streams(place: Place, number: int) -> AsyncIterator[None]:
    """Streams of the server that are asked for on a connection of their own, which then ends without a word.

    They are a named caller's, as all are that a gateway asks for: callers without a name are served as they come, so
    that the next one's sound would wait for all of theirs.
    """
    headers = {Parameter.CALLER.value: ATTACKER}
    async with grpcclient.InferenceServerClient(place.target.url) as client:
        streams = [client.stream_infer(_only(seed), headers=headers) for seed in range(number)]
        try:
            yield
        finally:
            for stream in streams:
                stream.cancel()


async def _only(seed: int) -> AsyncIterator[dict[str, object]]:
    fields = {"text": LONG, "seed": seed, "max_frames": MAX_FRAMES}
    yield {"model_name": "s1_mini_stream", "inputs": inputs_of(fields)}


@contextlib.asynccontextmanager
async def _silent_bodies(place: Place, number: int) -> AsyncIterator[None]:
    """Requests to the gateway whose answers nobody reads."""
    writers = []
    try:
        for seed in range(number):
            _, writer = await asyncio.open_connection("127.0.0.1", place.gateway_port, limit=1)
            writers.append(writer)
            request = {"model": "m", "voice": "default", "input": LONG, "response_format": "wav", "seed": seed}
            body = json.dumps({**request, "max_frames": MAX_FRAMES}).encode()
            token = headers_of(ATTACKER)["authorization"]
            head = f"POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n"
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        yield
    finally:
        for writer in writers:
            writer.transport.abort()
