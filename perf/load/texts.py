"""Texts to say: of real lengths, in several languages, no two of a run the same."""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from s1_protocol.sound import FRAMES_PER_SECOND

FILE = Path(__file__).with_name("texts.json")

LENGTHS = ("short", "medium", "long")

CHARACTERS_PER_S = {"ja": 7.0, "zh": 5.0}
"""Characters that are spoken in a second, where it is not ``USUAL_CHARACTERS_PER_S``."""

USUAL_CHARACTERS_PER_S = 15.0


@dataclass(frozen=True)
class SampleText:
    """Something to say.

    Args:
        language: Two letters of ISO 639-1.
        length: short (about 3 s), medium (about 10 s) or long (about 30 s).
        text: The text.
    """

    language: str
    length: str
    text: str

    @property
    def num_frames(self) -> int:
        """Frames that a person would take to say it, at least one."""
        per_s = CHARACTERS_PER_S.get(self.language, USUAL_CHARACTERS_PER_S)
        return max(1, math.ceil(len(self.text) / per_s * FRAMES_PER_SECOND))


def read_texts(file: Path = FILE) -> list[SampleText]:
    """The committed list, in its order."""
    return [SampleText(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]


def unique_texts(texts: Sequence[SampleText], lengths: Sequence[str] = LENGTHS) -> Iterator[SampleText]:
    """Texts without end, none twice: the lengths in turn, and a number before each text from its second use on.

    Args:
        texts: What to choose from.
        lengths: Lengths that are wanted, in the order in which they take turns.

    Raises:
        ValueError: there is no text of a length.
    """
    of_length = {length: [text for text in texts if text.length == length] for length in lengths}
    if missing := [length for length, found in of_length.items() if not found]:
        raise ValueError(f"length: no text is {missing[0]}; allowed: {', '.join(sorted({t.length for t in texts}))}")
    for turn in itertools.count():
        for length in lengths:
            use, position = divmod(turn, len(of_length[length]))
            text = of_length[length][position]
            yield replace(text, text=f"{use + 1}. {text.text}") if use else text
