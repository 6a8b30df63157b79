"""Run a ``tritonserver`` with the model repository, and leave nothing behind."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from s1_protocol.errors import S1Error, SettingsError
from s1_protocol.names import ModelName, Parameter
from s1_protocol.notices import is_dev_checkpoint, notice_of
from s1_tts.checkpoint_files import check_is_whole
from s1_tts.heartbeat import FOLDER_VARIABLE
from s1_tts.serving.distribution import find_distribution
from s1_tts.serving.drain_caller import order_drain, wait_until_spoken
from s1_tts.serving.janitor import SHARED_MEMORY, Janitor, Remains, remove_regions
from s1_tts.serving.model_watch import ModelWatch
from s1_tts.serving.ports import Ports, claim
from s1_tts.serving.release import ask_version, warn_of
from s1_tts.serving.repository import Profile, render
from s1_tts.serving.server_log import ServerLog
from s1_tts.serving.side_door import SIDE_DOOR_VARIABLE, SideDoor
from s1_tts.short_waits import SHORT_WAITS
from s1_tts.wire.drain_order import KEY_VARIABLE
from s1_tts.wire.seal import KEY_VARIABLE as SEAL_KEY_VARIABLE

DRAIN_MARGIN_S = 1.5
"""What the models get beyond the time of their drain to say that it is over."""

PING_INTERVAL_MS = 5_000
"""Pings of clients that come closer than this are counted, though never punished."""

KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS = 10_000, 10_000
"""A caller whose machine does not answer a ping for so long is gone, though nobody has told."""

CONNECTION_AGE_MS, CONNECTION_GRACE_MS = 600_000, 1_200_000
"""After the first time a gRPC connection takes no new requests, and clients open another one by themselves; after the
second it is closed. This ends streams that nobody reads: Triton keeps all of their sound."""

KILL_AFTER_S = 0.5
"""What a server gets beyond its own timeout."""
POLL_S = 0.1

MAX_STARTS = 3
"""Triton's Python backend aborts at times while it starts model processes: ``boost::interprocess::lock_exception``.
Seen on machines that are busy with other work; the next start goes well."""

ABORT_SIGNALS = frozenset({signal.SIGABRT, signal.SIGSEGV})


TRITON_REGIONS = "triton_python_backend_shm_region_"
"""How Triton names its regions of shared memory. Newer releases let no caller register a region of such a name, so ours
begin so too."""

DYING_S = 10.0
"""A server that dies shows as dead before the last of its hundreds of threads has ended and it can be waited for."""

WATCH_S = 0.2
"""Time between two looks at the processes of a server that is ready."""


@dataclass(frozen=True)
class Ending:
    """How a server ended that was not stopped.

    Args:
        words: In words.
        exit_code: What its command ends with.
    """

    words: str
    exit_code: int


EXIT_ENDED = 1
"""The server ended by itself, or did not start."""

EXIT_MODEL_LOST = 70
"""A process of a model died or stood still, and the server was ended because of it."""


class ServerFailedError(S1Error):
    """The server ended before it was ready; the message is the models' own."""


@dataclass(frozen=True)
class ServerOptions:
    """What to serve and where.

    Args:
        checkpoint: Folder of the checkpoint.
        model_repository: Folder of the model repository.
        host: Address to listen on.
        triton_server: A ``tritonserver`` elsewhere; none: the one that is found.
        ports: Ports to listen on; 0 chooses a free one.
        profile: What the server is tuned for.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        drain_s: How long open streams may go on when the server is stopped.
        settings: Further environment variables: ``S1_*`` for the models, ``SAGEMAKER_TRITON_*`` for the server.
        flags: Further arguments of the server.
    """

    checkpoint: Path
    model_repository: Path
    host: str = "127.0.0.1"
    triton_server: Path | None = None
    ports: Ports = field(default_factory=Ports)
    profile: Profile = Profile.NOTES
    device: str = "auto"
    drain_s: float = 3.0
    settings: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    @property
    def notice(self) -> str | None:
        """What somebody who listens to the checkpoint should know, if anything."""
        return notice_of(self.checkpoint)

    @property
    def is_development(self) -> bool:
        """Whether the checkpoint makes noise instead of words."""
        return is_dev_checkpoint(self.checkpoint)


