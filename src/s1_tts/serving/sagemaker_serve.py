"""What our image runs when SageMaker starts it with ``serve``.

It takes the settings of the ``serve`` script in Triton's own container from the same environment variables, but runs
the server under our launcher: SageMaker stops a container with SIGTERM whenever it scales in or updates an endpoint,
and a bare ``tritonserver`` then breaks the streams that are running. HTTP, gRPC and metrics listen on the loopback
only; the drain and the health check of the launcher need HTTP.
"""

import argparse
import os
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from s1_protocol.errors import S1Error, SettingsError
from s1_protocol.sagemaker import InferenceType, Variable
from s1_tts.serving.command import Interrupted, interrupt
from s1_tts.serving.machine import prepare_machine
from s1_tts.serving.ports import ANY_FREE, Ports
from s1_tts.serving.repository import Profile
from s1_tts.serving.sagemaker_container import CHANNEL_CHECKPOINT, DEFAULT_PORT, MODEL_FOLDER, PACKED_CHECKPOINT
from s1_tts.serving.server import ServerOptions, TritonServer
from s1_tts.settings import Settings

LOOPBACK = "127.0.0.1"

_FLAGS = {
    "SAGEMAKER_SAFE_PORT_RANGE": "--sagemaker-safe-port-range=",
    "SAGEMAKER_TRITON_THREAD_COUNT": "--sagemaker-thread-count=",
    "SAGEMAKER_TRITON_LOG_VERBOSE": "--log-verbose=",
    "SAGEMAKER_TRITON_LOG_INFO": "--log-info=",
    "SAGEMAKER_TRITON_LOG_WARNING": "--log-warning=",
    "SAGEMAKER_TRITON_LOG_ERROR": "--log-error=",
    "SAGEMAKER_TRITON_BUFFER_MANAGER_THREAD_COUNT": "--buffer-manager-thread-count=",
    "SAGEMAKER_TRITON_SHM_DEFAULT_BYTE_SIZE": "--backend-config=python,shm-default-byte-size=",
    "SAGEMAKER_TRITON_SHM_GROWTH_BYTE_SIZE": "--backend-config=python,shm-growth-byte-size=",
}
"""Variables of Triton's script that become arguments as they are."""


def read_options(
    environment: Mapping[str, str], settings: Settings, model_folder: Path = Path(MODEL_FOLDER)
) -> ServerOptions:
    """Make the server's options of the container's environment.

    Args:
        environment: Environment variables.
        settings: Our own of them.
        model_folder: Where SageMaker has unpacked the archive.

    Raises:
        SettingsError: a variable is wrong, or there is no checkpoint.
    """
    if environment.get(Variable.MULTI_MODEL) == "true":
        raise SettingsError(f"{Variable.MULTI_MODEL}=true: this container serves one model; allowed: false, or unset")
    kind = _inference_type(environment)
    if kind is InferenceType.GENERATE_STREAM and not environment.get("S1_PROFILE"):
        profile = Profile.CALLS
    else:
        profile = Profile(settings.profile)
    return ServerOptions(
        checkpoint=settings.checkpoint or _find_checkpoint(model_folder),
        model_repository=model_folder,
        host=LOOPBACK,
        ports=_ports(environment),
        profile=profile,
        device=settings.device,
        drain_s=settings.drain_s,
        settings={Variable.MODEL: kind.model},
        flags=_flags(environment),
    )


def _inference_type(environment: Mapping[str, str]) -> InferenceType:
    value = environment.get(Variable.INFERENCE_TYPE) or InferenceType.INFER
    if value not in set(InferenceType):
        raise SettingsError(f"{Variable.INFERENCE_TYPE}: got {value!r}; allowed: {', '.join(InferenceType)}")
    kind = InferenceType(value)
    model = environment.get(Variable.MODEL) or kind.model
    if model != kind.model:
        raise SettingsError(f"{Variable.MODEL}: got {model!r}; allowed with {value}: {kind.model}")
    return kind


def _find_checkpoint(model_folder: Path) -> Path:
    places = [model_folder / PACKED_CHECKPOINT.name, Path(CHANNEL_CHECKPOINT)]
    for place in places:
        if place.is_dir():
            return place
    raise SettingsError(f"no checkpoint: S1_CHECKPOINT is not set, nor is there {' or '.join(map(str, places))}")


def _ports(environment: Mapping[str, str]) -> Ports:
    """Ports on the loopback: those asked for, else free ones, within the range that SageMaker allows."""
    sagemaker = _port(environment, Variable.PORT, DEFAULT_PORT)
    safe = iter([ANY_FREE] * 3)
    if allowed := environment.get(Variable.SAFE_PORTS):
        found = re.fullmatch(r"(\d+)-(\d+)", allowed)
        numbers = range(int(found[1]), int(found[2]) + 1) if found else range(0)
        if len(numbers) < 4:
            raise SettingsError(f"{Variable.SAFE_PORTS}: got {allowed!r}; allowed: FIRST-LAST, at least four ports")
        safe = iter([number for number in numbers if number != sagemaker])
    return Ports(
        http=next(safe),
        grpc=_port(environment, Variable.GRPC_PORT, next(safe)),
        metrics=_port(environment, Variable.METRICS_PORT, next(safe)),
        sagemaker=sagemaker,
    )


def _port(environment: Mapping[str, str], variable: Variable, default: int) -> int:
    value = environment.get(variable)
    if value and not value.isdecimal():
        raise SettingsError(f"{variable}: got {value!r}; allowed: a port number")
    return int(value) if value else default


def _flags(environment: Mapping[str, str]) -> tuple[str, ...]:
    given = [f"{flag}{environment[name]}" for name, flag in _FLAGS.items() if environment.get(name)]
    return (*given, *shlex.split(environment.get(Variable.ADDITIONAL_ARGUMENTS, "")))


def serve(options: ServerOptions) -> int:
    """Run the server until it ends or SageMaker stops the container; returns the exit code.

    Raises:
        S1Error: it does not start.
    """
    for warning in prepare_machine():
        print(f"warning: {warning}", file=sys.stderr)
    with TritonServer(options) as server:
        server.wait_until_ready()
        if release_warning := server.release_warning:
            print(f"warning: {release_warning}", file=sys.stderr, flush=True)
        if options.notice:
            print(options.notice, flush=True)
        ports = server.ports
        print(
            f"ready: sagemaker {ports.sagemaker} on every address; "
            f"http {ports.http}, grpc {ports.grpc}, metrics {ports.metrics} on {LOOPBACK} only",
            flush=True,
        )
        ending = server.outlive()
        print(f"error: {ending.words}", file=sys.stderr)
        return ending.exit_code


def main() -> int:
    """Run the container; returns the exit code."""
    parser = argparse.ArgumentParser(description="Serve S1-mini as SageMaker wants it, until interrupted.")
    parser.add_argument(
        "--model-folder", type=Path, default=Path(MODEL_FOLDER), metavar="DIR", help="where model.tar.gz was unpacked"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    try:
        return serve(read_options(os.environ, Settings.load(), arguments.model_folder))
    except Interrupted:
        return 0
    except S1Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
