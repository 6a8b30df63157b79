"""The chart's README and the names of settings in its schema follow from its values and from the settings."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.kubernetes import CHART, ROOT

SCRIPT = "scripts/make_chart_pages.py"


def make(root: object, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, f"{root}/{SCRIPT}", *flags], capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    chart = tmp_path / CHART.relative_to(ROOT)
    shutil.copytree(CHART, chart)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / SCRIPT, tmp_path / SCRIPT)
    return tmp_path


def test_nothing_is_stale():
    done = make(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_stale_is_named_and_written_anew(copy):
    values = copy / CHART.relative_to(ROOT) / "values.yaml"
    values.write_text(values.read_text().replace("slots: 16 #", "slots: 17 #"))
    schema = values.with_name("values.schema.json")
    schema.write_text(schema.read_text().replace('"S1_MAX_SLOTS",', ""))
    done = make(copy, "--check")
    assert done.returncode == 1
    assert {line.partition(":")[0].rpartition("/")[2] for line in done.stdout.splitlines()} == {
        "README.md",
        "values.schema.json",
    }
    assert make(copy).returncode == 0
    assert "| `engine.slots` | `17` |" in values.with_name("README.md").read_text()
    assert "S1_MAX_SLOTS" in json.loads(schema.read_text())["definitions"]["engineSettings"]["propertyNames"]["enum"]


def test_a_value_without_a_word_is_refused(copy):
    values = copy / CHART.relative_to(ROOT) / "values.yaml"
    values.write_text(values.read_text() + "mystery: 1\n")
    done = make(copy)
    assert done.returncode != 0
    assert "mystery has no comment" in done.stderr


def test_every_default_is_in_the_readme():
    def leaves(tree, path=()):
        for key, value in tree.items():
            if isinstance(value, dict) and value and f"`{'.'.join((*path, key))}`" not in readme:
                yield from leaves(value, (*path, key))
            elif not isinstance(value, dict) or not value:
                yield ".".join((*path, key))

    readme = (CHART / "README.md").read_text()
    named = set(re.findall(r"^\| `([\w.]+)`", readme, re.MULTILINE))
    assert set(leaves(yaml.safe_load((CHART / "values.yaml").read_text()))) <= named
