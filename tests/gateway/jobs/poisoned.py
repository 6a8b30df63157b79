"""A worker that some texts end: ``python -m tests.gateway.jobs.poisoned worker``."""

import os
import signal

from s1_gateway.command import app
from s1_gateway.speech import Answer, Speech, SpeechOrder

POISON = "POISON"
_begin = Speech.begin


async def begin(self: Speech, order: SpeechOrder) -> Answer:
    if POISON in str(order.text):
        os.kill(os.getpid(), signal.SIGKILL)
    return await _begin(self, order)


if __name__ == "__main__":
    Speech.begin = begin  # type: ignore[method-assign]
    app()
