"""The tests marked gpu, but for the container."""

import os
import subprocess
import sys

from perf.gpu.stage import Stage
from perf.gpu.timing import tell


def run(stage: Stage) -> None:
    """Run them; each has a minute."""
    command = [sys.executable, "-m", "pytest", "tests/gpu/test_codec.py", "tests/gpu/test_lm.py", "-q"]
    command += ["-p", "no:cacheprovider", "--timeout", "60", f"--junitxml={stage.out}/tests.xml"]
    environment = {**os.environ, **({} if stage.is_cuda else {"GPU_TESTS_ON": "cpu"})}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    print(done.stdout)
    tell(exit_code=done.returncode, last_lines=done.stdout.splitlines()[-12:])
