"""``make demo`` speaks through a real server, and says what went wrong when it cannot."""

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from s1_protocol.notices import notice_of
from s1_tts.checkpoint_files import check_is_whole

pytestmark = pytest.mark.slow

DEMO_VOICE = Path(__file__).parents[3] / "checkpoints" / "demo-voice"
SCRIPTS = Path(__file__).parents[3] / "scripts"


def run_script(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPTS / name, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.triton
def test_the_demo_streams_a_sentence_to_a_file(tmp_path: Path) -> None:
    output = tmp_path / "out" / "demo.wav"
    done = run_script("demo.py", "--checkpoint", DEMO_VOICE, "--output", output)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The demo voice speaks" in done.stdout
    assert "while the rest was still being generated" in done.stdout
    for figure in ("time to first audio: ", "audio: ", "real-time factor: "):
        assert f"\n{figure}" in done.stdout
    assert soundfile.info(output).frames > 0
    assert soundfile.info(output).samplerate == 44_100


def test_a_development_checkpoint_is_whole_and_says_that_it_makes_noise(tmp_path: Path) -> None:
    """The server prints the notice, and reads the same files in tests/triton."""
    made = run_script("make_dev_checkpoint.py", "tiny", tmp_path / "tiny")
    assert made.returncode == 0, made.stderr
    check_is_whole(tmp_path / "tiny")
    assert "noise, not words" in (notice_of(tmp_path / "tiny") or "")


def test_the_demo_without_a_checkpoint_says_why_and_fails(tmp_path: Path) -> None:
    done = run_script("demo.py", "--checkpoint", tmp_path / "nowhere", "--output", tmp_path / "demo.wav")
    assert done.returncode == 1
    assert "error: the server did not start" in done.stderr
    assert "nowhere" in done.stdout
    assert not (tmp_path / "demo.wav").exists()
