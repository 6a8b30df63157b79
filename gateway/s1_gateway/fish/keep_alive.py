"""Short silence where sound is waited for: Pipecat throws away what comes after 3 s without any."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.fish.sink import FishSink
from s1_gateway.sockets import SocketGoneError

QUIET_S: Final = 2.0
SILENCE_S: Final = 0.1
_LOOK_S: Final = 0.25


@dataclass(frozen=True)
class Owed:
    """What the caller of a socket waits for.

    Args:
        sink: Where it goes.
        sound: In which format.
    """

    sink: FishSink
    sound: SoundSpec


async def keep_alive(owed: Callable[[], Owed | None]) -> None:
    """Send silence where nothing else comes, until it is cancelled or the caller leaves.

    Only bare samples can be put anywhere, and only who reads those, Pipecat, has such a limit.

    Args:
        owed: What is waited for now; None: nothing.
    """
    quiet_s = time.monotonic()
    before: Owed | None = None
    while True:
        await asyncio.sleep(_LOOK_S)
        now = owed()
        if now is None or now is not before:
            before = now
            quiet_s = time.monotonic()
            continue
        silent_s = time.monotonic() - max(quiet_s, now.sink.sent_s)
        if silent_s >= QUIET_S and now.sound.format is AudioFormat.PCM_S16LE:
            try:
                await now.sink.sound(bytes(2 * round(SILENCE_S * now.sound.rate_hz)))
            except SocketGoneError:
                return  # the session ends by itself
