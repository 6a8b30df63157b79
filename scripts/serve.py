"""Serve S1-mini with Triton on this machine, in the foreground, until interrupted."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from s1_tts.checkpoint.marker import NOISE_NOTICE
from s1_tts.errors import S1Error
from s1_tts.serving.ports import Ports
from s1_tts.serving.repository import Profile
from s1_tts.serving.server import ServerOptions, TritonServer

MODEL_REPOSITORY = Path(__file__).resolve().parent.parent / "model_repository"


class Interrupted(Exception):  # noqa: N818 - it is an order, not a fault
    """The user or the system wants the server to stop."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--http-port", type=int, default=8000, metavar="PORT", help="0: any free one, as for all ports")
    parser.add_argument("--grpc-port", type=int, default=8001, metavar="PORT", help=" ")
    parser.add_argument("--metrics-port", type=int, default=8002, metavar="PORT", help="Prometheus metrics")
    parser.add_argument(
        "--sagemaker-port",
        type=int,
        metavar="PORT",
        help="also answer SageMaker's /ping and /invocations; Triton lets this port listen on every address",
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on; 0.0.0.0: all")
    parser.add_argument(
        "--profile",
        type=Profile,
        choices=list(Profile),
        default=Profile.NOTES,
        help="notes: gather arrivals for a moment; calls: first sound as early as possible",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--model-repository", type=Path, default=MODEL_REPOSITORY, metavar="DIR", help=" ")
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
        ports=Ports(arguments.http_port, arguments.grpc_port, arguments.metrics_port, arguments.sagemaker_port),
        profile=arguments.profile,
        device=arguments.device,
    )


def ready_line(server: TritonServer) -> str:
    """Tell where the server is and how to try it."""
    host, ports = server.options.host, server.ports
    sagemaker = f", sagemaker {ports.sagemaker}" if ports.sagemaker is not None else ""
    return (
        f"ready on {host}: http {ports.http}, grpc {ports.grpc}, metrics {ports.metrics}{sagemaker}; "
        f'try: s1-tts say "Hello there." -o hello.wav --url {server.reachable_host}:{ports.grpc}'
    )


def serve(arguments: argparse.Namespace) -> int:
    """Run the server until it ends or a signal comes; returns the exit code."""
    with TritonServer(options_of(arguments), log=arguments.log) as server:
        server.wait_until_ready()
        if server.options.is_development:
            print(NOISE_NOTICE, flush=True)
        print(ready_line(server), flush=True)
        code = server.wait()
        print(f"error: the server ended by itself, with code {code}", file=sys.stderr)
        return 1


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Stop waiting and leave the server's block, which stops the server; a second signal changes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted


def main() -> int:
    """Run the command line; returns the exit code."""
    arguments = parse()
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return serve(arguments)
    except Interrupted:
        return 0
    except S1Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
