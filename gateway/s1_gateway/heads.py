"""``HEAD``, by which probes, players and downloaders look before they fetch, is answered wherever ``GET`` is."""

from starlette.types import ASGIApp, Receive, Scope, Send


class Heads:
    """Lets the routes answer ``HEAD`` as ``GET``; the server, which knows what was asked, sends no body.

    Args:
        app: What is called.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
