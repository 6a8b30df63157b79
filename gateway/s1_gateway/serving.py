"""Running the gateway: one process, which ends without taking a word from anybody who is being answered.

A signal finds callers on their way: a balancer has not heard yet that this gateway goes, connections are kept for a
next request, sockets are open for a next sentence. So the gateway goes in two steps. At first it takes what comes, and
every answer closes its connection. Then it listens no more and waits for the connections that are left: what is under
way goes on, a kept connection serves the request that may be on its way to it and closes with that answer, or when
none came for so long that its caller has given it up. It ends when none is left.
"""

import logging
import math
import select
import signal
import socket
import time
from types import FrameType
from typing import Final

import uvicorn

from s1_gateway.app import make_app
from s1_gateway.connection import GuardedProtocol, guarded_protocol
from s1_gateway.leaving import Leaving
from s1_gateway.limits import Limits
from s1_gateway.settings import Settings, SettingsError

log = logging.getLogger(__name__)

KEEP_ALIVE_S: Final = 75
_LAST_BYTES_S: Final = 2.0
"""Time for answers that are made to be sent, when no more is waited for."""


class GatewayServer(uvicorn.Server):
    """uvicorn's server, which leaves at the first signal: open streams end by themselves.

    Args:
        config: uvicorn's.
        limits: Knows the open streams and sockets.
        leaving: Told how far it is.
        settings: How long each step of leaving may take after SIGTERM; after SIGINT, somebody's Ctrl+C, nothing new
            is waited for.
    """

    def __init__(self, config: uvicorn.Config, limits: Limits, leaving: Leaving, settings: Settings) -> None:
        super().__init__(config)
        self.limits = limits
        self._leaving = leaving
        self._settings = settings
        self._linger_s = settings.linger_s
        self._shuts_s = self._ends_s = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        scheme = "https" if self.config.is_ssl else "http"
        log.warning("the gateway is ready on %s://%s:%d", scheme, self.config.host, self.port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave; end at a second signal."""
        if self._leaving.is_begun:
            super().handle_exit(sig, frame)
            return
        now_s = time.monotonic()
        is_waiting = sig == signal.SIGTERM
        self._shuts_s = now_s + (self._settings.leave_s if is_waiting else 0.0)
        self._linger_s = self._settings.linger_s if is_waiting else 0.0
        self._ends_s = now_s + self._settings.drain_s
        self._leaving.begin()

    async def on_tick(self, counter: int) -> bool:
        """Take nothing new when it is time, and end when the last caller has gone."""
        if self._leaving.is_begun:
            now_s = time.monotonic()
            if now_s >= self._shuts_s and not self._leaving.is_shut and not self._is_somebody_at_the_door:
                self._shut()
            for connection in list(self.server_state.connections):
                if isinstance(connection, GuardedProtocol):  # a WebSocket is closed where its protocol is spoken
                    connection.leave(self._linger_s if self._leaving.is_shut else math.inf)
            is_left = self.limits.num_open or self.limits.num_sockets or self.server_state.connections
            if now_s >= self._ends_s or (self._leaving.is_shut and not is_left):
                self.should_exit = True
        return await super().on_tick(counter)

    @property
    def _is_somebody_at_the_door(self) -> bool:
        """Whether the kernel has connections that are not accepted yet: it resets them at the end of listening."""
        looking = select.poll()
        for server in self.servers:
            for listening in server.sockets:
                looking.register(listening.fileno(), select.POLLIN)
        return bool(looking.poll(0))

    def _shut(self) -> None:
        """Listen no more."""
        for server in self.servers:
            server.close()
        self._leaving.shut()

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
    limits, leaving = Limits(settings), Leaving()
    config = uvicorn.Config(
        make_app(settings, limits, leaving),
        host=settings.host,
        port=settings.port,
        http=guarded_protocol(settings.handshake_s, settings.send_s, lambda: leaving.is_begun),
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
    return GatewayServer(config, limits, leaving, settings)
