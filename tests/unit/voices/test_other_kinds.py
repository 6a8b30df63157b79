"""Sound files of kinds for which no reader is kept are refused by their name: ffmpeg writes one of each."""

import shutil
import subprocess
from pathlib import Path

import pytest

from s1_protocol.errors import InvalidArgumentError
from s1_tts.voices.audio import read_recording

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed: apt install ffmpeg")


@pytest.mark.parametrize(
    ("suffix", "options", "name"),
    [
        ("wv", "-c:a wavpack", "a WavPack file"),
        ("tta", "-c:a tta", "a True Audio file"),
        ("voc", "-c:a pcm_s16le", "a VOC file"),
        ("ac3", "-c:a ac3", "an AC-3 file"),
        ("eac3", "-c:a eac3", "an AC-3 file"),
        ("dts", "-c:a dca -strict -2", "a DTS file"),
        ("thd", "-c:a truehd -strict -2", "a TrueHD file"),
        ("avi", "-c:a pcm_s16le", "an AVI video"),
        ("flv", "-c:a aac", "an FLV video"),
        ("ts", "-c:a aac", "an MPEG transport stream"),
        ("rm", "-c:a real_144 -ar 8000 -ac 1", "a RealAudio file"),
        ("latm", "-c:a aac", "an AAC file of the form LOAS"),
        ("nut", "-c:a pcm_s16le", "a NUT file"),
    ],
)
def test_a_file_of_another_kind_is_named(suffix: str, options: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"sound.{suffix}"
    tone = ["-f", "lavfi", "-i", "sine=frequency=330:duration=1.5:sample_rate=44100"]
    subprocess.run(["ffmpeg", "-v", "error", *tone, *options.split(), path], check=True)
    with pytest.raises(InvalidArgumentError, match=f"is {name}; allowed: a whole WAV"):
        read_recording(path.read_bytes())
