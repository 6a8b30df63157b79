"""Wrong values in requests of the right form, at the server's own doors; derived from the table of options."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
from perf.siege.attack import Siege
from perf.siege.tally import Tally, ToldError
from perf.siege.triton_doors import one_answer, whole_stream
from tests.triton.callers import kserve_json, post_json

from s1_protocol.limits import MAX_TEXT_CHARACTERS
from s1_protocol.option_kinds import FloatOption
from s1_protocol.request_options import NUMBERS

TEXTS: tuple[Any, ...] = ("", " ", "?!", "x" * (MAX_TEXT_CHARACTERS + 1), b"\xff\xfe", "\n" * 50)
VOICES = ("nobody", "../../etc/passwd", "a" * 65, ".", "A b", "\x00")


def wrong_fields() -> Iterator[dict[str, Any]]:
    """Fields of requests, of which one is wrong in each."""
    for text in TEXTS:
        yield {"text": text}
    for voice in VOICES:
        yield {"text": "Hello.", "voice": voice}
    for option in NUMBERS:
        values: list[Any] = [option.low - 1, option.high + 1] if option.high < 2**31 - 1 else [option.low - 1]
        if isinstance(option, FloatOption):
            values += [float("nan"), float("inf"), -float("inf")]
        for value in values:
            yield {"text": "Hello.", option.field.value: value}
    yield {"text": "Hello.", "service": "nobody"}
    yield {"text": "Hello.", "seed": -1}
    yield {"text": "Hello.", "seed": np.array([[1, 2]], dtype=np.int64)}
    yield {"text": np.array([[b"Hello.", b"Twice."]], dtype=np.object_)}
    yield {"text": "Hello.", "reference_text": "Words without a recording."}
    yield {"max_frames": 8}


async def attack(siege: Siege, tally: Tally) -> None:
    """Every wrong field, as one answer and as a stream, and some by HTTP."""
    for fields in wrong_fields():
        await tally.note_refused(one_answer(siege.place, **fields), fields)
        await tally.note_refused(whole_stream(siege.place, **fields), fields)
    for text, frames in (("", 12), ("?!", 12), ("x" * (MAX_TEXT_CHARACTERS + 1), 12), ("Hello.", -1)):
        await tally.note_refused(_by_http(siege, text, frames), (text[:20], frames))


async def _by_http(siege: Siege, text: str, max_frames: int) -> bytes:
    body = kserve_json(text, max_frames=max_frames)
    got = await asyncio.to_thread(post_json, siege.place.http_port, "/v2/models/s1_mini/infer", body)
    if got.status != 200:
        raise ToldError(f"{got.status} {got.body.decode()}")
    return got.body
