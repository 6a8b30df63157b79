"""A whole training in small: its checkpoint loads as any other; repeated or resumed, it has the same losses."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from s1_protocol.errors import InvalidArgumentError
from s1_training import loop
from s1_training.evaluation import say_all
from s1_training.run import VoiceTraining
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.codec.streaming import StreamingDecoder
from tests.unit.training.conftest import PLAN, TINY

pytestmark = pytest.mark.slow

STAGES = ("decoder", "encoder", "lm")


def losses(folder: Path, stage: str) -> list[str]:
    return (folder / "work" / f"{stage}-losses.csv").read_text().splitlines()


def copy_corpus(source: Path, target: Path) -> None:
    """Speech and codes of a training, without what was trained."""
    kept = shutil.ignore_patterns("*.csv", "plan.json", "decoder.pt", "encoder.pt", "lm.pt", "checkpoint")
    shutil.copytree(source, target, ignore=kept, dirs_exist_ok=True)


def test_the_checkpoint_speaks_through_the_servers_engine_and_codec(trained: Path) -> None:
    checkpoint = trained / "checkpoint"
    codes = say_all(checkpoint, ["Hello there, it is 5:30."], [20])[0]
    assert codes.shape[0] == 2
    assert 1 <= codes.shape[1] <= 20
    decoder = StreamingDecoder.load(checkpoint, torch.device("cpu"), torch.float32)
    samples = decoder.decode([decoder.new_state()], [codes])[0]
    assert samples.shape == (codes.shape[1] * 2048,)
    assert samples.isfinite().all()
    encoded = CodecEncoder.load(checkpoint, torch.device("cpu"), torch.float32).encode(samples)
    assert encoded.shape == codes.shape


def test_the_checkpoint_refuses_other_scripts(trained: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="English"):
        say_all(trained / "checkpoint", ["Здравствуйте"], [20])


def test_losses_of_the_language_model_go_down(trained: Path) -> None:
    semantic = [float(line.split("semantic=")[1].split(",")[0]) for line in losses(trained, "lm")]
    assert len(semantic) == PLAN.lm_steps
    assert np.mean(semantic[-5:]) < np.mean(semantic[:5]) - 0.1


def test_the_same_seed_gives_the_same_losses(trained: Path, tmp_path: Path) -> None:
    copy_corpus(trained, tmp_path)
    VoiceTraining(tmp_path, PLAN, sizes=TINY, use_compile=False).train()
    for stage in STAGES:
        assert losses(tmp_path, stage) == losses(trained, stage)


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps after the last checkpoint are lost, and computed again."""
    copy_corpus(trained, tmp_path)
    monkeypatch.setattr(loop, "SAVE_INTERVAL_STEPS", 4)
    step = loop._step
    num_steps = 0

    def step_until_interrupted(*arguments: object) -> object:
        nonlocal num_steps
        num_steps += 1
        if num_steps in {3, 11, 28}:  # before the first checkpoint, in the encoder, in the language model
            raise KeyboardInterrupt
        return step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_step", step_until_interrupted)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            VoiceTraining(tmp_path, PLAN, sizes=TINY, use_compile=False).train()
    VoiceTraining(tmp_path, PLAN, sizes=TINY, use_compile=False).train()
    for stage in STAGES:
        assert losses(tmp_path, stage) == losses(trained, stage)
    weights = [torch.load(folder / "checkpoint" / "model.pth") for folder in (tmp_path, trained)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_plan_in_the_folder_goes_before_the_one_given(trained: Path) -> None:
    training = VoiceTraining(trained, replace(PLAN, seed=99), sizes=TINY, use_compile=False)
    assert training.plan == PLAN
