"""An attack on a running server, with harmless means: what it does is in :data:`ATTACKS`, one function a kind."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tritonclient.grpc.aio as grpcclient
from tritonclient.utils import InferenceServerException

from tests.triton.callers import answer, kserve_json, post_json, stream

LONG = "This sentence is said again and again. " * 20
WRONG_FIELDS: tuple[dict[str, Any], ...] = (
    {"text": ""},
    {"text": "?!"},
    {"text": "x" * 10_001},
    {"text": b"\xff\xfe"},
    {"text": "Hello.", "temperature": 9.0},
    {"text": "Hello.", "temperature": float("nan")},
    {"text": "Hello.", "max_frames": -1},
    {"text": "Hello.", "chunk_frames": 10**6},
    {"text": "Hello.", "service": "nobody"},
    {"text": "Hello.", "voice": "../../etc/passwd"},
    {"text": "Hello.", "voice": "nobody"},
    {"text": "Hello.", "seed": np.array([[1, 2]], dtype=np.int64)},
)
NO_RECORDINGS = (
    b"",
    b"no sound",
    b"RIFF\xff\xff\xff\xffWAVE",
    b"OggS" + bytes(100),
    b"fLaC" + bytes(100),
    bytes(10**6),
)


@dataclass
class Tally:
    """What came of one kind of attack.

    Args:
        tried: Requests.
        held: Those that were refused with a reason, answered, or left behind nothing.
        lost: What went otherwise.
    """

    tried: int = 0
    held: int = 0
    lost: list[str] = field(default_factory=list)

    def note(self, is_held: bool, what: object) -> None:
        """Count one request."""
        self.tried += 1
        self.held += is_held
        if not is_held:
            self.lost.append(str(what)[:200])


@dataclass(frozen=True)
class Target:
    """Where the attack goes.

    Args:
        grpc: A connection to it.
        http_port: Its port of HTTP.
    """

    grpc: grpcclient.InferenceServerClient
    http_port: int


async def _refused(tally: Tally, asked: Awaitable[Any], what: object) -> None:
    try:
        async with asyncio.timeout(30):
            await asked
        tally.note(False, f"accepted: {what}")
    except InferenceServerException as error:
        tally.note("internal error" not in error.message(), f"{what}: {error.message()}")
    except TimeoutError:
        tally.note(False, f"hangs: {what}")


async def _read(target: Target, fields: dict[str, Any]) -> None:
    async with aclosing(stream(target.grpc, **fields)) as chunks:
        async for _ in chunks:
            pass


async def wrong_fields(target: Target, tally: Tally) -> None:
    """Every wrong field by gRPC, as one answer and as a stream."""
    for fields in WRONG_FIELDS:
        await _refused(tally, answer(target.grpc, **fields), fields)
        await _refused(tally, _read(target, fields), fields)


async def wrong_fields_by_http(target: Target, tally: Tally) -> None:
    """Wrong values in requests of the right form."""
    for text, frames in (("", 12), ("?!", 12), ("x" * 10_001, 12), ("Hello.", -1), ("Hello.", 2**31 - 1)):
        body = kserve_json(text, max_frames=frames)
        got = await asyncio.to_thread(post_json, target.http_port, "/v2/models/s1_mini/infer", body)
        tally.note(got.status == 400 and b"internal error" not in got.body, got.body)


async def hostile_recordings(target: Target, tally: Tally) -> None:
    """Recordings that are none."""
    for data in NO_RECORDINGS:
        audio = np.array([[data]], dtype=np.object_)
        words = np.array([[b"Words."]], dtype=np.object_)
        fields = {"text": "Hello.", "reference_audio": audio, "reference_text": words}
        await _refused(tally, _read(target, fields), data[:20])


async def leavers(target: Target, tally: Tally) -> None:
    """Callers who leave before the first sound, or after it."""

    async def leave(after: int) -> None:
        async with aclosing(stream(target.grpc, text=LONG, max_frames=2000)) as chunks:
            for _ in range(after):
                await anext(chunks)

    for result in await asyncio.gather(*(leave(number % 2) for number in range(16)), return_exceptions=True):
        tally.note(result is None, result)


async def a_flood(target: Target, tally: Tally) -> None:
    """One caller's many requests at once; each is answered whole or refused."""
    fields = {"text": "Hello there.", "max_frames": 8, "seed": 3}
    asked = [answer(target.grpc, **fields) for _ in range(100)]
    for result in await asyncio.gather(*asked, return_exceptions=True):
        is_refusal = isinstance(result, InferenceServerException) and "try again later" in result.message()
        tally.note(is_refusal or not isinstance(result, BaseException), result)


Attack = Callable[[Target, Tally], Awaitable[None]]
ATTACKS: tuple[Attack, ...] = (wrong_fields, wrong_fields_by_http, hostile_recordings, leavers, a_flood)


async def besiege(target: Target, rounds: int) -> dict[str, Tally]:
    """Attack so many times in every way; gives what came of each."""
    tallies = {attack.__name__.replace("_", " "): Tally() for attack in ATTACKS}
    for _ in range(rounds):
        for attack, tally in zip(ATTACKS, tallies.values(), strict=True):
            await attack(target, tally)
    return tallies


def table_of(tallies: dict[str, Tally]) -> Sequence[str]:
    """Lines of a table: attack, tried, held, lost."""
    lines = [f"{'attack':24} {'tried':>7} {'held':>7} {'lost':>7}"]
    return [*lines, *(f"{name:24} {t.tried:7} {t.held:7} {len(t.lost):7}" for name, t in tallies.items())]
