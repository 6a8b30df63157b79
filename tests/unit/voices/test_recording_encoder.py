"""The encoder takes no memory before the first recording, and a checkpoint that changed meanwhile is no other voice."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from s1_protocol.errors import CheckpointError, UnavailableError
from s1_training.development.codec import write_dev_codec
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.voices import recording_encoder
from s1_tts.voices.recording_encoder import RecordingEncoder

CPU = torch.device("cpu")
SAMPLES = np.random.default_rng(0).normal(size=9000).astype(np.float32) * 0.1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dev_codec(tmp_path, "tiny", seed=1)
    return tmp_path


@pytest.mark.parametrize("use_native", [True, False])
def test_the_weights_are_read_once_when_the_first_recording_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, use_native: bool
) -> None:
    loads = []
    load = CodecEncoder.load
    monkeypatch.setattr(recording_encoder.CodecEncoder, "load", lambda *given: loads.append(given) or load(*given))
    encode = RecordingEncoder(folder, CPU, use_native=use_native)
    assert not loads
    codes = encode(SAMPLES)
    assert np.array_equal(encode(SAMPLES), codes)
    assert len(loads) == 1
    expected = load(folder, CPU, torch.float32).encode(torch.from_numpy(SAMPLES))
    assert np.array_equal(codes, expected.numpy())
    assert codes.dtype == np.int32


def test_a_checkpoint_that_changed_meanwhile_is_refused(folder: Path) -> None:
    encode = RecordingEncoder(folder, CPU, use_native=True)
    os.utime(folder / "codec.pth", (0, 0))
    with pytest.raises(UnavailableError, match="was changed since the server started"):
        encode(SAMPLES)


def test_a_checkpoint_that_does_not_fit_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        RecordingEncoder(tmp_path, CPU, use_native=True)
    torch.save({"encoder.unknown": torch.zeros(1)}, tmp_path / "codec.pth")
    with pytest.raises(CheckpointError, match="does not fit the model"):
        RecordingEncoder(tmp_path, CPU, use_native=True)
