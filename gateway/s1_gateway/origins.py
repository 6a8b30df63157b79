"""Pages of strangers do not call: a browser tells whose page asks, and only ours and those allowed are answered."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from s1_gateway.errors import Problem, Reason, Render


class Origins:
    """Refuses what a page of another origin sends, WebSockets included, for which CORS does nothing.

    Args:
        app: What is called.
        allowed: Origins that may call besides the gateway's own, such as ``https://example.com``; ``*``: all.
        render: Makes the refusal.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str], render: Render) -> None:
        self._app = app
        self._allowed = frozenset(allowed)
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket") or self._is_allowed(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        problem = Problem(reason=Reason.FORBIDDEN, message="pages of this origin may not call this gateway")
        scope.setdefault("state", {})["problem"] = problem
        refusal = self._render(problem)
        if scope["type"] == "websocket":
            message = {"type": "websocket.http.response.start", "status": refusal.status_code}
            await send({**message, "headers": refusal.raw_headers})
            await send({"type": "websocket.http.response.body", "body": refusal.body})
        else:
            await refusal(scope, receive, send)

    def _is_allowed(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or "*" in self._allowed or origin in self._allowed:
            return True
        return urlsplit(origin).netloc == headers.get("host")
