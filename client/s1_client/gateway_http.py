"""HTTP to a gateway: one connection pool for each event loop, and what its errors mean."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx2

from s1_client.address import check_headers, is_local
from s1_client.errors import HttpError, S1ClientError, UnexpectedAnswerError, UnreachableError
from s1_client.policy import Retry, Tls

DEFAULT_GATEWAY = "http://127.0.0.1:8080"
LONGEST_RETRY_AFTER_S = 120.0
"""What a refusal may ask for; beyond, it is told to the caller instead."""

_CONNECT_TIMEOUT_S = 5.0
_MAY_PASS = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """Where a gateway is and how it is asked.

    Args:
        url: Its address; a path is kept, as behind a proxy.
        token: What it knows the caller by; None: it wants none.
        tls: Certificates for https; None: those of the system.
        headers: Sent with every request.
        retry: When a request is sent again: after a refusal that may pass, or when no gateway answers.
        timeout_s: Longest wait for an answer, or for its next piece.

    Raises:
        ValueError: the address, the token or a header cannot be one.
    """

    url: str = DEFAULT_GATEWAY
    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    retry: Retry = field(default_factory=lambda: Retry(max_attempts=4, first_delay_s=0.2, max_delay_s=4.0))
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one:
            raise ValueError(f"gateway: got {self.url!r}; allowed: an address such as {DEFAULT_GATEWAY}")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("gateway: names a user, a query or a fragment; allowed: an address alone, with a token")
        if self.token is not None and (not self.token.isascii() or not self.token.isprintable() or " " in self.token):
            raise ValueError("token: has other characters than visible ASCII")
        check_headers(self.headers)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, which no proxy can reach."""
        return is_local(f"{urlsplit(self.url).hostname}:0")


class GatewayConnection:
    """Sends requests; opens its connections at the first one.

    Args:
        gateway: Whom to.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._headers = check_headers(gateway.headers)
        if gateway.token is not None:
            self._headers["authorization"] = f"Bearer {gateway.token}"
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()

    async def close(self) -> None:
        """Close the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def ask_json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        key: str = "",
    ) -> Any:
        """Ask for JSON.

        Args:
            method: GET, POST or DELETE; all are safe to repeat, POST by its key.
            path: Below the gateway's address.
            query: Of the address.
            body: Sent as JSON, unless it is None.
            key: ``Idempotency-Key``, needed with a body.

        Raises:
            HttpError: the gateway refuses.
            UnreachableError: none answers.
            UnexpectedAnswerError: it is no JSON.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"content-type": "application/json", "idempotency-key": key}
        answer = await self._send(method, path, dict(query or {}), data, headers)
        try:
            return answer.json()
        except (ValueError, RecursionError) as error:
            raise UnexpectedAnswerError("the gateway", "what is no JSON") from error

    async def ask_bytes(self, path: str) -> bytes:
        """Get a body as it is; raises as :meth:`ask_json`."""
        return (await self._send("GET", path, {}, None, {})).content

    async def _send(
        self, method: str, path: str, query: dict[str, str | int], data: bytes | None, headers: Mapping[str, str]
    ) -> httpx2.Response:
        num_failed = 0
        while True:
            try:
                return await self._send_once(method, path, query, data, headers)
            except (HttpError, UnreachableError) as error:
                num_failed += 1
                pause_s = self._pause_s(error, num_failed)
                if pause_s is None:
                    raise
            await asyncio.sleep(pause_s)

    def _pause_s(self, error: HttpError | UnreachableError, num_failed: int) -> float | None:
        """How long to wait before the next attempt; None where there is none."""
        if num_failed >= self.gateway.retry.max_attempts:
            return None
        if isinstance(error, HttpError):
            if error.retry_after_s is None or error.retry_after_s > LONGEST_RETRY_AFTER_S:
                return None
            return max(error.retry_after_s, self.gateway.retry.delay_s(num_failed))
        return self.gateway.retry.delay_s(num_failed)

    async def _send_once(
        self, method: str, path: str, query: dict[str, str | int], data: bytes | None, headers: Mapping[str, str]
    ) -> httpx2.Response:
        url = f"{self.gateway.url.rstrip('/')}/{path}"
        try:
            answer = await self._client().request(method, url, params=query, content=data, headers=dict(headers))
        except httpx2.TimeoutException as error:
            raise UnreachableError(self.gateway.url, f"no answer within {self.gateway.timeout_s:g} s") from error
        except httpx2.TransportError as error:
            raise UnreachableError(self.gateway.url, str(error) or type(error).__name__) from error
        if answer.is_success:
            return answer
        raise _refusal_in(answer)

    def _client(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = httpx2.AsyncClient(
                headers=self._headers,
                timeout=httpx2.Timeout(self.gateway.timeout_s, connect=_CONNECT_TIMEOUT_S),
                verify=_context_of(self.gateway.tls),
                trust_env=not self.gateway.is_local,
            )
        return self._clients[loop]


def _context_of(tls: Tls | None) -> ssl.SSLContext | bool:
    if tls is None:
        return True
    try:
        context = ssl.create_default_context(cafile=tls.root_certificates)
        if tls.certificate_chain is not None:
            context.load_cert_chain(tls.certificate_chain, tls.private_key)
    except ssl.SSLError as error:  # it does not say of which file
        files = ", ".join(str(path) for path in (tls.root_certificates, tls.certificate_chain, tls.private_key) if path)
        raise S1ClientError(f"no certificates can be read from {files}: {error.reason or error}") from error
    return context


def _refusal_in(answer: httpx2.Response) -> HttpError:
    reason = field = None
    message = f"something before the gateway answered with {answer.status_code}"
    try:
        error = answer.json()["error"]
        reason, field, message = error["code"], error["param"], str(error["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass  # a proxy's page
    return HttpError(answer.status_code, message, reason=reason, field=field, retry_after_s=_retry_after_s(answer))


def _retry_after_s(answer: httpx2.Response) -> float | None:
    """When asking again may help; None where it does not."""
    if answer.status_code not in _MAY_PASS or answer.headers.get("x-should-retry") == "false":
        return None
    try:
        return max(0.0, float(answer.headers.get("retry-after", 0)))
    except ValueError:  # a date, as proxies may send
        return 1.0
