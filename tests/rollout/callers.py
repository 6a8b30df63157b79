"""Callers who each ask for speech again and again, and compare all of it with what it should be."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from s1_protocol.sound import FRAMES_PER_SECOND

TIMEOUT_S = 300.0
NUM_TEXTS = 5
LOOK_S = 0.2
"""Time between two looks of a resting caller whether it is to rest on."""


@dataclass(frozen=True)
class Order:
    """What is asked for; the same order gives the same samples from every server."""

    number: int
    max_frames: int

    @property
    def fields(self) -> dict[str, object]:
        """Of the model, in any protocol."""
        return {"seed": self.number, "max_frames": self.max_frames}

    @property
    def text(self) -> str:
        """What is said."""
        return f"This is text number {self.number} of a rollout that nobody should notice."


@dataclass
class Heard:
    """What callers got.

    Args:
        streams: Answers that were whole, by kind of caller.
        open_at: When each of them began and ended, on the monotonic clock.
        problems: Everything else, in words.
        num_moved: Sockets that were closed while nothing was under way, whose callers connected anew.
    """

    streams: dict[str, int] = field(default_factory=dict)
    open_at: list[tuple[float, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    num_moved: int = 0

    def num_open(self, at_s: float) -> int:
        """Answers under way at a time."""
        return sum(begun_s <= at_s <= ended_s for begun_s, ended_s in self.open_at)


class Callers:
    """Several callers, who go on until they are told that it is enough.

    Args:
        address: Where they call, ``host:port``.
        count: How many.
        max_frames: Length of what they ask for.
        rest_s: How long those who use no socket wait before they ask again.

    Attributes:
        calm_s: The same for all of them from now on, if it is longer.
    """

    def __init__(self, address: str, count: int, max_frames: int, rest_s: float) -> None:
        self.calm_s = 0.0
        self._address = address
        self._count = count
        self._rest_s = rest_s
        self._orders = [Order(number, max_frames) for number in range(NUM_TEXTS)]
        self._expected: dict[Order, bytes] = {}
        self._is_enough = False
        self.heard = Heard()

    def enough(self) -> None:
        """Let answers that are under way be the last ones."""
        self._is_enough = True

    async def learn(self) -> None:
        """Hear each order once, while nothing happens: the measure of all further answers."""
        async with self._client() as client:
            for order in self._orders:
                self._expected[order] = await self._post(client, order)

    async def run(self) -> None:
        """Call until it is enough."""
        kinds = (self._keeping_a_connection, self._connecting_anew, self._on_a_socket)
        await asyncio.gather(*(kinds[number % len(kinds)](number) for number in range(self._count)))

    def _client(self) -> httpx2.AsyncClient:
        # without certificates, which nobody needs here and which take 30 ms to load: all callers share a loop
        return httpx2.AsyncClient(base_url=f"http://{self._address}", timeout=TIMEOUT_S, verify=False)

    async def _post(self, client: httpx2.AsyncClient, order: Order) -> bytes:
        body = {"model": "m", "voice": "alloy", "input": order.text, "response_format": "pcm", "sample_rate": 44_100}
        sound = b""
        async with client.stream("POST", "/v1/audio/speech", json=body | order.fields) as answer:
            if answer.status_code != 200:
                raise AssertionError(f"refused: {answer.status_code} {(await answer.aread()).decode()}")
            async for piece in answer.aiter_bytes():
                sound += piece
        return sound

    async def _keeping_a_connection(self, number: int) -> None:
        async with self._client() as client:
            while not self._is_enough:
                await self._check("kept connection", number, lambda order: self._post(client, order))
                await self._rest(self._rest_s)

    async def _connecting_anew(self, number: int) -> None:
        async def ask(order: Order) -> bytes:
            async with self._client() as client:
                return await self._post(client, order)

        while not self._is_enough:
            await self._check("new connection", number, ask)
            await self._rest(self._rest_s)

    async def _on_a_socket(self, number: int) -> None:
        socket: ClientConnection | None = None

        async def ask(order: Order) -> bytes:
            nonlocal socket
            while True:
                socket = socket or await connect(f"ws://{self._address}/v1/audio/stream", max_size=None)
                sound = b""
                try:
                    await socket.send(json.dumps({"text": order.text, "sample_rate": 44_100} | order.fields))
                    while isinstance(message := await socket.recv(), bytes):
                        sound += message
                except ConnectionClosed as closed:
                    socket = None
                    if sound or closed.rcvd is None or closed.rcvd.code != 1012:
                        raise
                    self.heard.num_moved += 1
                    continue
                if not json.loads(message).get("done"):
                    raise AssertionError(f"refused: {message}")
                return sound

        while not self._is_enough:
            await self._check("socket", number, ask)
            # calls have priority: who never listened to what was said would leave nothing for others
            await self._rest(self._orders[0].max_frames / FRAMES_PER_SECOND)
        if socket is not None:
            await socket.close()

    async def _rest(self, rest_s: float) -> None:
        begun_s = time.monotonic()
        # another thread says how long
        while not self._is_enough and (left_s := begun_s + max(rest_s, self.calm_s) - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left_s, LOOK_S))

    async def _check(self, kind: str, number: int, ask: Callable[[Order], Awaitable[bytes]]) -> None:
        order = self._orders[number % len(self._orders)]
        begun_s = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                sound = await ask(order)
        except Exception as error:  # whatever it is, it is what a caller saw
            self.heard.problems.append(f"{kind} {number} after {time.monotonic() - begun_s:.1f} s: {error!r}")
            await asyncio.sleep(1)
            return
        if sound != self._expected[order]:
            got, wanted = len(sound) // 2, len(self._expected[order]) // 2
            self.heard.problems.append(f"{kind} {number}: {got} samples came of {wanted}, or others")
            return
        self.heard.streams[kind] = self.heard.streams.get(kind, 0) + 1
        self.heard.open_at.append((begun_s, time.monotonic()))
