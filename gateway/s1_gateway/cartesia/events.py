"""Cartesia's server-sent events: ``chunk``, ``timestamps`` if they are wanted, then ``done`` or ``error``."""

import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

from s1_gateway.cartesia.errors import error_message
from s1_gateway.cartesia.schemas import EventsRequest
from s1_gateway.cartesia.sink import UNDER_WAY, StepClock
from s1_gateway.errors import problem_of
from s1_gateway.speech import Answer


async def as_events(answer: Answer, body: EventsRequest) -> AsyncGenerator[bytes]:
    """Put an answer's pieces into events.

    Args:
        answer: Its bytes have the encoding that was asked for.
        body: What was asked for.
    """
    named = {} if body.context_id is None else {"context_id": body.context_id}
    said_s, clock = 0.0, StepClock()
    try:
        async for sound in answer.pieces():
            said_s += sound.duration_s
            if not sound.data:
                continue
            data = base64.b64encode(sound.data).decode()
            yield _event("chunk", named, data=data, step_time=clock.step_ms(), done=False, status_code=UNDER_WAY)
        answer.check_whole()
        if body.add_timestamps:  # nobody knows when a word is heard: the text stands as one
            times = {"words": [body.transcript], "start": [0.0], "end": [round(said_s, 4)]}
            yield _event("timestamps", named, word_timestamps=times, done=False, status_code=UNDER_WAY)
    except Exception as error:  # the status has been sent: an event is all that can still tell it
        yield _lines("error", error_message(problem_of(error), body.context_id))
        return
    yield _event("done", named, done=True, status_code=200)


def _event(kind: str, named: dict[str, str], **fields: Any) -> bytes:
    return _lines(kind, {"type": kind, **named, **fields})


def _lines(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
