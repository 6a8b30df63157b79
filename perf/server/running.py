"""A server of the working tree on free ports, for as long as it is measured."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from perf.conditions import ROOT

from s1_tts.serving.ports import Ports
from s1_tts.serving.repository import Profile
from s1_tts.serving.server import ServerOptions, TritonServer
from s1_tts.settings import ENV_PREFIX

START_TIMEOUT_S = 600.0


@contextmanager
def running_server(
    checkpoint: Path, device: str, *, profile: Profile = Profile.NOTES, settings: Mapping[str, str] | None = None
) -> Iterator[TritonServer]:
    """Start a server and stop it at the end; its log is kept only while it starts, for the message of a failure.

    Args:
        checkpoint: Folder of the checkpoint.
        device: ``S1_DEVICE``.
        profile: Profile of the server.
        settings: ``S1_*`` settings by name, without the prefix: ``{"max_slots": "32"}``.

    Raises:
        S1Error: it did not start.
    """
    options = ServerOptions(
        checkpoint,
        ROOT / "model_repository",
        ports=Ports(http=0, grpc=0, metrics=0),
        profile=profile,
        device=device,
        settings={f"{ENV_PREFIX}{name.upper()}": value for name, value in (settings or {}).items()},
    )
    with tempfile.TemporaryFile("w") as log, TritonServer(options, log=log) as server:
        server.wait_until_ready(START_TIMEOUT_S)
        yield server


def url_of(server: TritonServer) -> str:
    """Host and port for gRPC."""
    return f"{server.reachable_host}:{server.ports.grpc}"
