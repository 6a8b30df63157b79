"""Results as JSON and CSV files."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from perf.hearing import Hearing
from perf.results import Conditions, SizeResult
from perf.streams import StreamRecord


def write_json(file: Path, conditions: Conditions, sizes: Sequence[SizeResult], hearing: Hearing | None = None) -> None:
    """Write all figures; single streams are in the CSV file."""
    told = [asdict(replace(size, streams=[])) for size in sizes]
    figures = {"conditions": asdict(conditions), "sizes": told, "hearing": asdict(hearing) if hearing else None}
    file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def write_runs_csv(file: Path, sizes: Iterable[SizeResult]) -> None:
    """Write a line for each run."""
    _write_csv(file, [{"checkpoint": size.checkpoint} | flat(asdict(run)) for size in sizes for run in size.runs])


def write_streams_csv(file: Path, sizes: Iterable[SizeResult]) -> None:
    """Write a line for each stream."""
    rows = []
    for size in sizes:
        for run, records in size.streams:
            told: dict[str, Any] = {"checkpoint": size.checkpoint, "profile": run.profile, "loop": str(run.loop)}
            told |= {"concurrency": run.concurrency, "load_share": run.load_share}
            rows += [told | _stream_row(record) for record in records]
    _write_csv(file, rows)


def flat(figures: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested figures under one level of names: ``summary_first_audio_ms_p50``."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        found |= flat(value, f"{prefix}{name}_") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _stream_row(record: StreamRecord) -> dict[str, Any]:
    gaps_s, silences_s = record.gaps_s, record.underruns_s
    return {
        "index": record.index,
        "language": record.language,
        "length": record.length,
        "characters": record.num_characters,
        "max_frames": record.max_frames,
        "service": record.service,
        "outcome": str(record.outcome),
        "error": record.error,
        "arrived_s": round(record.arrived_s, 4),
        "first_audio_s": record.first_audio_s,
        "second_chunk_s": record.second_chunk_s,
        "last_audio_s": record.chunks[-1].at_s - record.arrived_s if record.chunks else None,
        "longest_gap_s": max(gaps_s, default=None),
        "chunks": record.num_chunks,
        "samples": record.num_samples,
        "rtf": record.rtf,
        "underruns": len(silences_s),
        "silence_s": sum(silences_s),
    }


def _write_csv(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as target:
        if rows:
            writer = csv.DictWriter(target, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
