"""The memory of a part is that of all of its processes, and of no others."""

import subprocess
import sys

import psutil
import pytest
from perf.server.parts_memory import Watch

PARENT = """
import subprocess, sys
with subprocess.Popen([sys.executable, "-c", "data = bytes(range(256)) * 2**18; print(flush=True); input()"]) as child:
    child.wait()
"""
"""A program with a child, which holds 64 MB."""


@pytest.fixture
def part():
    command = [sys.executable, "-c", PARENT, "redis-server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        started.stdout.readline()
        yield started
        started.stdin.close()


@pytest.mark.usefixtures("part")
def test_a_parts_children_count_and_other_parts_do_not():
    watch = Watch(psutil.Process())
    with watch.phase("idle"):
        pass
    assert 64 < watch.most_mb["redis"]["idle"] < 300
    assert watch.most_mb["server"] == {"idle": 0.0}
