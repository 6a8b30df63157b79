"""What derives from the table of request options is written anew whenever the table changes."""

import shutil
import subprocess
import sys
from pathlib import Path

from s1_protocol.names import ModelName

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = [
    Path("docs/api.md"),
    Path("docs/gateway.md"),
    *(Path(f"model_repository/{model}/config.pbtxt") for model in ModelName),
]


NAMES = {Path("docs/gateway.md"): "S1_GATEWAY_PORT", Path("model_repository/s1_codec/config.pbtxt"): "is_last"}
"""What a file is made to lack; the others lack an option."""


def make_docs(root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, root / "scripts" / "make_docs.py", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nothing_is_stale() -> None:
    done = make_docs(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_stale_is_named_and_written_anew(tmp_path: Path) -> None:
    right = {path: (ROOT / path).read_text(encoding="utf-8") for path in WRITTEN}
    for path in (*WRITTEN, Path("scripts/make_docs.py")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    for path, text in right.items():
        stale = without(text, NAMES.get(path, "temperature"))
        assert stale != text
        (tmp_path / path).write_text(stale, encoding="utf-8")
    done = make_docs(tmp_path, "--check")
    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == sorted(f"{path}: is stale; run make docs" for path in WRITTEN)
    assert make_docs(tmp_path).returncode == 0
    assert {path: (tmp_path / path).read_text(encoding="utf-8") for path in WRITTEN} == right


def without(text: str, name: str) -> str:
    """The lines that do not speak of a name."""
    return "".join(
        line for line in text.splitlines(keepends=True) if f"`{name}`" not in line and f'"{name}"' not in line
    )
