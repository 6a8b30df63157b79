"""Records: what is appended can be read again; what is no record is named."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from perf.capacity.day_command import DayFigures
from perf.capacity.recording import Recording
from perf.conditions import Conditions
from perf.engine.codec import CodecFigures
from perf.engine.lm import LmFigures
from perf.engine.step import StepFigures
from perf.load.load_test import LoadFigures
from perf.records import RESULTS, Recorder, RecordError, read_records
from perf.server.client import ClientFigures
from perf.server.hearing import Hearing
from perf.server.parts_memory import PartsMemory
from perf.server.results import BenchFigures
from perf.server.voices import VoiceFigures
from perf.siege.figures import SiegeFigures

KINDS = {
    "lm": LmFigures,
    "codec": CodecFigures,
    "voices": VoiceFigures,
    "client": ClientFigures,
    "hearing": Hearing,
    "bench": BenchFigures,
    "siege": SiegeFigures,
    "load": LoadFigures,
    "memory": PartsMemory,
    "step": StepFigures,
    "capacity-day": DayFigures,
    "capacity-record": Recording,
}


@dataclass
class Figures:
    speed: float
    sizes: tuple[int, ...]
    missing: float | None = None


@pytest.fixture(scope="module")
def conditions() -> Conditions:
    return Conditions.describe(torch.device("cpu"))


def test_records_are_appended_and_read(tmp_path: Path, conditions: Conditions) -> None:
    made = Recorder.to(tmp_path / "new", "things", conditions)
    made.record("first", Figures(1.5, (1, 2)))
    made.record("second", Figures(2.5, ()))
    records = read_records([tmp_path])
    assert [(record.measurement, record.subject) for record in records] == [("things", "first"), ("things", "second")]
    assert records[0].figures_as(Figures) == Figures(1.5, (1, 2))
    assert records[0].conditions == conditions


def test_conditions_say_on_what_and_how(conditions: Conditions) -> None:
    assert {"python", "torch", "numpy"} <= conditions.versions.keys()
    assert conditions.command.startswith("python -m perf")
    assert conditions.commit != "unknown"
    assert conditions.date == conditions.started[:10]


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "things.jsonl").write_text("{}\n")
    with pytest.raises(RecordError, match=r"things\.jsonl:1 is no record"):
        read_records([tmp_path])


def test_figures_of_another_kind_are_refused(tmp_path: Path, conditions: Conditions) -> None:
    record = Recorder.to(tmp_path, "things", conditions).record("first", Figures(1.5, (1,)))
    with pytest.raises(RecordError, match="a record of things has no LmFigures"):
        record.figures_as(LmFigures)


def test_every_committed_record_can_be_read() -> None:
    records = [record for record in read_records([RESULTS]) if record.measurement in KINDS]
    assert records
    for record in records:
        record.figures_as(KINDS[record.measurement])


@pytest.mark.parametrize(
    ("processor", "device", "name"),
    [
        ("AMD EPYC (avx2)", "cpu", "epyc-2-cores"),
        ("Intel(R) Xeon(R) Processor (avx2 avx512_bf16 amx_bf16)", "cpu", "xeon-amx-2-cores"),
        ("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz (avx2 avx512f)", "cpu", "xeon-gold-6248-2-cores"),
        ("AMD EPYC (avx2)", "NVIDIA H200", "h200"),
    ],
)
def test_a_machine_s_name(processor: str, device: str, name: str, conditions: Conditions) -> None:
    assert replace(conditions, processor=processor, device=device, cores=2).machine == name
