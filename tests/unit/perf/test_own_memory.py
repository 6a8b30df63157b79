"""Memory of a process's own: what it shares with others counts once, elsewhere."""

import subprocess
import sys

from perf.server.processes import ProcessGroup

OWN_MB, SHARED_MB = 64, 256
PROGRAM = f"""
import mmap
own = b"x" * {OWN_MB * 10**6}
shared = mmap.mmap(-1, {SHARED_MB * 10**6})
shared.write(b"x" * len(shared))
print("ready", flush=True)
input()
"""


def test_shared_memory_is_nobodys_own() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        group = ProcessGroup(child.pid)
        (own_mb,) = group.own_mb().values()
        (memory,) = group.memory()
        child.stdin.write(b"\n")
    assert OWN_MB < own_mb < SHARED_MB
    assert memory.now_mb > OWN_MB + SHARED_MB
