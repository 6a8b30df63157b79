"""The end of each request and socket: a line of JSON, never with a text, a token or a recording, and a count."""

import json
import logging
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s1_gateway.metrics import Door, Metrics

log = logging.getLogger("s1_gateway.access")

_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; a line each would bury the rest."""


class AccessLog:
    """Writes a line when a request or a socket has ended.

    Args:
        app: What is called.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it ends."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        status = 0
        sent_bytes = 0

        async def send_noting(message: Message) -> None:
            nonlocal status, sent_bytes
            match message["type"]:
                case "http.response.start" | "websocket.http.response.start":
                    status = message["status"]
                case "websocket.accept":
                    status = 101
                case "http.response.body":
                    sent_bytes += len(message.get("body", b""))
                case "websocket.send":
                    sent_bytes += len(message.get("bytes") or message.get("text") or "")
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            state = scope.get("state", {})
            problem = state.get("problem")
            client = scope.get("client")
            line = {
                "request_id": state.get("request_id"),
                "kind": scope["type"],
                "method": scope.get("method"),
                # the path alone: some clients carry a key in the query
                "path": scope["path"],
                "status": status,
                "reason": problem.reason if problem else None,
                "token": state.get("token_name"),
                "client": client[0] if client else None,
                "duration_ms": round(1000 * (time.perf_counter() - started_s), 1),
                "bytes": sent_bytes,
            }
            _count(scope)
            log.info(json.dumps({key: value for key, value in line.items() if value is not None}))


def _count(scope: Scope) -> None:
    """Count a request over HTTP that was refused or failed; utterances on a socket are counted one by one."""
    state = scope["state"]
    if "problem" in state and "gateway" in state:
        metrics: Metrics = state["gateway"].metrics
        metrics.count_problem(state.get("door", Door.OTHER), state.get("token_name", "none"), state["problem"])
