"""Recordings of every usual make are read whole, whatever pipes, tags, editors and cables did to them.

A thousand generated files and more; the reference is what ffmpeg reads.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from s1_protocol.errors import InvalidArgumentError
from s1_tts.voices.audio import Samples, read_recording
from tests.unit.voices import corpus
from tests.unit.voices.corpus import Make

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed: apt install ffmpeg")

SOUNDS = ((1.5, 220.0), (2.25, 330.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


NUM_PARTS = 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=pytest.mark.xdist_group(f"recordings {part}")) for part in range(NUM_PARTS)]
)
def test_a_thousand_recordings_have_the_length_that_they_have(part: int, folder: Path) -> None:
    wrong, count = [], 0
    for name, data, expected_s, _ in corpus.recordings(folder, SOUNDS, corpus.MAKES[part::NUM_PARTS]):
        count += 1
        try:
            seconds = len(read_recording(data)) / 44_100
        except InvalidArgumentError as error:
            wrong.append(f"{name}: {error}")
            continue
        if not corpus.is_of(seconds, expected_s):
            wrong.append(f"{name}: {seconds:.3f} s, by ffmpeg {expected_s:.3f} s")
    assert count >= 1_000 / NUM_PARTS
    assert wrong == []


@pytest.mark.parametrize("make", corpus.MAKES, ids=lambda make: make.name)
def test_every_make_holds_the_sound_that_was_written(make: Make, folder: Path) -> None:
    mine = read_recording(corpus.written(make, 2.25, 330.0, folder))
    theirs = corpus.samples_by_ffmpeg(corpus.written(make, 2.25, 330.0, folder), make.suffix, folder)
    assert likeness(mine[11_025:77_175], theirs) > 0.98


def likeness(mine: Samples, theirs: Samples) -> float:
    """Correlation at the best shift: versions of ffmpeg trim a codec's first frames differently."""
    size = len(mine) + len(theirs)
    products = np.fft.irfft(np.conj(np.fft.rfft(mine, size)) * np.fft.rfft(theirs, size), size)
    shift = int(products[: len(theirs) - len(mine)].argmax())
    return float(np.corrcoef(mine, theirs[shift : shift + len(mine)])[0, 1])


@pytest.mark.parametrize("share", [0.7])
@pytest.mark.parametrize("make", corpus.MAKES, ids=lambda make: make.name)
def test_a_file_that_broke_off_is_refused_or_has_the_length_of_what_is_there(
    make: Make, share: float, folder: Path
) -> None:
    """MP3, AAC and other rows of frames do not tell where they end; their transcripts do."""
    whole = corpus.written(make, 2.25, 330.0, folder)
    cut = whole[: int(len(whole) * share)]
    try:
        seconds, fault = len(read_recording(cut)) / 44_100, None
    except InvalidArgumentError as error:
        seconds, fault = 0.0, str(error)
    if fault is not None:
        assert any(word in fault for word in ("truncated", "broken", "too short")), fault
    else:
        assert corpus.is_of(seconds, corpus.seconds_by_ffmpeg(cut, make.suffix, folder))
