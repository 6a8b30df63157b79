"""Messages and bodies with something wrong in them, or with nothing right; some are right."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

WRONG_VALUES = (None, True, -1, 1e308, "", "x" * 20_000, [], {}, [[[]]], {"id": {}})
_SYNTAX = '{}[]",:0x\\'


def strange_json(
    chance: random.Random,
    message: Mapping[str, Any],
    *,
    further: Sequence[str] = (),
    right: Sequence[Mapping[str, Any]] = (),
) -> str | bytes:
    """Make one in JSON.

    Args:
        chance: Draws.
        message: A right one.
        further: Names that it may get besides its own.
        right: Right ones that are drawn too, as they are.
    """
    text = json.dumps(message)
    kind = chance.randrange(6 if right else 5)
    if kind == 0:
        return chance.randbytes(chance.randint(0, 200))
    if kind == 1:
        return text[: chance.randrange(len(text))]
    if kind == 2:
        at = chance.randrange(len(text))
        return text[:at] + chance.choice(_SYNTAX) + text[at:]
    if kind == 5:
        return json.dumps(chance.choice(right))
    return json.dumps(
        {**message, chance.choice([*message, *further, "unknown"]): chance.choice([*WRONG_VALUES, 10**30])}
    )


def strange_bytes(chance: random.Random, packed: bytes) -> bytes:
    """Make one of packed bytes, which are right: others, a part of them, or one of them changed."""
    kind = chance.randrange(3)
    if kind == 0:
        return chance.randbytes(chance.randint(0, 200))
    if kind == 1:
        return packed[: chance.randrange(len(packed))]
    at = chance.randrange(len(packed))
    return packed[:at] + chance.randbytes(1) + packed[at + 1 :]
