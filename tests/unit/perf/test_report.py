"""Files and pages about results."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from perf.hearing import Hearing
from perf.machine import Machine
from perf.measures import summarize
from perf.page import page
from perf.plots import draw
from perf.reference_speed import ReferenceRun
from perf.result_files import flat, write_json, write_runs_csv, write_streams_csv
from perf.results import AddedTime, AnalyzerComparison, BareComparison, Conditions, Loop, Run, SizeResult
from perf.tables import Table, figure
from perf.targets import verdicts

from s1_training.listening import Understood
from tests.unit.perf.test_streams import record


def result() -> SizeResult:
    """A checkpoint with a closed and an open run of profile calls."""
    size = SizeResult("tiny", is_development=True, settings={})
    for concurrency, share in ((8, 0.0), (0, 0.8)):
        records = [record((1.0, 1.0), (1.5, 2.0)), record((2.0, 1.0))]
        loop = Loop.CLOSED if concurrency else Loop.OPEN
        run = Run("calls", loop, concurrency, 0.5, share, "short", summarize(records), 0.3, 1.0)
        size.runs.append(run)
        size.streams.append((run, records))
    return size


@pytest.fixture(scope="module")
def conditions() -> Conditions:
    return Conditions.describe(torch.device("cpu"))


def test_a_table_in_markdown() -> None:
    table = Table("Things", ("name", "size"), [("a|b", "1")], "Made up.")
    assert table.to_markdown() == "### Things\n\nMade up.\n\n| name | size |\n| --- | --- |\n| a\\|b | 1 |"


def test_figures() -> None:
    assert figure(None) == "-"
    assert figure(1234.56, 1) == "1\u202f234.6"


def test_csv_has_a_line_for_each_run_and_each_stream(tmp_path: Path) -> None:
    write_runs_csv(tmp_path / "runs.csv", [result()])
    write_streams_csv(tmp_path / "streams.csv", [result()])
    runs = list(csv.DictReader((tmp_path / "runs.csv").open()))
    streams = list(csv.DictReader((tmp_path / "streams.csv").open()))
    assert [(run["checkpoint"], run["loop"], run["concurrency"]) for run in runs] == [
        ("tiny", "closed", "8"),
        ("tiny", "open", "0"),
    ]
    assert float(runs[0]["summary_first_audio_ms_p50"]) == pytest.approx(1500)
    assert len(streams) == 4
    assert sum(int(stream["samples"]) for stream in streams) == 2 * result().runs[0].summary.samples


def test_nested_figures_become_one_level() -> None:
    assert flat({"a": 1, "b": {"c": 2, "d": {"e": 3}}}) == {"a": 1, "b_c": 2, "b_d_e": 3}


def test_json_holds_conditions_and_figures(tmp_path: Path, conditions: Conditions) -> None:
    write_json(tmp_path / "bench.json", conditions, [result()])
    told = json.loads((tmp_path / "bench.json").read_text())
    assert told["conditions"]["machine"]["commit"] == conditions.machine.commit
    assert told["sizes"][0]["runs"][0]["summary"]["ok"] == 2


def test_the_page_names_conditions_goals_and_pictures(tmp_path: Path, conditions: Conditions) -> None:
    size = result()
    size.bare.append(BareComparison(8, 16, (8.0, 9.0), (10.0, 10.0)))
    pictures = draw([size], tmp_path, "bench")
    assert all(picture.file.stat().st_size > 0 for picture in pictures)
    told = page(conditions, [size], verdicts([size]), pictures)
    for expected in (conditions.machine.processor, conditions.machine.commit, conditions.command, "numpy "):
        assert expected in told
    assert "85% (8.50 of 10.00" in told
    assert "**missed**" in told
    assert all(f"]({picture.file.name})" in told for picture in pictures)


def test_goals_met_and_missed() -> None:
    size = result()
    size.bare.append(BareComparison(8, 16, (9.5,), (10.0,)))
    size.added += [AddedTime("notes", (110.0,), (10.0,)), AddedTime("calls", (20.0, 21.0, 30.0), (10.0, 20.0, 28.0))]
    assert [(verdict.measured.split()[0], verdict.is_met) for verdict in verdicts([size])] == [
        ("95%", True),
        ("+2.0", True),
        ("1.33", True),
    ]
    size.added[1] = replace(size.added[1], bare_ms=(10.0, 11.0, 12.0))
    assert [verdict.is_met for verdict in verdicts([size])] == [True, False, True]


def test_what_was_heard_stands_on_the_page_and_in_the_figures(tmp_path: Path, conditions: Conditions) -> None:
    half, all_of_it = Understood(words=0.5, picks=0.88), Understood(words=0.8, picks=1.0)
    hearing = Hearing(conditions.machine, "voice", 50, all_of_it, half, half, all_of_it, all_of_it, 1.4, 1.02, 0)
    goals = verdicts([], hearing)
    assert [(goal.checkpoint, goal.measured.split()[0], goal.is_met) for goal in goals] == [
        ("voice", "62%", False),
        ("voice", "88%", False),
        ("voice", "at", True),
    ]
    told = page(conditions, [], goals, [], hearing)
    assert "| streamed | 50.0% | 88% |" in told
    assert "at most 1.40 times" in told
    write_json(tmp_path / "bench.json", conditions, [], hearing)
    assert json.loads((tmp_path / "bench.json").read_text())["hearing"]["streamed"] == {"words": 0.5, "picks": 0.88}


def test_agreement_with_perf_analyzer_is_within_noise_or_a_tenth() -> None:
    same = AnalyzerComparison("s1_mini", "http", "whole", 2, 8, (100.0, 104.0), (95.0, 97.0), has_same_samples=True)
    assert (same.difference_ms, same.noise_ms, same.is_within_noise) == pytest.approx((6.0, 9.6, True))
    assert not replace(same, theirs_ms=(120.0, 121.0)).is_within_noise
    assert replace(same, theirs_ms=(110.0, 140.0)).is_within_noise  # they do not agree with themselves any better


def test_the_reference_s_callers_wait_for_those_before_them() -> None:
    run = ReferenceRun(1024, audio_s=[1.0] * 4, taken_s=[2.0, 2.0, 2.0, 2.0])
    assert run.first_audio_s(1) == [2.0, 2.0, 2.0, 2.0]
    assert run.first_audio_s(2) == [2.0, 4.0, 4.0, 4.0]
    assert run.audio_s_per_s == 0.5


@pytest.mark.parametrize(
    ("processor", "device", "name"),
    [
        ("AMD EPYC (avx2)", "cpu", "epyc-2-cores"),
        ("Intel(R) Xeon(R) Processor (avx2 avx512_bf16 amx_bf16)", "cpu", "xeon-amx-2-cores"),
        ("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz (avx2 avx512f)", "cpu", "xeon-gold-6248-2-cores"),
        ("AMD EPYC (avx2)", "NVIDIA H200", "h200"),
    ],
)
def test_a_machine_s_name(processor: str, device: str, name: str) -> None:
    machine = Machine("2026-01-01", "abc", processor, 2, device, "3.11", "2", 1, 0.0)
    assert machine.name == name
