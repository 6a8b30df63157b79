"""What a client outlives: a connection that goes dead without a word, and a fork of its process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FORKED = """
import asyncio, os, signal, sys
from s1_client import AsyncS1Client, ForkError, S1Client, SpeechOptions
url, when = sys.argv[1:]
options = SpeechOptions(seed=1, max_frames=4)
client = S1Client(url)
if when == "after":
    client.speak("Hello.", options)
child = os.fork()
if child == 0:
    signal.alarm(20)
    def told(call):
        try:
            return f"{len(call().samples)} samples"
        except ForkError:
            return "fork told"
    print(told(lambda: client.speak("Hello.", options)), flush=True)
    print(told(lambda: S1Client(url).speak("Hello.", options)), flush=True)
    print(told(lambda: asyncio.run(AsyncS1Client(url).speak("Hello.", options))), flush=True)
    os._exit(0)
print("child", os.waitpid(child, 0)[1])
print(len(client.speak("Hello.", options).samples), "samples", flush=True)
"""
"""Speaks after a fork; arguments are the address and whether the client was used before the fork or only after it."""


class Wire:
    """A connection's way through this process, which can go dead without a word."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.rpartition(":")
        self._is_dead: dict[asyncio.StreamWriter, bool] = {}
        self.num_connections = 0

    def go_dead(self) -> None:
        """Swallow from now on what comes over the connections there are."""
        self._is_dead = dict.fromkeys(self._is_dead, True)

    def hang_up(self) -> None:
        """Let both sides see the end of the connections there are."""
        for writer in self._is_dead:
            writer.close()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        inner_reader, inner_writer = await asyncio.open_connection(self._host, int(self._port))
        self._is_dead |= {writer: False, inner_writer: False}
        await asyncio.gather(self._copy(reader, inner_writer), self._copy(inner_reader, writer), return_exceptions=True)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            if not self._is_dead[sink]:
                sink.write(data)
        if not self._is_dead[sink]:  # of a dead connection nobody hears, not even that it ended
            sink.close()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[tuple[str, Wire]]:
    wire = Wire(url)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", wire
    finally:
        server.close()
        wire.hang_up()
