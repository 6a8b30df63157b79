"""Checkov, which knows what Kubernetes' users commonly get wrong. It is run apart: it wants old packages of its own."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes import EXAMPLES, template
from tests.unit.deploy.test_requirements import NO_INDEX, UV, index_of_pip

pytestmark = pytest.mark.slow

NOT_OURS = {
    "CKV_K8S_11": "a CPU limit holds a decode step up in its midst; what is kept for a pod says enough",
    "CKV_K8S_15": "images are named by version and not changed",
    "CKV_K8S_40": "user 1000 is the images'; torch looks its name up and fails for one without a name",
    "CKV_K8S_43": "the images are built by who runs the chart: image.digest pins them",
}


def checkov(folder: Path) -> Counter[str]:
    """What it finds in a folder of resources, by the id of the check."""
    command = [UV, "tool", "run", "--no-config", "--python", sys.executable, "--from", "checkov==3.3.30", "checkov"]
    command += ["--framework", "kubernetes", "--directory", folder, "--output", "json", "--quiet", "--skip-download"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=os.environ | index_of_pip(), timeout=280
    )
    if done.returncode not in (0, 1) or not done.stdout.startswith(("{", "[")):
        if NO_INDEX.search(done.stderr):
            pytest.skip(f"no package index can be reached: {done.stderr.splitlines()[0]}")
        raise AssertionError(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 1000
    return Counter(check["check_id"] for check in report["results"]["failed_checks"])


def test_it_finds_what_is_done_on_purpose_and_what_is_broken_and_nothing_else(tmp_path):
    for example in EXAMPLES:
        (tmp_path / f"{example}.yaml").write_text(template(example).stdout)
    broken = template("laptop").stdout.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", 1)
    (tmp_path / "broken.yaml").write_text(broken)
    found = checkov(tmp_path)
    assert found.pop("CKV_K8S_22") == 1, "a root file system that can be written would not be found"
    assert found.keys() == NOT_OURS.keys()
