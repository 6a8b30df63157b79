"""Start the server, speak one sentence to a file over the gRPC stream, tell the times, stop the server."""

import argparse
import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from s1_client import AsyncS1Client, S1ClientError, Speech, SpeechOptions
from s1_client.report import SpeechTimes, describe_progress, describe_result

ROOT = Path(__file__).resolve().parent.parent
SENTENCE = "Hello! This sentence is being spoken while the rest of it is still on its way to you."
STOP_TIMEOUT_S = 30.0


class DemoError(Exception):
    """The demonstration failed; the message says where."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--text", default=SENTENCE, help="what to say")
    parser.add_argument("--output", type=Path, default=Path("out/demo.wav"), metavar="FILE", help="audio file to write")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same speech")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    return parser.parse_args(arguments)


@contextmanager
def running_server(arguments: argparse.Namespace, log: Path) -> Iterator[str]:
    """Run ``scripts/serve.py`` on free ports; gives the gRPC URL once the server is ready.

    Raises:
        DemoError: the server ended before it was ready; it has said why.
    """
    command = [sys.executable, ROOT / "scripts" / "serve.py", "--checkpoint", arguments.checkpoint]
    command += ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
    command += ["--profile", "calls", "--device", arguments.device, "--log", log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            yield f"localhost:{_wait_for_grpc_port(server, log)}"
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for_grpc_port(server: subprocess.Popen[str], log: Path) -> int:
    """Repeat what the server says until its ready line."""
    for line in server.stdout or ():
        print(f"  {line}", end="", flush=True)  # among it, that a development checkpoint makes noise, not words
        if ready := re.match(r"ready on .*\bgrpc (\d+)", line):
            return int(ready[1])
    raise DemoError(f"the server did not start; its log is {log}")


async def speak(url: str, text: str, seed: int) -> tuple[Speech, SpeechTimes]:
    """Take the stream, telling every chunk as it comes."""
    times = SpeechTimes()
    parts = []
    started_s = time.perf_counter()
    async with AsyncS1Client(url) as client:
        async for chunk in client.stream(text, SpeechOptions(seed=seed)):
            parts.append(chunk.samples)
            times.add_chunk(chunk)
            print(f"  {describe_progress(times)}", flush=True)
    times.total_s = time.perf_counter() - started_s
    return Speech(np.concatenate(parts), chunk.sample_rate_hz), times


def check_streamed(times: SpeechTimes) -> str:
    """Say how long before the end the first sound came.

    Raises:
        DemoError: everything came at once, so nothing was streamed.
    """
    head_start_s = times.arrivals_s[-1] - times.arrivals_s[0]
    if len(times.arrivals_s) < 2 or head_start_s <= 0:
        raise DemoError("all the sound came in one chunk: it was not streamed")
    return (
        f"streamed: chunk 1 of {len(times.arrivals_s)} came {head_start_s * 1000:.0f} ms before the last one, "
        "while the rest was still being generated"
    )


def demonstrate(arguments: argparse.Namespace) -> None:
    """Run the demonstration.

    Raises:
        DemoError: the server did not start, or did not stream.
        S1ClientError: the request failed.
    """
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    log = arguments.output.with_suffix(".log")
    print(f"starting the server; its log is {log}", flush=True)
    with running_server(arguments, log) as url:
        print(f"the server is ready; saying: {arguments.text}", flush=True)
        speech, times = asyncio.run(speak(url, arguments.text, arguments.seed))
    speech.save(arguments.output)
    print(check_streamed(times))
    print(f"time to first audio: {times.arrivals_s[0] * 1000:.0f} ms")
    print(f"audio: {times.audio_s:.2f} s")
    if times.real_time_factor is not None:
        print(f"real-time factor: {times.real_time_factor:.2f} (wall time / audio time)")
    print(f"{arguments.output}: {describe_result(times)}")


def main() -> int:
    """Run the command line; returns the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server is stopped on every way out
    try:
        demonstrate(parse())
    except KeyboardInterrupt:
        return 130
    except (DemoError, S1ClientError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
