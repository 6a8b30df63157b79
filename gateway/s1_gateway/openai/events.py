"""Speech as server-sent events: ``speech.audio.delta``, then ``speech.audio.done`` or ``speech.audio.error``."""

import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

from s1_gateway.errors import problem_of
from s1_gateway.http_sound import whole_or_broken
from s1_gateway.openai.errors import error_object
from s1_gateway.speech import Answer


async def as_events(answer: Answer, num_characters: int) -> AsyncGenerator[bytes]:
    """Put an answer's pieces into events.

    Args:
        answer: Its bytes have the format that was asked for.
        num_characters: Of the text; stands for the tokens that OpenAI counts.
    """
    num_bytes = 0
    try:
        async for piece in whole_or_broken(answer):
            num_bytes += len(piece)
            yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
    except Exception as error:  # the status has been sent: an event is all that can still tell it
        problem = problem_of(error)
        advice = "what came before is not the whole"
        yield _event({"type": "speech.audio.error", "error": error_object(problem) | {"advice": advice}})
        return
    usage = {"input_tokens": num_characters, "output_tokens": num_bytes, "total_tokens": num_characters + num_bytes}
    # only where the caller chose a greatest length, and has got it
    cut = {"cut": True} if answer.was_cut else {}
    yield _event({"type": "speech.audio.done", "usage": usage, **cut})


def _event(data: dict[str, Any]) -> bytes:
    # LiveKit and others know lines that begin with "data: " and no other
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"
