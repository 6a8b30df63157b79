"""What the gateway tells Prometheus."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from s1_client.servers import ServerState
from s1_gateway.errors import Problem

SECONDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
"""Upper ends of the buckets of times to first audio: a call is judged between 0.1 and 1 s."""


class Door(StrEnum):
    """The protocol by which a caller came: a label of metrics."""

    OPENAI = "openai"
    FISH = "fish"
    FISH_LIVE = "fish_live"
    CARTESIA = "cartesia"
    LIVE = "live"
    JOBS = "jobs"
    WEB = "web"
    OTHER = "other"
    """Health, and what no protocol has."""


class Outcome(StrEnum):
    """How an utterance ended."""

    DONE = "done"
    CUT = "cut"
    HUNG_UP = "hung_up"
    REFUSED = "refused"
    FAILED = "failed"


class Metrics:
    """All metrics, in a registry of their own.

    Args:
        open_streams: Asked for the number of utterances under way.
    """

    def __init__(self, open_streams: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        by_caller = ("door", "token")
        self.utterances = self._counter("utterances", "Utterances ended", (*by_caller, "outcome"))
        self.refusals = self._counter("refusals", "Requests refused or failed, by reason", (*by_caller, "reason"))
        self.retries = self._counter("client_retries", "Requests that a client says it sends again", ("door",))
        self.first_audio = Histogram(
            "s1_gateway_first_audio_seconds",
            "From a request to its first byte of sound",
            ("door",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.underruns = self._counter("underruns", "Times that sound came later than it is played", by_caller)
        self.characters = self._counter("characters", "Characters of text taken", by_caller)
        self.audio_seconds = self._counter("audio_seconds", "Seconds of sound made", by_caller)
        self.bytes = self._counter("sound_bytes", "Bytes of sound given", by_caller)
        self.dropped_samples = self._counter("dropped_samples", "Samples left out for slow callers", by_caller)
        self.sockets = Gauge("s1_gateway_open_sockets", "Open WebSockets", ("door",), registry=self.registry)
        self.server_streams = Gauge(
            "s1_gateway_server_streams", "Open streams to each server", ("server",), registry=self.registry
        )
        self.server_up = Gauge(
            "s1_gateway_server_up",
            "0: the server failed a moment ago and is left alone",
            ("server",),
            registry=self.registry,
        )
        open_gauge = Gauge("s1_gateway_open_streams", "Utterances under way", registry=self.registry)
        open_gauge.set_function(open_streams)

    def _counter(self, name: str, help_text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"s1_gateway_{name}", help_text, labels, registry=self.registry)

    def show_servers(self, servers: Sequence[ServerState]) -> None:
        """Show how the servers look; those that are not there any more are forgotten.

        Args:
            servers: All there are now.
        """
        self.server_streams.clear()
        self.server_up.clear()
        for server in servers:
            self.server_streams.labels(server.url).set(server.num_open)
            self.server_up.labels(server.url).set(not server.is_resting)

    def count_problem(self, door: Door, token: str, problem: Problem) -> None:
        """Count a request that was refused or failed, once it has ended.

        Args:
            door: The protocol.
            token: Name of the caller's.
            problem: What it was told.
        """
        self.refusals.labels(door, token, problem.reason).inc()

    def count_retry(self, door: Door, told: str) -> None:
        """Count a request that the client's library says it sends again.

        Args:
            door: The protocol.
            told: Times that it was sent before, as the client wrote it.
        """
        if told.isdecimal() and int(told) > 0:
            self.retries.labels(door).inc()

    def page(self) -> bytes:
        """Write Prometheus' text format."""
        return generate_latest(self.registry)
