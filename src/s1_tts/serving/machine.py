"""What the machine gives a server: open files, and room in shared memory."""

import resource
import shutil
from pathlib import Path

from s1_protocol.errors import SettingsError

SHARED_MEMORY = Path("/dev/shm")

LEAST_SHM_MB = 48
"""Below it a server could start and not answer: four long answers at once may fill it, and then hang."""

ENOUGH_SHM_MB = 512
"""Twice the recordings that may be under way, ``S1_RECORDINGS_MB``."""


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
    remedy = "docker run --shm-size=1g, in Compose shm_size, in Kubernetes an emptyDir of medium Memory"
    if free_mb < LEAST_SHM_MB:
        raise SettingsError(f"{folder} has {free_mb:.0f} MB free; needed: at least {LEAST_SHM_MB}: {remedy}")
    if free_mb < ENOUGH_SHM_MB:
        return f"{folder} has {free_mb:.0f} MB free; {ENOUGH_SHM_MB} are enough for large recordings: {remedy}"
    return None
