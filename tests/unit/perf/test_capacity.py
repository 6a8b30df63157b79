"""The simulated server and the planner on top of it."""

import argparse
import math
import random
from pathlib import Path

import pytest
from perf.capacity.command import add_arguments, question_of
from perf.capacity.costs import CodecCosts, Costs, StepCosts, Table
from perf.capacity.parts import ServerShape
from perf.capacity.plan import Goals, Question, answer_measured
from perf.capacity.recording import Recording
from perf.capacity.run import run_closed, run_open, run_peak
from perf.capacity.workload import Notes, Peak, SimulatedRequest

from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAMES_PER_SECOND

RECORDINGS = sorted((Path(__file__).parents[3] / "perf" / "results").glob("*/capacity-record.jsonl"))

STEP_S, PREFILL_S, CODEC_FRAME_S, HOP_S = 0.01, 0.005, 0.001, 0.002


def constant(value: float) -> Table:
    return Table((1, 2), (value, value))


COSTS = Costs(
    name="made up",
    step=StepCosts(constant(STEP_S), constant(0)),
    round_s=0.0,
    prefill_s=constant(PREFILL_S),
    codec=CodecCosts(Table((0, 1), (0, CODEC_FRAME_S)), 0.0),
    lm_rate=1.0,
    codec_rate=1.0,
    hop_s=HOP_S,
    prefill_tokens=32,
    codec_batch_frames=0,
)


@pytest.mark.parametrize("path", RECORDINGS, ids=[path.stem for path in RECORDINGS])
def test_simulation_reproduces_the_real_server(path):
    """Costs were measured part by part and without the runs that they have to explain."""
    recording = Recording.load(path)
    assert {run.concurrency for run in recording.runs} == {0, 1, 4, 8}
    for run in recording.runs:
        fared = run.simulate(recording.costs, ServerShape())
        assert fared.refused_share == 0
        assert fared.audio_s_per_s == pytest.approx(run.audio_s_per_s, rel=0.15), run.name
        assert fared.completion_p50_s == pytest.approx(run.completion_p50_s, rel=0.15), run.name


def test_there_is_a_recording():
    assert RECORDINGS


def test_a_lone_request_takes_what_its_parts_take():
    request = SimulatedRequest(prompt_tokens=41, frames=4)  # 40 of them computed, in two pieces
    fared = run_closed(COSTS, ServerShape(gather_s=0.1), [request], 1)
    first_s = 3 * HOP_S + 0.1 + 2 * PREFILL_S + 4 * STEP_S + 4 * CODEC_FRAME_S
    assert fared.first_audio_p50_s == pytest.approx(first_s)
    assert fared.completion_p50_s == pytest.approx(first_s + STEP_S - 4 * CODEC_FRAME_S)  # one more step, no frame


def test_a_known_voice_costs_no_prefill():
    known = SimulatedRequest(prompt_tokens=1, frames=4, voice_tokens=500)
    fared = run_closed(COSTS, ServerShape(gather_s=0.0), [known], 1)
    assert fared.first_audio_p50_s == pytest.approx(3 * HOP_S + 4 * STEP_S + 4 * CODEC_FRAME_S)


def test_streams_share_steps():
    requests = [SimulatedRequest(1, 100)] * 8
    one, eight = (run_closed(COSTS, ServerShape(gather_s=0.0, call_slots=0), requests, count) for count in (1, 8))
    assert one.mean_rows == 1
    assert eight.mean_rows > 7  # they join one a step
    assert eight.audio_s_per_s > 5 * one.audio_s_per_s


def test_the_eighth_arrival_ends_the_gathering():
    at_once = run_open(COSTS, ServerShape(gather_s=5.0, call_slots=0), [SimulatedRequest(1, 4)] * 8, [0.0] * 8)
    assert at_once.completion_p95_s < 1
    seven = run_open(COSTS, ServerShape(gather_s=5.0), [SimulatedRequest(1, 4)] * 7, [0.0] * 7)
    assert seven.first_audio_p50_s > 5


def test_a_full_queue_refuses():
    shape = ServerShape(slots=2, queue=1, call_slots=0, gather_s=0.0)
    fared = run_open(COSTS, shape, [SimulatedRequest(1, 50)] * 10, [0.001 * index for index in range(10)])
    assert fared.refused_share == pytest.approx(0.7)


