"""The tests marked gpu, but for the container."""

import os
import re
import subprocess
import sys
from collections import Counter

from perf.gpu.stage import Stage
from perf.gpu.timing import tell

FILES = ("kernels", "codec", "lm")
RESULT = re.compile(r"tests/gpu/(\S+) (PASSED|FAILED|ERROR|SKIPPED)")
"""A line of pytest about a test that is over."""


def run(stage: Stage) -> None:
    """Run them; each has a minute. Each result is told as it comes, so none is lost when time is up."""
    command = [sys.executable, "-m", "pytest", *(f"tests/gpu/test_{name}.py" for name in FILES), "-v", "--tb=short"]
    command += ["-p", "no:cacheprovider", "--timeout", "60", f"--junitxml={stage.out}/tests.xml"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **({} if stage.is_cuda else {"GPU_TESTS_ON": "cpu"})}
    results: Counter[str] = Counter()
    failed: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            if result := RESULT.match(line):
                results[result[2].lower()] += 1
                failed += [result[1]] if result[2] in ("FAILED", "ERROR") else []
                tell(**results, which_failed=failed)
    tell(exit_code=running.returncode)
