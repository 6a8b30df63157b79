"""Malformed bodies and messages at every door of the gateway: each is told what is wrong, and the door goes on."""

import asyncio
import contextlib
import json
import random
from collections.abc import Mapping
from typing import Any

import httpx2
import msgpack
from perf.siege.attack import Siege
from perf.siege.doors import CARTESIA_FORMAT, RATE_HZ, http_of, socket_of
from perf.siege.tally import HANG_S, Tally
from websockets.exceptions import ConnectionClosed

OPTIONS = {"seed": 1, "max_frames": 4}
BODIES: Mapping[str, dict[str, Any]] = {
    "/v1/audio/speech": {"model": "m", "voice": "default", "input": "Hi.", "response_format": "pcm", **OPTIONS},
    "/v1/tts": {"text": "Hi.", "format": "pcm", "latency": "normal", **OPTIONS},
    "/v1/audio/speech/async": {"text": "Hi.", "response_format": "wav", **OPTIONS},
    "/v1/audio/speech/batch": {"items": [{"text": "Hi."}], "response_format": "wav", **OPTIONS},
}
MESSAGES: Mapping[str, dict[str, Any]] = {
    "/v1/audio/stream": {"text": "Hi.", "voice": "default", "format": "pcm", "context_id": "a", **OPTIONS},
    "/tts/websocket": {"context_id": "a", "transcript": "Hi.", "output_format": CARTESIA_FORMAT, **OPTIONS},
    "/v1/tts/live": {"event": "start", "request": {"text": "", "format": "pcm", "sample_rate": RATE_HZ, **OPTIONS}},
}
WRONG: tuple[Any, ...] = (None, True, -1, 10**30, 1e308, "", "x" * 20_000, [], {}, [[[]]], {"id": {}})
SERVER_FAULT = 500
ORDERLY_CLOSES = range(1000, 1011)
"""Codes of a WebSocket that say what the caller did; 1011 is a fault of ours."""


def strange(chance: random.Random, message: Mapping[str, Any], *, is_packed: bool = False) -> bytes:
    """A message with something wrong in it, or with nothing right."""
    whole = msgpack.packb(dict(message)) if is_packed else json.dumps(message).encode()
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(chance.randint(0, 200))
    if kind == 1:
        return bytes(whole[: chance.randrange(len(whole))])
    if kind == 2:
        at = chance.randrange(len(whole))
        return bytes(whole[:at] + chance.choice(b'{}[]",:0x\\').to_bytes(1, "big") + whole[at:])
    wrong = {**message, chance.choice([*message, "unknown"]): chance.choice(WRONG[:8] if is_packed else WRONG)}
    try:
        return bytes(msgpack.packb(wrong)) if is_packed else json.dumps(wrong).encode()
    except OverflowError:  # no number of msgpack is so large
        return bytes(whole)


async def attack(siege: Siege, tally: Tally) -> None:
    """At all doors at once, so many at each."""
    number = siege.number(15, 150)
    await asyncio.gather(
        *(_bodies(siege, tally, path, number) for path in BODIES),
        *(_messages(siege, tally, path, number) for path in MESSAGES),
    )


async def _bodies(siege: Siege, tally: Tally, path: str, number: int) -> None:
    async with http_of(siege.place) as client:
        for index in range(number):
            is_packed = path == "/v1/tts" and index % 2 == 1
            kind = "application/msgpack" if is_packed else "application/json"
            content = strange(siege.chance, BODIES[path], is_packed=is_packed)
            try:
                async with asyncio.timeout(HANG_S):
                    answer = await client.post(path, content=content, headers={"content-type": kind})
            except (httpx2.HTTPError, TimeoutError) as error:
                tally.note(False, f"{path}: {error!r} after {content[:60]!r}")
                continue
            is_told = answer.status_code < SERVER_FAULT and (answer.is_success or bool(_words_of(answer)))
            tally.note(is_told, f"{path}: {answer.status_code} {answer.content[:100]!r} after {content[:60]!r}")


def _words_of(answer: httpx2.Response) -> str:
    """The message of an error, in whichever envelope."""
    told = json.loads(answer.content)
    error = told.get("error")
    return str(error["message"] if isinstance(error, dict) else told.get("message", ""))


async def _messages(siege: Siege, tally: Tally, path: str, number: int) -> None:
    """Strange messages on sockets, a new one after each that was closed; read by nobody until the end of each."""
    sent = 0
    while sent < number:
        before = sent
        async with socket_of(siege.place, path) as socket:
            reading = asyncio.create_task(_read_to_end(socket))
            try:
                while sent < number and not reading.done():
                    message = strange(siege.chance, MESSAGES[path], is_packed=path == "/v1/tts/live")
                    sent += 1
                    await socket.send(message if path == "/v1/tts/live" or b"\xff" in message else _text_of(message))
                    await asyncio.sleep(0)
            except ConnectionClosed:
                pass
            await socket.close()
            code, faults = await reading
            what = f"{path} was closed with {code} after {sent - before} messages: {faults}"
            tally.note(code in ORDERLY_CLOSES and not faults, what, sent - before)


def _text_of(message: bytes) -> str | bytes:
    try:
        return message.decode()
    except UnicodeDecodeError:
        return message


async def _read_to_end(socket: Any) -> tuple[int | None, list[str]]:
    """The code that it was closed with, and errors of ours that came before."""
    messages: list[str] = []
    with contextlib.suppress(ConnectionClosed):
        messages.extend([str(message) async for message in socket])
    return socket.close_code, [message[:200] for message in messages if "internal" in message]
