"""A small siege: every attack once, against a server, a gateway, a worker and a Redis of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_NOT_TRIED = {"full disks"}
"""Where nothing can be mounted."""


@pytest.mark.timeout(1200)  # a machine that is shared; nothing in it depends on speed
def test_a_small_siege_loses_nothing(checkpoint, tmp_path):
    command = [sys.executable, "-m", "perf", "siege", "--small", "--checkpoint", checkpoint, "--folder", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    table = dict(re.findall(r"^([a-z][\w, ]+?) +(\d+ +\d+ +\d+ +\d+|not tried: .*)$", done.stdout, re.MULTILINE))
    assert len(table) > 12
    assert {name for name, row in table.items() if row.startswith("not tried")} <= MOST_NOT_TRIED
    assert int(table["all"].split()[0]) > 300
    assert re.search(r"^the server was replaced 1 times by --restart", done.stdout, re.MULTILINE)
