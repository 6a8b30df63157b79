"""Tables, pictures and goals of records."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from perf.__main__ import COMMANDS, main
from perf.conditions import Conditions
from perf.engine.reference import ReferenceRun
from perf.load.load_test import LoadFigures
from perf.load.measures import summarize
from perf.load.phases import Phase
from perf.records import RESULTS, Recorder, read_records
from perf.report.command import conditions_in_words
from perf.report.docs import REGION, changed_pages, remade
from perf.report.docs_tables import load_table
from perf.report.goals import bench_goals
from perf.report.tables import Table, figure
from perf.server.hearing import Hearing
from perf.server.results import AddedTime, BareComparison, BenchFigures, Loop, Run
from perf.siege.figures import SiegeFigures
from perf.siege.tally import Tally

from s1_training.listening import Understood
from tests.unit.perf.test_streams import record


def bench_figures() -> BenchFigures:
    """A checkpoint with a closed and an open run of profile calls."""
    figures = BenchFigures(is_development=True, settings={})
    for concurrency, share in ((8, 0.0), (0, 0.8)):
        records = [record((1.0, 1.0), (1.5, 2.0)), record((2.0, 1.0))]
        loop = Loop.CLOSED if concurrency else Loop.OPEN
        figures.runs.append(Run("calls", loop, concurrency, 0.5, share, "short", summarize(records), 0.3, 1.0))
    return figures


def heard() -> Hearing:
    half, all_of_it = Understood(words=0.5, picks=0.88), Understood(words=0.8, picks=1.0)
    return Hearing(50, all_of_it, half, half, all_of_it, all_of_it, 1.4, 1.02, 0)


@pytest.fixture
def recorder_of(tmp_path: Path):
    conditions = Conditions.describe(torch.device("cpu"))
    return lambda measurement: Recorder.to(tmp_path, measurement, conditions)


def test_a_table_in_markdown() -> None:
    table = Table("Things", ("name", "size"), [("a|b", "1")], "Made up.")
    assert table.to_markdown() == "### Things\n\nMade up.\n\n| name | size |\n| --- | --- |\n| a\\|b | 1 |"


def test_figures() -> None:
    assert figure(None) == "-"
    assert figure(1234.56, 1) == "1\u202f234.6"


def test_the_page_has_conditions_tables_and_pictures_of_every_record(recorder_of, tmp_path: Path) -> None:
    figures = bench_figures()
    figures.bare.append(BareComparison(8, 16, (8.0, 9.0), (10.0, 10.0)))
    recorder_of("bench").record("tiny", figures)
    recorder_of("hearing").record("voice", heard())
    faulty = Phase("5 at a time", requests=5, completed=4, faults=["leaked: s1_lm_active_sequences is 1"])
    made = recorder_of("load")
    made.record("tiny", LoadFigures([faulty], [], 1.0, [], ["code 1"]))
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.md").read_text()
    for expected in (
        made.conditions.processor,
        made.conditions.commit,
        "numpy ",
        "## bench: tiny",
        "85% (8.50 of 10.00",
    ):
        assert expected in page
    assert "| streamed | 50.0% | 88% |" in page
    assert "at most 1.40 times" in page
    assert "**Failed: 2 faults.**" in page
    assert "| stopping: code 1 |" in page
    pictures = list(tmp_path.glob("*.png"))
    assert pictures
    assert all(f"]({picture.name})" in page and picture.stat().st_size > 0 for picture in pictures)


def test_a_siege_s_page_has_what_was_lost_and_what_could_not_be_tried(recorder_of, tmp_path: Path) -> None:
    flood, disks = Tally(3, 2, ["a stream"], 4.0), Tally(not_tried="nothing can be mounted")
    flood.note_most("turns", 6)
    figures = SiegeFigures(False, 0.5, 7, 1, {"redis": 2, "server": 0}, {"a flood": flood, "full disks": disks}, [])
    recorder_of("siege").record("tiny", figures)
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.md").read_text()
    for row in (
        "| a flood | 3 | 2 | 1 | 4 s |",
        "| full disks | not tried | - | - | - |",
        "| **all** | 3 | 2 | 1 | 30 s |",
        "| a flood: turns | 6 |",
        "| a flood: a stream |",
        "| programs that had ended and the siege started again | redis 2 |",
        "| size | full; 0.5 minutes, 7 rounds of what ends nothing |",
    ):
        assert row in page


def test_of_two_records_of_one_subject_the_last_counts(recorder_of, tmp_path: Path) -> None:
    for faults in (["old"], ["new"]):
        recorder_of("load").record("tiny", LoadFigures([], [], 1.0, faults, []))
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.md").read_text()
    assert "| new |" in page
    assert "| old |" not in page


def test_a_folder_without_records_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert "holds no records" in capsys.readouterr().err


def test_goals_met_and_missed() -> None:
    figures = bench_figures()
    figures.bare.append(BareComparison(8, 16, (9.5,), (10.0,)))
    figures.added += [AddedTime("notes", (110.0,), (10.0,)), AddedTime("calls", (20.0, 21.0, 30.0), (10.0, 20.0, 28.0))]
    assert [(goal.measured.split()[0], goal.is_met) for goal in bench_goals(figures)] == [
        ("95%", True),
        ("+2.0", True),
        ("1.33", True),
    ]
    figures.added[1] = replace(figures.added[1], bare_ms=(10.0, 11.0, 12.0))
    assert [goal.is_met for goal in bench_goals(figures)] == [True, False, True]


def test_the_reference_s_callers_wait_for_those_before_them() -> None:
    run = ReferenceRun(1024, audio_s=[1.0] * 4, taken_s=[2.0, 2.0, 2.0, 2.0])
    assert run.first_audio_s(1) == [2.0, 2.0, 2.0, 2.0]
    assert run.first_audio_s(2) == [2.0, 4.0, 4.0, 4.0]
    assert run.audio_s_per_s == 0.5


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "--help" in capsys.readouterr().out


def test_another_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["lms"])
    assert "invalid choice: 'lms'" in capsys.readouterr().err


def test_the_tables_of_the_docs_are_those_of_the_records() -> None:
    assert [page.name for page, _ in changed_pages()] == [], "make docs writes them"


def test_a_stale_table_is_found_and_other_regions_are_left_alone() -> None:
    stale = "".join(f"<!-- made by make docs: {name} -->\nx\n<!-- end -->" for name in ("performance-load", "inputs"))
    made = REGION.sub(remade, stale)
    assert load_table().lines() in made
    assert "inputs -->\nx\n<!-- end -->" in made


def test_each_folder_of_records_has_a_page_that_shows_the_last_of_each() -> None:
    folders = {file.parent for file in RESULTS.glob("*/*.jsonl")}
    assert folders
    for folder in folders:
        page = (folder / "report.md").read_text(encoding="utf-8")
        last = {(written.measurement, written.subject): written for written in read_records([folder])}
        for (measurement, subject), shown in last.items():
            head = f"## {measurement}: {subject}\n\n{conditions_in_words(shown.conditions)}\n"
            assert head in page, f"{folder.name}: {measurement}; run python -m perf report {folder}"
