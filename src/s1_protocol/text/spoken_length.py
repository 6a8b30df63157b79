"""How long a text is when it is said, in letters: the scripts of the world say different amounts with one sign."""

from typing import Final

import regex

_LETTERS: Final = (
    (regex.compile(r"\p{Han}"), 3.5),
    (regex.compile(r"[\p{Hiragana}\p{Katakana}]"), 2.5),
    (regex.compile(r"\p{Hangul}"), 3.0),
    (regex.compile(r"\p{N}"), 5.0),
    (regex.compile(r"[\p{L}--[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]]", flags=regex.VERSION1), 1.0),
)
"""Signs of a script, and how many letters of an alphabet take about as long to say."""


def spoken_letters(text: str) -> float:
    """Letters of an alphabet that take about as long to say as this text."""
    return sum(weight * len(signs.findall(text)) for signs, weight in _LETTERS)
