"""``make demo`` speaks through a real server, and says what went wrong when it cannot."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

pytestmark = pytest.mark.slow

DEMO_VOICE = Path(__file__).parents[3] / "checkpoints" / "demo-voice"
SCRIPTS = Path(__file__).parents[3] / "scripts"


def run_script(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPTS / name, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.triton
@pytest.mark.parametrize(
    ("checkpoint", "notice"), [(DEMO_VOICE, "The demo voice speaks"), (Path("tiny"), "noise, not words")]
)
def test_the_demo_streams_a_sentence_to_a_file(checkpoint: Path, notice: str, tmp_path: Path) -> None:
    checkpoint, output = tmp_path / checkpoint, tmp_path / "out" / "demo.wav"
    if not checkpoint.is_dir():
        assert run_script("make_dev_checkpoint.py", "tiny", checkpoint).returncode == 0
    done = run_script("demo.py", "--checkpoint", checkpoint, "--output", output)
    assert done.returncode == 0, done.stdout + done.stderr
    assert notice in done.stdout
    assert "while the rest was still being generated" in done.stdout
    for figure in ("time to first audio: ", "audio: ", "real-time factor: "):
        assert f"\n{figure}" in done.stdout
    assert soundfile.info(output).frames > 0
    assert soundfile.info(output).samplerate == 44_100


def test_the_demo_without_a_checkpoint_says_why_and_fails(tmp_path: Path) -> None:
    done = run_script("demo.py", "--checkpoint", tmp_path / "nowhere", "--output", tmp_path / "demo.wav")
    assert done.returncode == 1
    assert "error: the server did not start" in done.stderr
    assert "nowhere" in done.stdout
    assert not (tmp_path / "demo.wav").exists()
