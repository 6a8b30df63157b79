"""What derives from the table of request options is written anew whenever the table changes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from s1_protocol.names import ModelName

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = [
    Path("docs/api.md"),
    Path("docs/gateway.md"),
    *(Path(f"model_repository/{model}/config.pbtxt") for model in ModelName),
]


def make_docs(root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, root / "scripts" / "make_docs.py", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nothing_is_stale() -> None:
    done = make_docs(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("path", WRITTEN, ids=str)
def test_what_is_stale_is_named_and_written_anew(tmp_path: Path, path: Path) -> None:
    for each in (*WRITTEN, Path("scripts/make_docs.py")):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, tmp_path / each)
    right = (ROOT / path).read_text(encoding="utf-8")
    name = {"s1_codec": "is_last", "gateway.md": "S1_GATEWAY_PORT"}.get(
        path.name if path.suffix == ".md" else path.parent.name, "temperature"
    )
    stale = "".join(
        line for line in right.splitlines(keepends=True) if f"`{name}`" not in line and f'"{name}"' not in line
    )
    assert stale != right
    (tmp_path / path).write_text(stale, encoding="utf-8")
    done = make_docs(tmp_path, "--check")
    assert (done.returncode, done.stdout) == (1, f"{path}: is stale; run make docs\n")
    assert make_docs(tmp_path).returncode == 0
    assert (tmp_path / path).read_text(encoding="utf-8") == right
