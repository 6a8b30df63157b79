"""The profile's timers see the real functions, and its parts are all of the step."""

import torch
from perf.engine.step_parts import PartTimer, StepParts, Subject, codec_s, step_parts, watching
from perf.server.step import parts_of
from perf.server.step_server import ServerParts, Times

from s1_tts.checkpoint.dev import write_dev_checkpoint
from s1_tts.lm import decode


def test_parts_of_a_step_of_the_real_model(tmp_path):
    write_dev_checkpoint(tmp_path / "tiny", "tiny")
    draw = decode.sample_codes
    subject = Subject(tmp_path / "tiny", "cpu", "float32", threads=1, rows=2, position=20, steps=4)
    parts = step_parts(subject)
    assert decode.sample_codes is draw, "the timers are gone afterwards"
    assert min(parts.slow_s, parts.fast_s, parts.sampling_s, parts.served_s) > 0
    assert parts.slow_s + parts.fast_s + parts.sampling_s < parts.step_s * 1.5  # medians of each need not add up
    assert codec_s(subject) > 0


def test_timers_are_taken_off_after_a_failure():
    class Model:
        forward_slow = semantic_logits = start_frame = residual_logits = staticmethod(lambda: None)

    class Runner:
        model = Model()
        state = type("State", (), {"draw_noise": staticmethod(lambda: None)})()

    runner, draw = Runner(), decode.sample_codes
    timer = PartTimer(torch.device("cpu"))
    try:
        with watching(timer, runner):
            assert decode.sample_codes is not draw
            runner.model.forward_slow()
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert decode.sample_codes is draw
    assert set(timer.seconds) == {"slow"}


def test_the_busiest_thread_of_a_model_computes_and_the_others_carry():
    before = Times({"s1_llama 5": {1: 1.0, 2: 1.0}}, triton_s=3.0)
    after = Times({"s1_llama 5": {1: 9.0, 2: 2.0, 3: 0.5}, "s1_codec 6": {7: 4.0, 8: 1.0}}, triton_s=3.25)
    assert after.since(before) == (8.0 + 4.0, 1.5 + 1.0, 0.25)


def test_parts_add_up():
    step = StepParts(0.010, 0.020, 0.005, step_s=0.040, served_s=0.039)
    server = ServerParts(0.045, rows=7.9, transport_s=0.002, triton_s=0.001, computing_s=0.060, num_chunks=0.5)
    parts = parts_of(step, 0.012, server, is_cpu=True)
    assert abs(sum(parts.values()) - (0.060 + 0.002 + 0.001)) < 1e-9
    assert abs(parts["other in the step"] - 0.005) < 1e-9
    assert "other in the engines" not in parts_of(step, 0.012, server, is_cpu=False)
