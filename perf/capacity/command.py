"""How many GPUs carry a load: a simulation of the server, fed with measured or modelled costs.

    python -m perf capacity [--users 50000] [--minutes 5] [--peak-per-minute 10000] [--note-s 10] ...

Without options it answers the case that this project began with: 50 000 people, one voice note of 10 s each within
five minutes, on five kinds of GPU. GPUs are modelled from their data sheets, at several shares of the rates given
there; ``--costs FILE`` answers for servers like the one that ``python -m perf capacity-record`` measured.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from perf.capacity.hardware import GPUS
from perf.capacity.parts import ServerShape
from perf.capacity.plan import Answer, Goals, Question, answer_measured, answer_modelled
from perf.capacity.recording import Recording
from perf.capacity.workload import Notes, Peak
from perf.conditions import Conditions
from perf.errors import MeasurementError
from perf.records import Recorder


@dataclass(frozen=True)
class CapacityFigures:
    """What was asked and answered.

    Args:
        question: What was asked.
        answers: Answers, those of a kind one after the other.
    """

    question: Question
    answers: list[Answer]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
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
    parser.add_argument("--costs", type=Path, help="capacity-record.jsonl of a machine, to answer for it")
    parser.add_argument("--slots", type=int, nargs="+", default=[16, 32, 64], help="S1_MAX_SLOTS to choose from")
    parser.add_argument("--queue", type=int, default=ServerShape.queue, help="S1_MAX_QUEUE (%(default)s)")
    parser.add_argument("--call-slots", type=int, default=ServerShape.call_slots, help="S1_CALL_SLOTS (%(default)s)")
    parser.add_argument("--gather-ms", type=float, default=100.0, help="Triton's queue delay (%(default)s)")
    parser.add_argument("--positions", type=int, default=1024, help="S1_CONTEXT_TOKENS (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the record; else it is only printed")


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


def run(arguments: argparse.Namespace) -> None:
    """Answer, print, and record if ``--out`` is given.

    Raises:
        MeasurementError: the numbers do not fit together.
    """
    try:
        question = question_of(arguments)
        answers = answer_all(question, arguments)
    except ValueError as error:
        raise MeasurementError(str(error)) from error
    if arguments.out:
        made = Recorder.to(arguments.out, "capacity", Conditions.describe(torch.device("cpu")))
        subject = "measured" if arguments.costs else "modelled"
        made.record(subject, CapacityFigures(question, answers))
        print(f"recorded in {made.file}")


def answer_all(question: Question, arguments: argparse.Namespace) -> list[Answer]:
    """Answer for every kind, printing each answer as it is found."""
    if arguments.costs:
        answers = [answer_measured(question, Recording.load(arguments.costs).costs)]
        _print(answers[0])
        return answers
    answers = []
    for name in arguments.gpus:
        for efficiency in arguments.efficiency:
            answers.append(answer_modelled(question, GPUS[name], efficiency))
            _print(answers[-1])
    return answers


def _print(answer: Answer) -> None:
    fared = answer.fared
    count = f"{answer.servers} servers" if answer.servers else "no number of servers meets the goals; most tried"
    print(
        f"{answer.kind} at {answer.efficiency:.0%}: {count}, {answer.slots} slots each; first audio p95"
        f" {fared.first_audio_p95_s:.2f} s, completion p95 {fared.completion_p95_s:.2f} s, refused"
        f" {fared.refused_share:.2%}",
        flush=True,
    )
