"""The profile's timers see the real functions, and its parts are all of the step."""

import torch
from perf.engine.step import PARTS, PartTimer, codec_s, step_parts, watching

from s1_training.development.checkpoint import write_dev_checkpoint
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.lm.loading import load_language_model


def test_parts_of_a_step_of_the_real_model(tmp_path):
    write_dev_checkpoint(tmp_path / "tiny", "tiny")
    loaded = load_language_model(tmp_path / "tiny", torch.device("cpu"), torch.float32, 40)
    draw = loaded.model.sample
    parts, served_s = step_parts(loaded, rows=2, position=20, steps=4)
    assert loaded.model.sample is draw, "the timers are gone afterwards"
    assert list(parts) == [*PARTS.values(), "other in the step"]
    assert min(served_s, *(parts[name] for name in PARTS.values())) > 0
    assert codec_s(StreamingDecoder.load(tmp_path / "tiny", torch.device("cpu"), torch.float32), rows=2, repeats=2) > 0


def test_timers_are_taken_off_after_a_failure():
    class Model:
        forward_slow = semantic_logits = start_frame = residual_logits = sample = staticmethod(lambda: None)

    class Runner:
        model = Model()
        state = type("State", (), {"draw_noise": staticmethod(lambda: None)})()

    runner = Runner()
    draw = runner.model.sample
    timer = PartTimer(torch.device("cpu"))
    try:
        with watching(timer, runner):
            assert runner.model.sample is not draw
            runner.model.forward_slow()
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert runner.model.sample is draw
    assert set(timer.seconds) == {"slow"}
