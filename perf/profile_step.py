"""Where the time of a decode step goes: slow and fast transformer, sampling, codec, transport, Triton.

    .venv/bin/python perf/profile_step.py --checkpoint DIR [--rows 8] [--device cpu] [--out DIR]

The language model's and the codec's parts are timed in this process, by timers around the real functions
(``profile_parts.py``); transport and Triton are processor times of a running server (``profile_server.py``) under as
many streams. All are per decode step, of so many frames as there are rows. "other" in the step is what the step takes
beyond its parts; "other" in the engines is what their computing threads use beyond steps and codec (on a CPU only).
Parts of different processes overlap in time, so their sum is work, not a waiting time. On CUDA the language model's
parts are timed without graphs, one by one; the step as it is served stands beside them.
"""

import argparse
import json
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for perf, which is not installed

from perf.machine import Machine
from perf.profile_parts import StepParts, Subject, codec_s, step_parts
from perf.profile_server import ServerParts, server_parts
from s1_tts.device import resolve_device

mpl.use("agg")


@dataclass(frozen=True)
class Profile:
    """Where a step's time goes; seconds.

    Args:
        machine: On what.
        command: How to repeat it.
        checkpoint: Name of the checkpoint.
        rows: Streams decoded at once.
        step: Parts of a step of the language model.
        codec_s: Codec, for the frames of a step.
        server: Parts seen in a running server.
    """

    machine: Machine
    command: str
    checkpoint: str
    rows: int
    step: StepParts
    codec_s: float
    server: ServerParts

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of a step by part; they are all of it."""
        step = self.step
        inside_s = step.slow_s + step.fast_s + step.sampling_s
        parts = {
            "slow transformer": step.slow_s,
            "fast transformer": step.fast_s,
            "sampling": step.sampling_s,
            "other in the step": step.step_s - inside_s,
            "codec": self.codec_s,
            "transport": self.server.transport_s,
            "Triton": self.server.triton_s,
        }
        if self.machine.device == "cpu":
            parts["other in the engines"] = self.server.computing_s - step.step_s - self.codec_s
        return parts

    def to_markdown(self) -> str:
        """The page."""
        machine, total_s = self.machine, sum(self.parts.values())
        rows = [
            f"| {name} | {seconds * 1e3:.2f} ms | {seconds / total_s:.1%} |" for name, seconds in self.parts.items()
        ]
        return "\n".join(
            [
                f"# A decode step of {self.rows} rows",
                "",
                f"{machine.date}, {machine.processor}, {machine.cores} cores, device {machine.device}, torch "
                f"{machine.torch}, commit {machine.commit}, load average at the start {machine.load_average}; "
                f"checkpoint {self.checkpoint}. `{self.command}`",
                "",
                "| part | per step | share |",
                "|---|---|---|",
                *rows,
                f"| all | {total_s * 1e3:.2f} ms | 100 % |",
                "",
                f"The step as it is served takes {self.step.served_s * 1e3:.2f} ms in this process, and "
                f"{self.server.step_s * 1e3:.2f} ms of {self.server.rows:.1f} rows in the server, beside the codec. "
                f"{self.server.num_chunks:.2f} chunks were sent a step. Transport and Triton are processor times.",
                "",
                "![A step by part](profile.png)",
                "",
            ]
        )

    def plot(self, file: Path) -> None:
        """Draw the parts as bars."""
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        axes = figure.subplots()
        names, values_ms = list(self.parts), [seconds * 1e3 for seconds in self.parts.values()]
        bars = axes.barh(names, values_ms, color="#4292c6")
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel(f"ms a decode step of {self.rows} rows, checkpoint {self.checkpoint}")
        axes.margins(x=0.1)
        figure.savefig(file, dpi=120)

    def save(self, folder: Path) -> None:
        """Write ``profile.json``, ``profile.md`` and ``profile.png``."""
        folder.mkdir(parents=True, exist_ok=True)
        told = asdict(self) | {"parts": self.parts}
        (folder / "profile.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        (folder / "profile.md").write_text(self.to_markdown(), encoding="utf-8")
        self.plot(folder / "profile.png")


def main() -> None:
    """Parse the command line, measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=8, help="streams decoded at once (%(default)s)")
    parser.add_argument("--position", type=int, default=200, help="position of the timed steps (%(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="steps timed; more in the server (%(default)s)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each model; the busiest thread computes")
    parser.add_argument("--out", type=Path, help="folder for the results; default: perf/results/<date>-<machine>")
    arguments = parser.parse_args()
    machine = Machine.describe(resolve_device(arguments.device))
    subject = Subject(
        arguments.checkpoint,
        arguments.device,
        arguments.dtype,
        arguments.threads,
        arguments.rows,
        arguments.position,
        arguments.steps,
    )
    profile = Profile(
        machine,
        shlex.join(["perf/profile_step.py", *sys.argv[1:]]),
        arguments.checkpoint.name,
        arguments.rows,
        step_parts(subject),
        codec_s(subject),
        server_parts(subject),
    )
    profile.save(arguments.out or Path(__file__).parent / "results" / f"{machine.date}-{machine.name}")
    print(profile.to_markdown())


if __name__ == "__main__":
    main()
