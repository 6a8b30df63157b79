"""How many GPUs carry a load: a simulation of the server, fed with measured or modelled costs.

    .venv/bin/python perf/capacity.py [--users 50000] [--minutes 5] [--peak-per-minute 10000] [--note-s 10] ...

Without options it answers the case that this project began with: 50 000 people, one voice note of 10 s each within
five minutes, on five kinds of GPU. GPUs are modelled from their data sheets, at several shares of the rates given
there; ``--costs FILE`` answers for servers like the one that ``perf/capacity_record.py`` measured. ``--out DIR`` writes
capacity.json, capacity.md and capacity.png there.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for perf, which is not installed

from perf.capacity_hardware import GPUS
from perf.capacity_parts import ServerShape
from perf.capacity_plan import Answer, Goals, Question, answer_measured, answer_modelled, sweep
from perf.capacity_recording import Recording
from perf.capacity_report import plot, to_markdown
from perf.capacity_run import Fared
from perf.capacity_workload import Notes, Peak

SWEEP = (0.7, 0.85, 1.0, 1.2, 1.5, 2.0)
"""Numbers of servers of the plot's curves, in parts of the answer."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=float, default=50_000, help="people with one request each (%(default)s)")
    parser.add_argument("--minutes", type=float, default=5, help="time in which they ask (%(default)s)")
    parser.add_argument("--peak-per-minute", type=float, help="requests a minute at the peak; default: no peak")
    parser.add_argument("--note-s", type=float, default=10.0, help="mean length of the speech (%(default)s)")
    parser.add_argument("--note-spread-s", type=float, default=3.0, help="its standard deviation (%(default)s)")
    parser.add_argument("--voice-tokens", type=int, default=260, help="prompt of a voice (%(default)s: 10 s)")
    parser.add_argument("--call-share", type=float, default=0.0, help="share of requests of class call (%(default)s)")
    parser.add_argument("--first-audio-p95-s", type=float, default=Goals.first_audio_p95_s)
    parser.add_argument("--completion-p95-s", type=float, default=Goals.completion_p95_s)
    parser.add_argument("--refused-share", type=float, default=Goals.refused_share)
    parser.add_argument("--gpus", nargs="+", default=list(GPUS), choices=list(GPUS), help="kinds to answer for")
    parser.add_argument("--efficiency", type=float, nargs="+", default=[0.3, 0.5, 0.7], help="shares of their rates")
    parser.add_argument("--costs", type=Path, help="recording of perf/capacity_record.py, to answer for that machine")
    parser.add_argument("--slots", type=int, nargs="+", default=[16, 32, 64], help="S1_MAX_SLOTS to choose from")
    parser.add_argument("--queue", type=int, default=ServerShape.queue, help="S1_MAX_QUEUE (%(default)s)")
    parser.add_argument("--call-slots", type=int, default=ServerShape.call_slots, help="S1_CALL_SLOTS (%(default)s)")
    parser.add_argument("--gather-ms", type=float, default=100.0, help="Triton's queue delay (%(default)s)")
    parser.add_argument("--positions", type=int, default=1024, help="S1_CONTEXT_TOKENS (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for capacity.json, capacity.md and capacity.png")
    return parser.parse_args(arguments)


def question_of(arguments: argparse.Namespace) -> Question:
    """What the command line asks.

    Raises:
        ValueError: the numbers do not fit together.
    """
    peak_per_minute = arguments.peak_per_minute or arguments.users / arguments.minutes
    return Question(
        peak=Peak(arguments.users, arguments.minutes * 60, peak_per_minute / 60),
        notes=Notes(
            arguments.note_s,
            arguments.note_spread_s,
            voice_tokens=arguments.voice_tokens,
            call_share=arguments.call_share,
        ),
        goals=Goals(arguments.first_audio_p95_s, arguments.completion_p95_s, arguments.refused_share),
        slots=tuple(sorted(arguments.slots)),
        positions=arguments.positions,
        shape=ServerShape(queue=arguments.queue, call_slots=arguments.call_slots, gather_s=arguments.gather_ms / 1000),
        seed=arguments.seed,
    )


def answer_all(question: Question, arguments: argparse.Namespace) -> list[Answer]:
    """Answer for every kind, telling each answer as it is found."""
    if arguments.costs:
        answers = [answer_measured(question, Recording.load(arguments.costs).costs)]
        _tell(answers[0])
        return answers
    answers = []
    for name in arguments.gpus:
        for efficiency in arguments.efficiency:
            answers.append(answer_modelled(question, GPUS[name], efficiency))
            _tell(answers[-1])
    return answers


def _tell(answer: Answer) -> None:
    print(f"{answer.kind} at {answer.efficiency:.0%}: {answer.servers} servers of {answer.slots} slots", flush=True)


def sweep_all(question: Question, answers: Sequence[Answer]) -> dict[str, dict[int, Fared]]:
    """How callers fare with fewer and more GPUs than the answer, at the middle efficiency."""
    shares = sorted({answer.efficiency for answer in answers})
    sweeps = {}
    for answer in answers:
        if answer.kind in GPUS and answer.servers and answer.efficiency == shares[len(shares) // 2]:
            counts = sorted({max(1, round(answer.servers * part)) for part in SWEEP})
            fared = sweep(question, GPUS[answer.kind], answer.efficiency, answer.slots, counts)
            sweeps[answer.kind] = dict(zip(counts, fared, strict=True))
    return sweeps


def main() -> int:
    """Parse the command line, answer and write."""
    arguments = parse()
    command = f"perf/capacity.py {shlex.join(sys.argv[1:])}".strip()
    try:
        question = question_of(arguments)
        answers = answer_all(question, arguments)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    page = to_markdown(question, answers, command)
    print(page)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "capacity.md").write_text(page, encoding="utf-8")
        told = {"command": command, "question": asdict(question), "answers": [asdict(answer) for answer in answers]}
        (arguments.out / "capacity.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        plot(question, answers, sweep_all(question, answers), arguments.out / "capacity.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
