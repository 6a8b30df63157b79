"""A text on Fish's WebSocket in a format that has one encoder from its start to its end: MP3 and Opus."""

from collections.abc import Callable
from typing import Final

from s1_gateway.texts import check_unicode
from s1_gateway.turns import Sink, TextFeed, Turn
from s1_protocol.text.cleaning import is_speakable

MAX_HELD_CHARACTERS: Final = 500
"""Of what cannot be said by itself, such as an opening bracket."""


class OneStream:
    """Begins to speak with the first word, for before it there is nothing that could fail or take a place.

    Args:
        begin: Makes the turn that reads the feed.
        sink: Told of the end where no word came.
        max_characters: Of the whole text.
    """

    def __init__(self, begin: Callable[[TextFeed], Turn], sink: Sink, max_characters: int) -> None:
        self._begin = begin
        self._sink = sink
        self._feed = TextFeed(max_characters)
        self._turn: Turn | None = None
        self._held = ""
        self._is_ended = False

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to be done."""
        return self._is_ended if self._turn is None else self._turn.is_over

    @property
    def is_waiting(self) -> bool:
        """Whether text was taken that is not said yet, as far as anybody can know."""
        return self._turn is not None and not self._turn.is_over

    def put(self, text: str) -> None:
        """Append a piece of text.

        Raises:
            GatewayError: it is no Unicode text, or the text is too long.
        """
        if self._turn is None:
            check_unicode("text", text)
            self._held += text
            if not is_speakable(self._held):
                self._held = self._held[-MAX_HELD_CHARACTERS:]
                return
            self._turn = self._begin(self._feed)
            text = self._held
        self._feed.put(text)

    def flush(self) -> None:
        """Say what is pending as if the text ended here."""
        if self._turn is not None:
            self._feed.flush()

    async def end(self) -> None:
        """Say what is pending; no more comes."""
        self._is_ended = True
        if self._turn is None:
            await self._sink.done(was_cut=False)
        else:
            self._feed.end()

    async def cancel(self) -> None:
        """Stop it: when this returns, no more of its sound is sent and the server has been told."""
        self._is_ended = True
        if self._turn is not None:
            await self._turn.cancel()
