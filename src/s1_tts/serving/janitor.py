"""Clean up after a server, also when the process that started it was killed.

Runs as a process of its own (``python -m s1_tts.serving.janitor``) and waits for the end of its standard input,
which comes when its starter closes the pipe or dies, however it dies. Then it ends what is left of the server's
process group and removes the files the server left behind.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
GRACE_S = 3.0
"""Time an orphaned server has to end by itself before it is killed."""

POLL_S = 0.05


def remove_regions(prefix: str) -> None:
    """Remove the shared memory regions whose names begin so."""
    for region in SHARED_MEMORY.glob(f"{prefix}*"):
        region.unlink(missing_ok=True)


@dataclass(frozen=True)
class Remains:
    """What one server leaves on the machine.

    Args:
        folders: Temporary folders made for it.
        shm_prefix: Start of the names of its shared memory regions.
    """

    folders: tuple[Path, ...]
    shm_prefix: str

    def remove(self) -> None:
        """Remove the folders and the shared memory; all may be gone already."""
        remove_regions(self.shm_prefix)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


class Janitor:
    """Handle on a running janitor process.

    Args:
        remains: What to remove at the end.
    """

    def __init__(self, remains: Remains) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, remains.shm_prefix, *map(str, remains.folders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a terminal's Ctrl-C or a kill of the starter's group must not reach it
        )

    def watch(self, group: int) -> None:
        """Name the process group that must not outlive the starter."""
        if self._process.stdin is not None:
            self._process.stdin.write(b"%d\n" % group)
            self._process.stdin.flush()

    def clean(self) -> None:
        """End the group, remove what is left and wait until that is done."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def end_group(group: int, grace_s: float) -> None:
    """End a process group: ask its leader, and after a while kill the processes that are left.

    Args:
        group: Process group id, which is also the leader's process id.
        grace_s: Time to end by itself, as long as the leader lives; the others depend on it.
    """
    deadline_s = time.monotonic() + grace_s
    with suppress(ProcessLookupError):
        os.kill(group, signal.SIGTERM)
        # Members are nobody's children here, so there is no event to wait for.
        while is_alive(group) and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def is_alive(group: int) -> bool:
    """Whether a process group has a member."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Wait for the starter to go, then clean up."""
    remains = Remains(tuple(map(Path, sys.argv[2:])), sys.argv[1])
    groups = [int(line) for line in sys.stdin]
    for group in groups:
        end_group(group, GRACE_S)
    remains.remove()


if __name__ == "__main__":
    main()
