"""Running the gateway: one process, which ends without taking a word from anybody who is being answered."""

import logging
import socket
import time
from types import FrameType
from typing import Final

import uvicorn

from s1_gateway.app import make_app
from s1_gateway.connection import guarded_protocol
from s1_gateway.limits import Limits
from s1_gateway.settings import Settings, SettingsError

log = logging.getLogger(__name__)

KEEP_ALIVE_S: Final = 75
_LAST_BYTES_S: Final = 2.0
"""Time for answers that are made to be sent, when no more is waited for."""


class GatewayServer(uvicorn.Server):
    """uvicorn's server, which drains at the first signal: new requests are refused, open streams end by themselves.

    Args:
        config: uvicorn's.
        limits: Knows the open streams.
        drain_s: How long they may go on.
    """

    def __init__(self, config: uvicorn.Config, limits: Limits, drain_s: float) -> None:
        super().__init__(config)
        self.limits = limits
        self._drain_s = drain_s
        self._ends_s: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        scheme = "https" if self.config.is_ssl else "http"
        log.warning("the gateway is ready on %s://%s:%d", scheme, self.config.host, self.port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; end at a second signal."""
        if self._ends_s is None:
            self.limits.drain()
            self._ends_s = time.monotonic() + self._drain_s
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """End when the last stream has."""
        if self._ends_s is not None and (self.limits.num_open == 0 or time.monotonic() >= self._ends_s):
            self.should_exit = True
        return await super().on_tick(counter)

    @property
    def port(self) -> int:
        """Port that is listened on, once :attr:`started` is true."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port


def make_server(settings: Settings) -> GatewayServer:
    """Make a server of the settings.

    Raises:
        SettingsError: a token or a certificate cannot be read.
    """
    limits = Limits(settings)
    config = uvicorn.Config(
        make_app(settings, limits),
        host=settings.host,
        port=settings.port,
        http=guarded_protocol(settings.handshake_s, settings.send_s),
        ws="websockets-sansio",
        ws_max_size=settings.max_message_bytes,
        # sound does not shrink, and each second of it would cost 3 ms
        ws_per_message_deflate=False,
        # behind seconds of sound on its way a pong is late: a caller is there as long as TCP says so
        ws_ping_timeout=None,
        # longer than clients keep their connections, so that they do not use one that is just being closed
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(_LAST_BYTES_S),
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        forwarded_allow_ips=settings.trusted_proxies,
        access_log=False,
        # uvicorn's own lines have addresses with their queries, which may hold a token
        log_config=None,
        server_header=False,
    )
    try:
        config.load()
    except OSError as error:
        raise SettingsError(f"S1_GATEWAY_TLS_CERTIFICATE, S1_GATEWAY_TLS_KEY: {error}") from error
    return GatewayServer(config, limits, settings.drain_s)