class TritonServer:
    """A server process and all that was made for it.

    A janitor process removes the temporary folder, the model processes and the shared memory of this server and of
    no other, even when this process is killed.

    Args:
        options: What to serve and where.
        log: Where the server's log goes.

    Raises:
        SettingsError: the checkpoint, the repository or a port is wrong, or there is no ``tritonserver``.
    """

    def __init__(self, options: ServerOptions, log: TextIO = sys.stderr) -> None:
        check_is_whole(options.checkpoint)
        self.options = options
        self._distribution = find_distribution(options.triton_server)
        self.ports = claim(options.host, options.ports)
        self._target = log
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="s1-tts-server-"))
        except OSError as error:
            raise SettingsError(f"no temporary folder can be written ({error.strerror}): set TMPDIR") from error
        self._shm_prefix = f"{TRITON_REGIONS}s1_tts_{secrets.token_hex(6)}_"
        self._num_starts = self._num_aborts = 0
        self._was_ready = False
        # In memory: the sign of a process that is well must not wait for a disk.
        self._signs = SHARED_MEMORY / f"{self._folder.name}-signs"
        self._drain_key = secrets.token_hex(16)
        self.seal_key = secrets.token_hex(32)
        self.side_door = SideDoor(os.environ.get(SIDE_DOOR_VARIABLE) or secrets.token_hex(16))
        self._janitor = Janitor(Remains((self._folder, self._signs), self._shm_prefix))
        try:
            self._lay_out()
            self._start()
        except BaseException:
            self._janitor.clean()
            raise

    def __enter__(self) -> Self:
        """Hand out the server; leaving the block stops it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    @property
    def process_id(self) -> int:
        """Id of the server's process, which leads a group with all its model processes."""
        return self._process.pid

    @property
    def reachable_host(self) -> str:
        """Address for a caller on this machine, as it stands in a URL."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.options.host, self.options.host)
        return f"[{host}]" if ":" in host else host

    @property
    def release_warning(self) -> str | None:
        """A warning, if the server that runs has holes that are public."""
        return warn_of(ask_version(self.reachable_host, self.ports.http))

    def wait_until_ready(self, timeout_s: float | None = None) -> None:
        """Wait until every model can be asked. A server that aborts meanwhile is started again, twice at most.

        Args:
            timeout_s: Longest time; ``None`` waits for as long as the server lives.

        Raises:
            ServerFailedError: the server ended, or the time passed.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._was_ready:
            code = self.wait(POLL_S)
            if code is not None and self._has_aborted(code) and self._num_aborts < MAX_STARTS - 1:
                self._num_aborts += 1
                self._start_again(f"the server aborted while it started ({self._log.failure})")
            elif code is not None or self._log.is_stopping:
                raise ServerFailedError(self._log.failure)
            if deadline_s is not None and time.monotonic() > deadline_s:
                raise ServerFailedError(f"the server was not ready after {timeout_s:g} s")
            self._was_ready = self._is_ready()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the server's end.

        Returns:
            Its exit code, or ``None`` if it still runs after ``timeout_s``.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def outlive(self) -> Ending:
        """Wait for the end of a server that is ready; end it when a process of a model is lost.

        A model that is dead or stands still answers nobody, and Triton does not start it again. So the whole server is
        killed at once: every caller has an error then, and no new one takes it for ready.
        """
        watch = ModelWatch(self.process_id, self._signs, time.monotonic())
        while (code := self.wait(WATCH_S)) is None:
            lost = watch.look(time.monotonic())
            if lost is None and not self._log.is_followed:
                lost = "the thread that reads the log has ended"
            if lost is None:
                continue
            code = self.wait(DYING_S if watch.is_server_dead else 0)
            if code is not None:
                break
            self._kill_all()
            return Ending(f"{lost}: the server was ended", EXIT_MODEL_LOST)
        how = f"by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"with code {code}"
        return Ending(f"the server ended by itself, {how}", EXIT_ENDED)

    def restart(self) -> None:
        """Start a server that has ended anew, on the same ports; then wait until it is ready."""
        self._was_ready = False
        self._num_aborts = 0
        self._start_again("the server was lost")

    def stop(self) -> None:
        """Stop the server: requests in flight have a few seconds, then all of it is ended and removed.

        Streams are drained first: Triton would break them. Triton then stops one model instance after the other, a
        second each. After the drain no request is open. So this waits for the two models that hold state, and kills
        the others.
        """
        if not self._was_ready:
            self._process.kill()  # nothing is in flight, and its own way out takes many seconds
        elif self.wait(0) is None:
            ends_s = time.monotonic() + self.options.drain_s + DRAIN_MARGIN_S
            order_drain(
                f"{self.reachable_host}:{self.ports.http}", self._drain_key, self.options.drain_s + DRAIN_MARGIN_S
            )
            wait_until_spoken(f"{self.reachable_host}:{self.ports.metrics}", ends_s - time.monotonic())
        self._process.terminate()
        deadline_s = time.monotonic() + self._distribution.exit_timeout_s + KILL_AFTER_S
        while self.wait(POLL_S) is None:
            is_idle = self._log.has_unloaded(ModelName.LLAMA, ModelName.CODEC)
            if is_idle or time.monotonic() > deadline_s:
                self._process.kill()
        self._janitor.clean()
        self._log.join(1.0)

    def _lay_out(self) -> None:
        try:
            render(self.options.model_repository, self._folder / "models", self.options.profile)
            self._signs.mkdir()
            self._backends = self._distribution.lay_out_backends(self._folder / "backends")
        except OSError as error:
            fault = error.strerror or str(error)
            raise SettingsError(f"the server's folder cannot be made: {fault}; set TMPDIR to one with room") from error

    def _has_aborted(self, code: int) -> bool:
        """Whether the server's end was an abort of its own and no refusal."""
        self._log.join(1.0)
        return -code in ABORT_SIGNALS or self._log.has_aborted

    def _start_again(self, why: str) -> None:
        """Start the server anew, after what is left of the one before it has been ended."""
        self._kill_all()
        self._log.join(1.0)
        self._start()
        self._log.tell(f"{why}; it is started again")  # the log of the server that ended may be closed by now

    def _kill_all(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        remove_regions(self._shm_prefix)

    def _start(self) -> None:
        self._num_starts += 1
        self._process = self._launch(f"{self._shm_prefix}{self._num_starts}_")
        self._janitor.watch(self._process.pid)
        self._log = ServerLog(self._process, self._target)

    def _launch(self, shm_prefix: str) -> subprocess.Popen[str]:
        distribution, folder, backends = self._distribution, self._folder, self._backends
        host = self.options.host
        command = [
            str(distribution.binary),
            f"--model-repository={folder / 'models'}",
            *([f"--backend-directory={backends}"] if backends else []),
            # A prefix of its own: it marks what is left of this server after a crash.
            f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
            "--disable-auto-complete-config",  # the files say all; asking the models would start each of them twice
            f"--exit-timeout-secs={distribution.exit_timeout_s}",
            # one library names an address of IPv6 so, the other in brackets
            f"--http-address={'ipv6:' if ':' in host else ''}{host}",
            f"--grpc-address={f'[{host}]' if ':' in host else host}",
            f"--metrics-address={'ipv6:' if ':' in host else ''}{host}",
            # Clients look with pings whether a connection still carries anything; none of them is too many.
            f"--grpc-http2-min-recv-ping-interval-without-data={PING_INTERVAL_MS}",
            "--grpc-http2-max-ping-strikes=0",
            f"--grpc-keepalive-time={KEEPALIVE_MS}",
            f"--grpc-keepalive-timeout={KEEPALIVE_TIMEOUT_MS}",
            f"--grpc-max-connection-age={CONNECTION_AGE_MS}",
            f"--grpc-max-connection-age-grace={CONNECTION_GRACE_MS}",
            f"--http-port={self.ports.http}",
            f"--grpc-port={self.ports.grpc}",
            f"--metrics-port={self.ports.metrics}",
            *self.side_door.flags,
            f"--grpc-header-forward-pattern={Parameter.CALLER}",
            f"--http-header-forward-pattern={Parameter.CALLER}",
        ]
        if self.ports.sagemaker is not None:
            command += ["--allow-sagemaker=true", f"--sagemaker-port={self.ports.sagemaker}"]
        command += self.options.flags
        return subprocess.Popen(
            command,
            env=distribution.environment({**SHORT_WAITS, **os.environ, **self._settings()}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # one group to end; a terminal's Ctrl-C comes through us, once
        )

    def _settings(self) -> dict[str, str]:
        return {
            "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": ModelName.ONE_ANSWER,
            **self.options.settings,
            "S1_CHECKPOINT": str(self.options.checkpoint.resolve()),
            "S1_DEVICE": self.options.device,
            "S1_DRAIN_S": str(self.options.drain_s),
            KEY_VARIABLE: self._drain_key,
            SEAL_KEY_VARIABLE: self.seal_key,
            FOLDER_VARIABLE: str(self._signs),
        }

    def _is_ready(self) -> bool:
        connection = HTTPConnection(f"{self.reachable_host}:{self.ports.http}", timeout=1.0)
        try:
            connection.request("GET", "/v2/health/ready")
            is_ready = connection.getresponse().status == HTTPStatus.OK
            reached = self.reachable_host.strip("[]")
            return is_ready and _is_open(reached, self.ports.metrics) and _is_open("127.0.0.1", self.ports.sagemaker)
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def _is_open(host: str, port: int | None) -> bool:
    """Whether the server listens on one of the ports that it opens after the others."""
    if port is None:
        return True
    with suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False
