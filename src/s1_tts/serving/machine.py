"""What the machine gives a server: open files, threads, memory, and room in shared memory."""

import math
import os
import resource
import shutil
from pathlib import Path

from s1_protocol.errors import SettingsError

SHARED_MEMORY = Path("/dev/shm")

LEAST_SHM_MB = 48
"""Below it a server could start and not answer: four long answers at once may fill it, and then hang."""

ENOUGH_SHM_MB = 1500
"""For recordings from anybody (docs/deployment.md): 1.3 times those under way, ``S1_RECORDINGS_MB``, the eight requests
that Triton hands over together, and the copies of ``s1_mini``. What comes through the gateway takes less."""

LEAST_OPEN_FILES = 256
"""An idle ``tritonserver`` 24.10 has 126 open on two cores, and each caller takes one."""

LEAST_THREADS = 640
"""An idle server of release 24.10 and its models run 523 on two cores."""

LEAST_ADDRESSES_GB = 8
"""An idle ``tritonserver`` 24.10 takes 4.7 GB of addresses, and the models take those of their weights."""

PIDS_LIMIT = Path("/sys/fs/cgroup/pids.max")


def prepare_machine() -> list[str]:
    """Raise what may be raised and look whether the rest is enough for a server.

    Returns:
        Warnings.

    Raises:
        SettingsError: a server could certainly not run.
    """
    raise_open_files()
    num_files, num_bytes = _limit(resource.RLIMIT_NOFILE), _limit(resource.RLIMIT_AS)
    _check("open files", num_files, LEAST_OPEN_FILES, "ulimit -n, docker run --ulimit nofile=65536, LimitNOFILE")
    _check("threads and processes", _thread_limit(), LEAST_THREADS, "ulimit -u, docker run --pids-limit, TasksMax")
    _check("GB of addresses", num_bytes / 1e9, LEAST_ADDRESSES_GB, "ulimit -v unlimited")
    warning = check_shared_memory()
    return [warning] if warning else []


def _limit(kind: int) -> float:
    soft = resource.getrlimit(kind)[0]
    return math.inf if soft == resource.RLIM_INFINITY else soft


def _check(what: str, allowed: float, least: int, remedy: str) -> None:
    if allowed < least:
        raise SettingsError(f"the machine allows {allowed:.3g} {what}; needed: at least {least}: {remedy}")


def _thread_limit() -> float:
    """Threads that this user and this control group may have; the system's first user has no limit of its own."""
    of_user = math.inf if os.geteuid() == 0 else _limit(resource.RLIMIT_NPROC)
    try:
        told = PIDS_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        told = ""
    return min(of_user, int(told) if told.isdecimal() else math.inf)


def raise_open_files() -> int:
    """Let this process and all that it starts open as many files as the machine allows; each caller takes one.

    Returns:
        The limit that holds from now on.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def check_shared_memory(folder: Path = SHARED_MEMORY) -> str | None:
    """Look whether tensors have room.

    Args:
        folder: Where shared memory is mounted.

    Returns:
        A warning, if there may be too little.

    Raises:
        SettingsError: there is certainly too little, or none.
    """
    try:
        free_mb = shutil.disk_usage(folder).free / 1e6
    except OSError as error:
        raise SettingsError(f"{folder} cannot be used, through which all tensors pass: {error.strerror}") from error
    remedy = "docker run --shm-size=1536m, in Compose shm_size, in Kubernetes an emptyDir of medium Memory"
    if free_mb < LEAST_SHM_MB:
        raise SettingsError(f"{folder} has {free_mb:.0f} MB free; needed: at least {LEAST_SHM_MB}: {remedy}")
    if free_mb < ENOUGH_SHM_MB:
        return f"{folder} has {free_mb:.0f} MB free; {ENOUGH_SHM_MB} are enough for large recordings: {remedy}"
    return None
