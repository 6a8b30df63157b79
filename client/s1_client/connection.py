"""One gRPC channel to a server, and what its errors mean."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias
from weakref import WeakKeyDictionary

import grpc
from tritonclient.grpc import InferResult
from tritonclient.grpc.aio import InferInput
from tritonclient.utils import InferenceServerException

from s1_client.address import check_headers, check_url, is_local
from s1_client.believing import MAX_ANSWER_BYTES
from s1_client.errors import ForkError, S1ClientError, ServerError, UnreachableError
from s1_client.policy import Tls
from s1_client.stream_call import StreamCall, Tensors, Triton, make_request
from s1_protocol.coded_message import CodedMessage
from s1_protocol.errors import ErrorCode
from s1_protocol.names import ModelName

DEFAULT_URL = "localhost:8001"

CHANNEL_ARGUMENTS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # A server that comes back is found within a second or two; gRPC's own pause grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A connection that swallows everything is found out while a call waits. Ten seconds and two pings without an answer
    # in between are what any server bears; the time after which a ping counts as lost is the last one's.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 2),
    ("grpc.http2.ping_timeout_ms", 5_000),
    # Two clients of one process do not share a connection, so that one of them cannot hold the other up.
    ("grpc.use_local_subchannel_pool", 1),
]

_PROBE_TIMEOUT_S = 2.0

_STATUSES = {code: grpc.StatusCode[code.grpc_status] for code in ErrorCode}
_CODES = {status: code for code, status in _STATUSES.items()}

_BROKEN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED}
"""How a call ends that loses its server. Errors of the models come in messages of the stream."""

RPC_ERRORS = (grpc.aio.AioRpcError, InferenceServerException)
RpcError: TypeAlias = grpc.aio.AioRpcError | InferenceServerException


@dataclass(frozen=True)
class Health:
    """How a server is.

    Args:
        is_ready: Whether the server takes requests.
        models: Which of the two models a caller may ask are ready.
    """

    is_ready: bool
    models: frozenset[ModelName]


class Connection:
    """A channel; every request is a call of its own on it.

    Args:
        url: Host and gRPC port of the server.
        tls: How to encrypt; None: not at all.
        headers: Sent with every request, for example ``{"authorization": "Bearer ..."}``.

    Raises:
        ValueError: the address or a header cannot be one.
    """

    first_used_in: ClassVar[int | None] = None
    """Process in which gRPC was first used; one that was forked from it cannot use it."""

    def __init__(self, url: str, tls: Tls | None, headers: Mapping[str, str]) -> None:
        self.url = check_url(url)
        self.headers = check_headers(headers)
        self._tls = tls
        self._channels: WeakKeyDictionary[asyncio.AbstractEventLoop, Triton] = WeakKeyDictionary()
        self._left: list[Triton] = []
        self._is_closed = False

    @property
    def triton(self) -> Triton:
        """The channel of the event loop that runs, opened at its first use.

        Raises:
            UnreachableError: it has been closed.
            ForkError: this process was forked from one that had used gRPC.
        """
        if self._is_closed:
            raise UnreachableError(self.url, "the connection has been closed")
        Connection.first_used_in = Connection.first_used_in or os.getpid()
        if Connection.first_used_in != os.getpid():
            raise ForkError
        loop = asyncio.get_running_loop()
        if loop not in self._channels:
            self._channels[loop] = self._open()
        return self._channels[loop]

    def renew(self) -> None:
        """Let further calls go over a new channel; those that are under way stay on theirs."""
        left = self._channels.pop(asyncio.get_running_loop(), None)
        if left is not None:
            self._left.append(left)

    async def close(self) -> None:
        """Close the channel; requests that are under way are cancelled."""
        self._is_closed = True
        here = self._channels.pop(asyncio.get_running_loop(), None)
        left, self._left = self._left, []
        for channel in filter(None, (*left, here)):
            await channel.close()

    def _open(self) -> Triton:
        tls = self._tls
        straight = [("grpc.enable_http_proxy", 0)] if is_local(self.url) else []
        return Triton(
            self.url,
            ssl=tls is not None,
            root_certificates=tls and tls.root_certificates,
            private_key=tls and tls.private_key,
            certificate_chain=tls and tls.certificate_chain,
            channel_args=[*CHANNEL_ARGUMENTS, *straight],
        )

    async def health(self) -> Health:
        """Ask how the server is.

        Raises:
            UnreachableError: no server answers.
        """
        probe: dict[str, Any] = {"headers": self.headers, "client_timeout": _PROBE_TIMEOUT_S}
        asked = (ModelName.STREAM, ModelName.ONE_ANSWER)
        try:
            is_ready = await self.triton.is_server_ready(**probe)
            ready = [model for model in asked if await self.triton.is_model_ready(model.value, **probe)]
        except RPC_ERRORS as error:
            raise UnreachableError(self.url, message_of(error)) from error
        return Health(is_ready=is_ready, models=frozenset(ready))

    async def infer(
        self,
        model: ModelName,
        inputs: Sequence[InferInput],
        timeout_s: float | None,
        headers: Mapping[str, str] | None = None,
    ) -> InferResult:
        """Ask for one answer.

        Args:
            model: The model that is asked.
            inputs: Tensors of the request.
            timeout_s: Longest wait; None: no limit.
            headers: Sent with this request, over those of every request.

        Raises:
            InferenceServerException: the server refused the request, failed or was not reached.
        """
        sent = {**self.headers, **(headers or {})}
        return await self.triton.infer(model.value, inputs, headers=sent, client_timeout=timeout_s)

    def stream(
        self,
        tensors: Tensors,
        timeout_s: float | None,
        model: ModelName = ModelName.STREAM,
        headers: Mapping[str, str] | None = None,
    ) -> StreamCall:
        """Ask a model that answers with a stream.

        Args:
            tensors: Of the request.
            timeout_s: Longest wait for all of it; None: no limit.
            model: The model that is asked.
            headers: Sent with this request, over those of every request.
        """
        return self.triton.stream_one(make_request(model, tensors), timeout_s, {**self.headers, **(headers or {})})

    async def is_broken_by(self, error: RpcError) -> bool:
        """Whether an error means that the server is gone, not that it refuses."""
        if isinstance(error, grpc.aio.AioRpcError):
            return error.code() in _BROKEN
        # of a request for one answer, both look the same
        return _told_status(error) is grpc.StatusCode.UNAVAILABLE and not await self._is_live()

    async def explain(self, error: RpcError) -> S1ClientError:
        """Make ours of an error of a call."""
        status, message = status_of(error), message_of(error)
        # gRPC says UNAVAILABLE for a server that cannot be reached as well as for one that refuses
        if status is grpc.StatusCode.UNAVAILABLE and not await self._is_live():
            return UnreachableError(self.url, message)
        return ServerError(_CODES.get(status) if status else None, message)

    async def _is_live(self) -> bool:
        try:
            return bool(await self.triton.is_server_live(headers=self.headers, client_timeout=_PROBE_TIMEOUT_S))
        except RPC_ERRORS:
            return False


def status_of(error: RpcError) -> grpc.StatusCode | None:
    """Status of a failed call, or of the code in the message of a stream's error; none if there is neither."""
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code()
    code = CodedMessage.read(error.message() or "").code
    return _told_status(error) or (_STATUSES[code] if code else None)


def message_of(error: RpcError) -> str:
    """Message of a failed call."""
    message = (error.details() if isinstance(error, grpc.aio.AioRpcError) else error.message()) or ""
    return CodedMessage.read(message).message


def _told_status(error: InferenceServerException) -> grpc.StatusCode | None:
    # tritonclient names it "StatusCode.UNAVAILABLE" or so
    return next((status for status in grpc.StatusCode if str(status) == error.status()), None)