def test_calls_have_their_slot():
    shape = ServerShape(slots=2, call_slots=1, gather_s=0.0)
    note, call = SimulatedRequest(1, 400), SimulatedRequest(1, 8, service=ServiceClass.CALL)
    fared = run_open(COSTS, shape, [note, note, note, call], [0.0, 0.0, 0.0, 0.5])
    assert fared.refused_share == 0
    alone = run_open(COSTS, shape, [note, call], [0.0, 0.5])
    assert fared.completion_p50_s > alone.completion_p50_s  # the notes wait for each other, the call for nobody


def test_models_on_one_device_slow_each_other_down():
    shared = Costs(**{**vars(COSTS), "lm_rate": 0.5, "codec_rate": 0.5})
    requests = [SimulatedRequest(1, 200)] * 16
    alone, together = (run_closed(costs, ServerShape(), requests, 8) for costs in (COSTS, shared))
    assert together.audio_s_per_s < alone.audio_s_per_s


def test_a_server_that_keeps_up_has_no_underruns_and_one_that_does_not_has():
    assert run_closed(COSTS, ServerShape(), [SimulatedRequest(1, 200)], 1).underrun_share == 0
    slow = Costs(**{**vars(COSTS), "round_s": 0.1})
    assert run_closed(slow, ServerShape(), [SimulatedRequest(1, 200)], 1).underrun_share == 1


@pytest.mark.parametrize("peak_per_s", [10, 15, 20])
def test_arrivals_of_a_peak(peak_per_s):
    peak = Peak(3000, 300, peak_per_s)
    arrivals_s = list(peak.arrivals_s(1.0, random.Random(1)))
    assert len(arrivals_s) == pytest.approx(3000, rel=0.06)
    assert peak.rate_per_s(150) == pytest.approx(peak_per_s)
    assert arrivals_s == sorted(arrivals_s)
    middle = sum(140 <= at_s < 160 for at_s in arrivals_s) / 20
    assert middle == pytest.approx(peak_per_s, rel=0.25)
    assert len(list(peak.arrivals_s(0.1, random.Random(1)))) == pytest.approx(300, rel=0.2)


def test_a_peak_below_the_mean_or_over_twice_of_it_is_refused():
    for peak_per_s in (9, 21):
        with pytest.raises(ValueError, match="allowed: the mean to twice the mean, 600 to 1200"):
            Peak(3000, 300, peak_per_s)


def test_notes_have_the_lengths_asked_for():
    source = random.Random(2)
    drawn = [Notes(10, 3, call_share=0.25).draw(source) for _ in range(4000)]
    lengths_s = [request.frames / FRAMES_PER_SECOND for request in drawn]
    mean_s = sum(lengths_s) / len(lengths_s)
    assert mean_s == pytest.approx(10, rel=0.03)
    assert math.sqrt(sum((length_s - mean_s) ** 2 for length_s in lengths_s) / 4000) == pytest.approx(3, rel=0.1)
    assert sum(request.service is ServiceClass.CALL for request in drawn) == pytest.approx(1000, rel=0.1)


def test_the_answer_is_the_fewest_servers_that_meet_the_goals():
    question = Question(Peak(600, 60, 10), Notes(5, 1, voice_tokens=0), Goals(1.0, 10.0, 0.0), slots=(2,))
    answer = answer_measured(question, COSTS)
    shape = ServerShape(slots=2)
    assert answer.servers > 1
    assert question.goals.are_met(run_peak(COSTS, shape, question.peak, question.notes, 1 / answer.servers))
    assert not question.goals.are_met(run_peak(COSTS, shape, question.peak, question.notes, 1 / (answer.servers - 1)))


def test_goals_that_nobody_can_meet_are_told():
    question = Question(Peak(60, 60, 1), Notes(5, 1), Goals(completion_p95_s=0.1), slots=(2,))
    assert answer_measured(question, COSTS).servers == 0


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_the_command_line_asks_for_the_case_this_began_with():
    question = question_of(parse([]))
    assert question.peak == Peak(50_000, 300, 10_000 / 60)
    assert question.notes.mean_s == 10
    with pytest.raises(ValueError, match="a peak of 5000 requests a minute"):
        question_of(parse(["--peak-per-minute", "5000"]))
