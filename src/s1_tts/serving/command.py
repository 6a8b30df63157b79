"""Serve S1-mini with Triton on this machine, in the foreground, until interrupted."""

import argparse
import signal
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from s1_protocol.errors import S1Error
from s1_tts.serving.download import LICENCE_NOTICE, REVISION_FILE, download_checkpoint
from s1_tts.serving.machine import prepare_machine
from s1_tts.serving.ports import Ports
from s1_tts.serving.repository import PACKAGED_REPOSITORY, Profile
from s1_tts.serving.server import ServerOptions, TritonServer
from s1_tts.settings import Settings

MAX_RESTARTS = 5
RESTARTS_WITHIN_S = 600.0
"""With ``--restart`` a server that is lost more often than this ends: something is wrong that a start does not mend."""


class Interrupted(Exception):  # noqa: N818 - it is an order, not a fault
    """The user or the system wants the server to stop."""


def parse(settings: Settings, arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        settings: The environment's; what it says is the default.
        arguments: Instead of this process's own.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=settings.checkpoint,
        required=settings.checkpoint is None,
        metavar="DIR",
        help="folder of the checkpoint, also S1_CHECKPOINT",
    )
    parser.add_argument(
        "--download",
        action="store_true",
        help="fetch the published weights into that folder first, if they are not there; needs HF_TOKEN",
    )
    parser.add_argument(
        "--download-only",
        action="store_true",
        help="fetch them as --download does, and end; for a volume that others mount",
    )
    parser.add_argument("--http-port", type=int, default=8000, metavar="PORT", help="0: any free one, as for all ports")
    parser.add_argument("--grpc-port", type=int, default=8001, metavar="PORT", help=" ")
    parser.add_argument("--metrics-port", type=int, default=8002, metavar="PORT", help="Prometheus metrics")
    parser.add_argument(
        "--sagemaker-port",
        type=int,
        metavar="PORT",
        help="also answer SageMaker's /ping and /invocations; Triton has this port listen on every address of IPv4",
    )
    parser.add_argument(
        "--host", default=settings.host, metavar="ADDRESS", help="address to listen on, also S1_HOST; 0.0.0.0: all"
    )
    parser.add_argument(
        "--profile",
        type=Profile,
        choices=list(Profile),
        default=settings.profile,
        help="notes: gather arrivals for a moment; calls: first sound as early as possible; also S1_PROFILE",
    )
    parser.add_argument("--device", default=settings.device, help="auto, cpu, cuda or cuda:N, also S1_DEVICE")
    parser.add_argument(
        "--drain-s",
        type=float,
        default=settings.drain_s,
        metavar="SECONDS",
        help="after SIGTERM, how long open streams may go on, also S1_DRAIN_S",
    )
    parser.add_argument(
        "--triton-server",
        type=Path,
        default=settings.triton_server,
        metavar="PROGRAM",
        help="a tritonserver elsewhere, also S1_TRITON_SERVER; else on PATH, in NVIDIA's image, or nvidia-pytriton's",
    )
    parser.add_argument("--model-repository", type=Path, default=PACKAGED_REPOSITORY, metavar="DIR", help=" ")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="start the server again when it was lost, five times in ten minutes at most, instead of ending",
    )
    parser.add_argument(
        "--log", type=argparse.FileType("w"), default=sys.stderr, metavar="FILE", help="where the server's log goes"
    )
    return parser.parse_args(arguments)


def options_of(arguments: argparse.Namespace) -> ServerOptions:
    """Make the server's options of the command line."""
    return ServerOptions(
        checkpoint=arguments.checkpoint,
        model_repository=arguments.model_repository,
        host=arguments.host,
        triton_server=arguments.triton_server,
        ports=Ports(arguments.http_port, arguments.grpc_port, arguments.metrics_port, arguments.sagemaker_port),
        profile=arguments.profile,
        device=arguments.device,
        drain_s=arguments.drain_s,
    )


def fetch_if_missing(folder: Path) -> None:
    """Fetch the published weights, unless an earlier download has come to its end.

    Raises:
        DownloadError: they could not be fetched.
    """
    if not (folder / REVISION_FILE).is_file():
        tell = partial(print, flush=True)
        tell(LICENCE_NOTICE)
        download_checkpoint(folder, tell=tell)


def ready_line(server: TritonServer) -> str:
    """Print where the server is and how to try it."""
    host, ports = server.options.host, server.ports
    sagemaker = f", sagemaker {ports.sagemaker}" if ports.sagemaker is not None else ""
    return (
        f"ready on {host}: http {ports.http}, grpc {ports.grpc}, metrics {ports.metrics}{sagemaker}; "
        f'try: s1-tts say "Hello there." -o hello.wav --url {server.reachable_host}:{ports.grpc}'
    )


@dataclass
class Restarts:
    """How often a server that was lost may still be started again.

    Args:
        most: Times within ``RESTARTS_WITHIN_S``.
    """

    most: int
    _times_s: list[float] = field(default_factory=list)

    def take(self, now_s: float) -> bool:
        """Whether it may be started again now; counts it."""
        self._times_s = [at_s for at_s in self._times_s if now_s - at_s < RESTARTS_WITHIN_S]
        if len(self._times_s) >= self.most:
            return False
        self._times_s.append(now_s)
        return True


def serve(arguments: argparse.Namespace) -> int:
    """Run the server until it ends or a signal comes; returns the exit code."""
    if arguments.download or arguments.download_only:
        fetch_if_missing(arguments.checkpoint)
    if arguments.download_only:
        return 0
    for warning in prepare_machine():
        print(f"warning: {warning}", file=sys.stderr)
    with TritonServer(options_of(arguments), log=arguments.log) as server:
        server.wait_until_ready()
        if release_warning := server.release_warning:
            print(f"warning: {release_warning}", file=sys.stderr, flush=True)
        if server.options.notice:
            print(server.options.notice, flush=True)
        print(ready_line(server), flush=True)
        restarts = Restarts(MAX_RESTARTS if arguments.restart else 0)
        while True:
            ending = server.outlive()
            print(f"error: {ending.words}", file=sys.stderr, flush=True)
            if not restarts.take(time.monotonic()):
                return ending.exit_code
            server.restart()
            server.wait_until_ready()
            print(ready_line(server), flush=True)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Stop waiting and leave the server's block, which stops the server; a second signal changes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        arguments = parse(Settings.load())
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGTERM, interrupt)
        return serve(arguments)
    except Interrupted:
        return 0
    except S1Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
