"""Offers of HTTP/2 on a plain connection: Java's own client makes one with each request, ``curl --http2`` too.

A server that does not take one answers by HTTP/1.1 as if there were none (RFC 9110, 7.8). httptools takes every
``Upgrade`` for the end of HTTP on the connection and drops the body of the request behind it.
"""

from typing import TYPE_CHECKING, Final, Protocol

import httptools

if TYPE_CHECKING:
    from array import array

_OFFER: Final = frozenset({b"upgrade", b"http2-settings", b"connection"})


class Taking(Protocol):
    """What takes requests: uvicorn's protocol."""

    url: bytes
    headers: list[tuple[bytes, bytes]]

    def _should_upgrade(self) -> bool:
        """Whether a WebSocket is asked for."""


class OfferIgnoringParser(httptools.HttpRequestParser):
    """httptools' parser; a request that offers another protocol than WebSocket is read once more without its offer.

    Args:
        taking: Gets the callbacks; asks :attr:`is_offer` and takes nothing of a request whose offer is still there.
    """

    def __init__(self, taking: Taking) -> None:
        self._taking = taking
        self._begin()

    def _begin(self) -> None:
        super().__init__(self._taking)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    @property
    def is_offer(self) -> bool:
        """Whether the request whose head is whole offers a protocol that is not spoken here."""
        if not self.should_upgrade() or self._taking._should_upgrade():
            return False
        return any(name == b"upgrade" for name, _ in self._taking.headers)

    def feed_data(self, data: "bytes | bytearray | memoryview | array[int]") -> None:
        """Read on.

        Raises:
            HttpParserUpgrade: the rest is a WebSocket's.
            HttpParserError: this is no HTTP.
        """
        while True:
            try:
                super().feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if not self.is_offer:
                    raise
                head = self._head_without_offer()
                self._begin()  # what says `close` is the last that is read
                super().feed_data(head)
                data = memoryview(data)[upgrade.args[0] :]
            else:
                return

    def _head_without_offer(self) -> bytes:
        headers = self._taking.headers
        version = self.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.get_method(), self._taking.url, version)]
        lines += [b"%s: %s" % header for header in headers if header[0] not in _OFFER]
        if any(b"close" in value.lower() for name, value in headers if name == b"connection"):
            lines.append(b"connection: close")
        return b"\r\n".join([*lines, b"", b""])
