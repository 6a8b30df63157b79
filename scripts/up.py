"""Run a server and the gateway before it, with jobs, until interrupted; print a line to try for each protocol.

Without ``S1_GATEWAY_REDIS_URL`` a Redis of its own keeps the jobs, in ``out/redis``, if redis-server is installed.
"""

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
STOP_TIMEOUT_S = 60.0

TRY = """\
ready on http://{address}; server 127.0.0.1:{grpc}, its metrics 127.0.0.1:{metrics}
to listen, in a browser: {url}/
to try, in a second terminal:
  OpenAI    curl {url}/v1/audio/speech -d '{{"model": "tts-1", "voice": "alloy", "input": "Hello."}}' -o hello.mp3
  Fish      curl {url}/v1/tts -H 'content-type: application/json' -d '{{"text": "Hello."}}' -o fish.mp3
  Cartesia  ws://{address}/tts/websocket, for Pipecat and LiveKit
  jobs      {jobs}
  socket    {bin}/websockets ws://{address}/v1/audio/stream   and type {{"text": "Hello."}}
docs/gateway.md has an example for each client; Ctrl+C ends all."""

TRY_JOBS = 'later: curl {url}/v1/audio/speech/async -d \'{{"text": "Hello."}}\'   and look at its status_url'
NO_JOBS = "none: redis-server is not installed, and S1_GATEWAY_REDIS_URL is not set"
REDIS = "S1_GATEWAY_REDIS_URL"


class UpError(Exception):
    """One of the two ended; the message says which."""


class Interrupted(Exception):  # noqa: N818 - it is an order, not a fault
    """The user or the system wants both to end."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--port", type=int, default=8080, help="the gateway's; 0: any free one")
    parser.add_argument("--grpc-port", type=int, default=8001, metavar="PORT", help="the server's")
    parser.add_argument("--http-port", type=int, default=8000, metavar="PORT", help="the server's")
    parser.add_argument("--metrics-port", type=int, default=8002, metavar="PORT", help="the server's")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--redis-folder", type=Path, default=ROOT / "out" / "redis", metavar="DIR", help="of the Redis of its own"
    )
    return parser.parse_args(arguments)


@contextlib.contextmanager
def running(
    command: list[str | Path],
    stream: str,
    ready: str,
    environment: dict[str, str] | None = None,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[tuple[subprocess.Popen[str], re.Match[str]]]:
    """Run a program; gives it, and what its line says that tells that it is ready.

    Args:
        command: Program and arguments.
        stream: Where the line comes: ``stdout`` or ``stderr``.
        ready: Pattern of the line.
        environment: Variables that it has besides ours.
        end: What ends it.

    Raises:
        UpError: it ended before.
    """
    pipes = {stream: subprocess.PIPE}
    # a signal that the terminal sends to all must not end the server before the gateway has drained
    told = os.environ | (environment or {})
    with subprocess.Popen(command, text=True, start_new_session=True, env=told, **pipes) as process:
        try:
            lines: IO[str] = getattr(process, stream)
            for line in lines:
                if found := re.search(ready, line):
                    break
                sys.stderr.write(line)
            else:
                raise UpError(f"{Path(command[0]).name} did not start; its lines above say why")
            threading.Thread(target=_pass_on, args=(lines,), daemon=True).start()
            yield process, found
        finally:
            process.send_signal(end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
            process.kill()


def _pass_on(lines: IO[str]) -> None:
    for line in lines:
        sys.stderr.write(line)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """End both; a second signal changes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted


def up(arguments: argparse.Namespace) -> None:
    """Run both until one ends.

    Raises:
        UpError: one ended by itself.
    """
    server_command = [BIN / "s1-tts-serve", "--checkpoint", arguments.checkpoint, "--profile", "calls"]
    server_command += ["--device", arguments.device, "--grpc-port", str(arguments.grpc_port)]
    server_command += ["--http-port", str(arguments.http_port), "--metrics-port", str(arguments.metrics_port)]
    with contextlib.ExitStack() as stack:
        parts: list[subprocess.Popen[str]] = []
        redis = _redis(stack, parts, arguments.redis_folder)
        server, where = stack.enter_context(running(server_command, "stdout", r"ready on .*grpc (\d+), metrics (\d+)"))
        servers = ["--servers", f"127.0.0.1:{where[1]}"]
        gateway_command = [BIN / "s1-gateway", "serve", "--port", str(arguments.port), *servers]
        # a user's end: nothing is waited for but what is being said
        gateway, found = stack.enter_context(
            running(gateway_command, "stderr", r"ready on http://(\S+)", redis, signal.SIGINT)
        )
        parts += [server, gateway]
        if redis is not None:
            worker_command = [BIN / "s1-gateway", "worker", *servers]
            worker, _ = stack.enter_context(running(worker_command, "stderr", "the worker is ready", redis))
            parts.append(worker)
        address, grpc, metrics = found[1], where[1], where[2]
        names = {"address": address, "url": f"http://{address}", "grpc": grpc, "metrics": metrics}
        jobs = NO_JOBS if redis is None else TRY_JOBS.format(url=names["url"])
        print(TRY.format(bin=os.path.relpath(BIN), jobs=jobs, **names), flush=True)
        ended = _wait_for_either(*parts)
        raise UpError(f"{Path(ended.args[0]).name} ended with {ended.returncode}")


def _redis(stack: contextlib.ExitStack, parts: list[subprocess.Popen[str]], folder: Path) -> dict[str, str] | None:
    """Start a Redis unless one is named; gives the variable that names it, or None: there is none to be had.

    Args:
        stack: Ends it.
        parts: It is added here, if it is started.
        folder: Of its file.

    Raises:
        UpError: another one has the folder.
    """
    if os.environ.get(REDIS) or os.environ.get(f"{REDIS}_FILE"):
        return {}
    if shutil.which("redis-server") is None:
        return None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context((folder / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # two of them would write one file, and both would lose their jobs
        raise UpError(f"another one keeps its jobs in {folder}; end it, or name another --redis-folder") from None
    command: list[str | Path] = ["redis-server", "--port", str(port), "--dir", folder, "--bind", "127.0.0.1"]
    command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
    process, _ = stack.enter_context(running(command, "stdout", "Ready to accept connections"))
    parts.append(process)
    return {REDIS: f"redis://127.0.0.1:{port}/0"}


def _wait_for_either(*processes: subprocess.Popen[str]) -> subprocess.Popen[str]:
    has_ended = threading.Event()
    for process in processes:
        threading.Thread(target=lambda waited=process: (waited.wait(), has_ended.set()), daemon=True).start()
    has_ended.wait()
    return next(process for process in processes if process.poll() is not None)


def main() -> int:
    """Run the command line; returns the exit code."""
    arguments = parse()
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        up(arguments)
    except Interrupted:
        return 0
    except UpError as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
