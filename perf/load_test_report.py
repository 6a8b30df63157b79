"""What a load test found, as JSON and as a Markdown page."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from perf.load_test_memory import Trend
from perf.load_test_phases import Phase
from perf.machine import Machine


@dataclass(frozen=True)
class Report:
    """Everything of one load test.

    Args:
        machine: Where it ran.
        command: How to repeat it.
        checkpoint: Name of the checkpoint.
        phases: What was done.
        memory: Trend of each process's memory over the soak, without its warm-up.
        slope_limit_mb_per_min: Growth that counts as flat.
        memory_faults: Processes whose memory was not flat.
        shutdown_faults: What was wrong with the server's end.
    """

    machine: Machine
    command: str
    checkpoint: str
    phases: Sequence[Phase]
    memory: Sequence[Trend]
    slope_limit_mb_per_min: float
    memory_faults: Sequence[str]
    shutdown_faults: Sequence[str]

    @property
    def faults(self) -> list[str]:
        """Everything that was wrong."""
        of_phases = [f"{phase.name}: {fault}" for phase in self.phases for fault in phase.faults]
        return [*of_phases, *self.memory_faults, *(f"stopping: {fault}" for fault in self.shutdown_faults)]

    def to_markdown(self) -> str:
        """The page."""
        machine = self.machine
        lines = [
            "# Load test",
            "",
            f"{machine.date}, {machine.processor}, {machine.cores} cores, device {machine.device}, torch "
            f"{machine.torch}, commit {machine.commit}, load average at the start {machine.load_average}; checkpoint "
            f"{self.checkpoint}. `{self.command}`",
            "",
            f"**{'Passed' if not self.faults else f'Failed: {len(self.faults)} faults'}.** Every completed stream had "
            "the samples that its request gets alone (length and CRC-32), every refusal was UNAVAILABLE before any "
            "sound, and after each phase nothing was held, unless it stands below.",
            "",
            *_phase_table(self.phases),
            "",
            *self._memory_lines(),
        ]
        if self.faults:
            lines += ["", "## Faults", "", *(f"- {fault}" for fault in self.faults)]
        return "\n".join(lines) + "\n"

    def save(self, folder: Path) -> None:
        """Write ``load.json`` and ``load.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "load.json").write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        (folder / "load.md").write_text(self.to_markdown(), encoding="utf-8")

    def _memory_lines(self) -> list[str]:
        if not self.memory:
            return ["Memory was not judged: there was no soak, or too short a one."]
        lines = [
            f"Memory over the last {self.memory[0].minutes:.1f} minutes of the soak; flat means at most "
            f"{self.slope_limit_mb_per_min:g} MB/min more.",
            "",
            "| process | start | end | slope, linear regression |",
            "|---|---|---|---|",
        ]
        return lines + [
            f"| {trend.name} | {trend.start_mb:.1f} MB | {trend.end_mb:.1f} MB | "
            f"{trend.slope_mb_per_min:+.2f} ± {trend.error_mb_per_min:.2f} MB/min |"
            for trend in self.memory
        ]


def _phase_table(phases: Sequence[Phase]) -> list[str]:
    lines = [
        "| phase | requests | complete and correct | refused | left | bad, told so | s | audio s/s | first audio p50 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for phase in phases:
        first = "" if phase.first_audio_p50_ms is None else f"{phase.first_audio_p50_ms:.0f} ms"
        lines.append(
            f"| {phase.name} | {phase.requests} | {phase.completed} | {phase.refused} | {phase.left} | "
            f"{phase.rejected} | {phase.seconds:.0f} | {phase.audio_s_per_s:.1f} | {first} |"
        )
    return lines
