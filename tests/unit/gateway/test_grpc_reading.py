"""The program tells gRPC to read without its pool of threads, in time, and gRPC still knows the word for it."""

import os
import subprocess
import sys

import pytest

STARTED = """
import sys
from s1_gateway.__main__ import main

assert "grpc" not in sys.modules  # it would have read its environment
sys.argv = ["s1-gateway", "token", "anna"]
main()
"""


@pytest.mark.parametrize(("chosen", "is_known"), [(None, True), ("-no_such_thing", False)])
def test_grpc_knows_the_experiment(chosen: str | None, is_known: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_EXPERIMENTS"}
    if chosen is not None:
        environment["GRPC_EXPERIMENTS"] = chosen
    done = subprocess.run(
        [sys.executable, "-c", STARTED], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.startswith("anna sha256:")
    assert ("Unknown experiment" not in done.stderr) is is_known
