"""Sentences of a text that is still being written, as a language model writes it."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from enum import Enum
from typing import Final

from s1_protocol.text.cleaning import is_speakable
from s1_protocol.text.sentences import sentence_ends, split_text


class Flush(Enum):
    """The type of :data:`FLUSH`."""

    NOW = "now"


FLUSH: Final = Flush.NOW
"""A piece that is no text: what is pending is said now, as if the text ended here; more may follow."""

Piece = str | Flush
Pieces = Iterable[Piece] | AsyncIterable[Piece]

MAX_SENTENCE_CHARACTERS: Final = 500
"""A longer sentence is cut: nobody wants to wait for its end."""

# Where no such mark stands, no sentence ends; it saves asking the rules of thirteen languages at every token.
_MAY_END = re.compile(r"[.!?…。！？｡؟\n]")  # noqa: RUF001  # the marks of many scripts


class SentenceCutter:
    """Collects pieces of text and gives sentences as soon as they are whole.

    A sentence is whole when text of the next one has come: the full stop of "3." may go on as "3.14". What cannot be
    spoken by itself, like a lone emoji, stays with the sentence after it.
    """

    def __init__(self) -> None:
        self._pending = ""

    def feed(self, piece: str) -> list[str]:
        """Take a piece; gives the sentences that are whole by now."""
        self._pending += piece
        if len(self._pending) > MAX_SENTENCE_CHARACTERS:
            return self._cut_long()
        if not _MAY_END.search(self._pending):
            return []
        sentences = []
        start = 0
        for end in sentence_ends(self._pending):
            if is_speakable(self._pending[start:end]) and not self._pending[end:].isspace():
                sentences.append(self._pending[start:end].strip())
                start = end
        self._pending = self._pending[start:]
        return sentences

    def finish(self) -> list[str]:
        """Give what is left, at the end of the text; what cannot be spoken stays for what may follow."""
        if not is_speakable(self._pending):
            return []
        rest, self._pending = self._pending, ""
        return [part for part in split_text(rest, MAX_SENTENCE_CHARACTERS) if is_speakable(part)]

    def _cut_long(self) -> list[str]:
        parts = split_text(self._pending, MAX_SENTENCE_CHARACTERS)
        # the part that goes on keeps the white space after it, which parts themselves have not
        self._pending = self._pending[self._pending.rindex(parts[-1]) :] if parts else ""
        return [part for part in parts[:-1] if is_speakable(part)]


async def sentences_of(pieces: Pieces) -> AsyncGenerator[str]:
    """Cut pieces of text into sentences, each given as soon as it is whole.

    Args:
        pieces: Text in order; a plain iterator may block, it is asked in a thread.
    """
    cutter = SentenceCutter()
    async for piece in pieces if isinstance(pieces, AsyncIterable) else _in_thread(pieces):
        for sentence in cutter.finish() if isinstance(piece, Flush) else cutter.feed(piece):
            yield sentence
    for sentence in cutter.finish():
        yield sentence


async def _in_thread(pieces: Iterable[Piece]) -> AsyncIterator[Piece]:
    iterator = iter(pieces)
    while (piece := await asyncio.to_thread(next, iterator, None)) is not None:
        yield piece
