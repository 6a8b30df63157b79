"""Disks so small that they can be filled: in a mount namespace of the siege's own, so that nobody else sees them."""

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perf.errors import MeasurementError

OWN_MOUNTS = "--in-own-mounts"
SHARED_MEMORY = Path("/dev/shm")
BLOCK = bytes(64 * 1024)

_WAYS = (["--mount"], ["--user", "--map-root-user", "--mount"])
"""As root, or as anybody where the system lets everybody have a namespace."""


def enter_own_mounts() -> str:
    """Start this command again in a mount namespace of its own, where that is possible.

    Returns:
        Why it is not possible; the function does not return where it is.
    """
    fault = "there is no unshare"
    for way in _WAYS:
        command = ["unshare", *way, "--propagation", "private"]
        probe = [*command, "mount", "-t", "tmpfs", "-o", "size=1m", "none", str(SHARED_MEMORY)]
        try:
            done = subprocess.run(probe, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            break
        if done.returncode == 0:
            again = [*command, sys.executable, *sys.orig_argv[1:], OWN_MOUNTS]
            os.execvp(again[0], again)  # noqa: S606, RUF100 - the same command line
        fault = f"nothing can be mounted here ({done.stderr.strip()})"
    return fault


@dataclass(frozen=True)
class SmallDisk:
    """A disk of its own at a folder.

    Args:
        folder: Where it is.
        size_mb: How much it holds.
    """

    folder: Path
    size_mb: int

    def mount(self) -> None:
        """Put it there; it goes with the namespace.

        Raises:
            MeasurementError: it cannot be mounted.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        options = f"size={self.size_mb}m,mode=1777"
        command = ["mount", "-t", "tmpfs", "-o", options, "siege", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MeasurementError(f"{self.folder}: {done.stderr.strip()}")

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Leave no room on it, for as long as the block lasts."""
        filler = self.folder / "filler"
        try:
            with filler.open("wb", buffering=0) as file, contextlib.suppress(_Full):
                while True:
                    _write(file.fileno())
            yield
        finally:
            filler.unlink(missing_ok=True)


class _Full(Exception):  # noqa: N818 - it is what is wanted
    """The disk is full."""


def _write(file: int) -> None:
    try:
        os.write(file, BLOCK)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _Full from error
