"""The tables of docs/serving.md say what the code says."""

import re
from pathlib import Path

import pytest

from s1_tts.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
SERVING = (ROOT / "docs" / "serving.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", SERVING, flags=re.MULTILINE))


def metric_names() -> set[str]:
    sources = (ROOT / "src" / "s1_tts" / "triton").glob("*_metrics.py")
    return {name for source in sources for name in re.findall(r'"(s1_\w+)"', source.read_text())}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_listed_with_its_default_and_meaning(name: str) -> None:
    field = Settings.model_fields[name]
    default = "none" if field.default is None else str(field.default)
    shown = default.lower() if isinstance(field.default, bool) else default
    assert ROWS[f"{ENV_PREFIX}{name.upper()}"] == f"{shown} | {field.description}"


def test_every_metric_is_listed_and_no_other() -> None:
    assert {name for name in ROWS if name.startswith("s1_")} == metric_names()


def test_no_other_setting_is_listed() -> None:
    listed = {name.removeprefix(ENV_PREFIX).lower() for name in ROWS if name.startswith(ENV_PREFIX)}
    assert listed == set(Settings.model_fields)
