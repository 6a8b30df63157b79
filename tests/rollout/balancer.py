"""What a Service does: new connections go to its endpoints in turn; one that is open stays where it is."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PIECE_BYTES = 2**16


class Balancer:
    """A balancer of TCP connections, on an event loop in a thread of its own.

    A connection that its endpoint refuses is closed: nothing is tried again here, so that a refusal is seen.
    """

    def __init__(self) -> None:
        self._endpoints: list[tuple[str, int]] = []
        self._turn = 0
        self._lock = threading.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, without a scheme."""
        return f"127.0.0.1:{self.port}"

    def add(self, address: str) -> None:
        """Send new connections to ``host:port`` too."""
        host, port = address.split(":")
        with self._lock:
            self._endpoints.append((host, int(port)))

    def remove(self, address: str) -> None:
        """Send no new connection to ``host:port``; open ones stay."""
        host, port = address.split(":")
        with self._lock:
            self._endpoints.remove((host, int(port)))

    def _next(self) -> tuple[str, int]:
        with self._lock:
            self._turn += 1
            return self._endpoints[self._turn % len(self._endpoints)]

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind_reader, behind_writer = await asyncio.open_connection(*self._next())
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_pass_on(reader, behind_writer), _pass_on(behind_reader, writer))
        for each in (writer, behind_writer):
            each.close()

    async def serve(self, is_ready: threading.Event, is_over: asyncio.Event) -> None:
        """Serve until it is over."""
        async with await asyncio.start_server(self._take, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            is_ready.set()
            await is_over.wait()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side has no more, and then say so to the other."""
    with contextlib.suppress(OSError):
        while data := await reader.read(PIECE_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@contextmanager
def balancing() -> Iterator[Balancer]:
    """Run a balancer without endpoints."""
    balancer, is_ready, is_over, loop = Balancer(), threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    def run() -> None:
        loop.run_until_complete(balancer.serve(is_ready, is_over))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))

    thread = threading.Thread(target=run, name="balancer")
    thread.start()
    is_ready.wait()
    try:
        yield balancer
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
        loop.close()
