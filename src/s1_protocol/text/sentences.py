"""Split a long text at its sentences, in the languages S1 speaks.

Sentence ends are found by sentencex (Wikimedia's rules, maintained, written in Rust). It wants to know the language
and a request does not tell it, so a sentence ends only where the rules of all languages agree: what is an
abbreviation in one of them cuts no sentence in any. To miss an end costs little, since short sentences are joined
again; to cut in the wrong place is heard.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import Final

import regex
import sentencex

LANGUAGES: Final = ("en", "zh", "ja", "de", "fr", "es", "ko", "ar", "ru", "nl", "it", "pl", "pt")
"""Languages whose rules are asked, by ISO 639-1 code."""

# sentencex 1.0 panics on white space of several bytes after an initial; every replacement is one character for one.
_ODD_SPACE = regex.compile(r"[[\s\p{Cc}]--[\n]]", flags=regex.VERSION1)

# Rules that hold in every language and that sentencex lacks for some. A full stop ends no sentence before a small
# letter ("т. е. ниже"), after an initial ("J. Smith", "د. أحمد") or between a short word and a number ("ul. 5").
_NO_END = regex.compile(
    r"(?:(?<![^\s.(\[\"'«“])(?:[\p{L}--\p{Lo}]|\p{Arabic})\.\s+|\.\s+(?=\p{Ll})|(?<!\p{L})\p{L}{1,4}\.\s+(?=\p{N}))",
    flags=regex.VERSION1,
)

# Where a sentence that is too long may be cut, best first. Only what white space or an ideograph follows is a mark
# between clauses: the rest stands in numbers and addresses.
_CLAUSE_ENDS = regex.compile(
    r"[,;:!?…،؛؟]['\"”’»)\]]*(?:\s+|(?=[\p{Han}\p{Hiragana}\p{Katakana}]))|\s[–—-]\s+|[、，；：。！？—]+[」』”’）]*\s*"
)
_SPACES = regex.compile(r"\s+")

# sentencex ends no sentence at "…", and none inside quotation marks and brackets.
_ELLIPSIS_END = regex.compile(r"…[\"'”’»)\]]*\s+(?=[\"'“„«‘(\[¿¡]*[\p{Lu}\p{Lo}\p{N}])")
_QUOTES = str.maketrans(dict.fromkeys('"“”„‟«»‹›()[]{}「」『』（）', " "))
_INSIDE_CHARACTER = regex.compile(r"[\p{M}\u200C\u200D]")


def split_text(text: str, max_characters: int) -> list[str]:
    """Split a text at sentence ends into parts of bounded length.

    Neighbouring sentences stay together as long as they fit. A sentence longer than the limit is cut at the sentence
    ends inside its quotations and brackets, else after clause punctuation, else at white space, else between any two
    characters.

    Args:
        text: Valid Unicode text.
        max_characters: Length of a part at most, from 1.

    Returns:
        Parts in order, without white space at their ends and never empty. Together they hold every character of the
        text except white space between parts. A text of white space only gives no parts.

    Raises:
        ValueError: ``max_characters`` is below 1.
    """
    if max_characters < 1:
        raise ValueError(f"max_characters is {max_characters}; allowed: 1 or more")
    pieces = (
        piece
        for start, end in pairwise([0, *sentence_ends(text), len(text)])
        for piece in _cut_to_length(text, start, end, max_characters)
    )
    return [text[start:end] for start, end in _join_short(pieces, max_characters)]


def sentence_ends(text: str) -> list[int]:
    """Positions inside a text where a sentence has ended and the next one begins, in order.

    Args:
        text: Valid Unicode text.
    """
    plain = _ODD_SPACE.sub(" ", text)
    agreed = _ends_in(plain) | {match.end() for match in _ELLIPSIS_END.finditer(plain)}
    # between two ASCII characters, a mark without white space is part of an address or a number
    return sorted(end for end in agreed if plain[end - 1].isspace() or not plain[end - 1].isascii())


def _ends_inside_quotations(text: str) -> list[int]:
    """Sentence ends that quotation marks and brackets hide."""
    return sentence_ends(text.translate(_QUOTES))


def _ends_in(plain: str) -> set[int]:
    agreed = set.intersection(*(_ends_by_rules_of(language, plain) for language in LANGUAGES))
    agreed.difference_update(match.end() for match in _NO_END.finditer(plain))
    return agreed


def _ends_by_rules_of(language: str, text: str) -> set[int]:
    ends = set(accumulate(len(sentence) for sentence in sentencex.segment(language, text)))
    ends.discard(len(text))
    return ends


def _cut_to_length(text: str, start: int, end: int, max_characters: int) -> Iterator[tuple[int, int]]:
    """Cut one sentence into spans of at most ``max_characters``, without white space at their ends."""
    start, end = _strip(text, start, end)
    inner = [start + each for each in _ends_inside_quotations(text[start:end])] if end - start > max_characters else []
    while end - start > max_characters:
        limit = start + max_characters
        # white space behind the limit is no part of the piece
        fitting = [each for each in inner if start < each and len(text[start:each].rstrip()) <= max_characters]
        cut = fitting[-1] if fitting else _best_cut(text, start, limit)
        yield _strip(text, start, cut)
        start, end = _strip(text, cut, end)
    if start < end:
        yield start, end


def _best_cut(text: str, start: int, limit: int) -> int:
    """Position after ``start`` where a sentence that goes on past ``limit`` is cut."""
    for pattern in (_CLAUSE_ENDS, _SPACES):
        # white space at the limit itself is no part of the piece, so one character more is looked at
        cuts = [match.end() for match in pattern.finditer(text, start, limit + 1)]
        fitting = [cut for cut in cuts if cut <= limit or text[limit].isspace()]
        if fitting:
            return fitting[-1]
    cut = limit
    while cut > start and (_INSIDE_CHARACTER.match(text[cut]) or text[cut - 1] == "\u200d"):
        cut -= 1
    return cut if cut > start else limit


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _join_short(spans: Iterable[tuple[int, int]], max_characters: int) -> Iterator[tuple[int, int]]:
    """Join neighbouring spans as long as they fit together."""
    joined: tuple[int, int] | None = None
    for start, end in spans:
        if joined is None:
            joined = start, end
        elif end - joined[0] <= max_characters:
            joined = joined[0], end
        else:
            yield joined
            joined = start, end
    if joined is not None:
        yield joined
