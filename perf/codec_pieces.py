"""Streams that run dry because their chunk waits in the codec for large ones of others, on a simulated server.

    .venv/bin/python perf/codec_pieces.py [--out FILE]

The server of the capacity planner, with costs as measured on a CPU, keeps two, four or eight streams open until 480
notes are spoken. Its machine is just so fast that a step of the language model with all of them takes 0.8 or 0.94 of
the sound that it makes; its codec is as fast as was measured beside it, or takes 0.3 of playback for all streams.
Every case is run with several rules for what the codec decodes in one go, and with chunks of 4 frames always beside
them: a stream that runs dry by a rule and not with these did so needlessly.

Small pieces cost speed, since each call of the decoder takes a time of its own: beside it stands the sound a second
of a server whose language model is so fast that the full-size codec alone decides, with eight streams at a time.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for perf, which is not installed

from perf.capacity_costs import CodecCosts, Costs, Table
from perf.capacity_parts import ServerShape
from perf.capacity_recording import Recording
from perf.capacity_run import hear_closed, run_closed
from perf.capacity_workload import Notes, SimulatedRequest
from perf.chunk_simulation import COSTS, FULL_CODEC_S
from s1_protocol.sound import FRAMES_PER_SECOND
from s1_tts.codec.batch_policy import CPU_BATCH_FRAMES, CPU_PIECE_FRAMES
from s1_tts.lm.chunking import ChunkRules

STREAMS = 480
CONCURRENCY = (2, 4, 8)
LM_SHARES = (0.8, 0.94)
CODEC_SHARE = 0.3
CHUNK_FRAMES = 20
MEAN_POSITION = 420
FAST = 20.0
"""Speed of a language model that leaves all waiting to the codec, over the measured one."""


@dataclass(frozen=True)
class Rule:
    """What the codec decodes in one go.

    Args:
        piece_frames: Frames of one chunk; 0: all of them.
        batch_frames: Frames of all.
    """

    piece_frames: int
    batch_frames: int

    def __str__(self) -> str:
        """The rule in words."""
        piece = f"{self.piece_frames} frames of a chunk" if self.piece_frames else "whole chunks"
        return f"{piece}, {self.batch_frames} in all"


DEFAULT = Rule(CPU_PIECE_FRAMES, CPU_BATCH_FRAMES)
BEFORE = Rule(0, 40)
RULES = (BEFORE, Rule(0, 16), Rule(16, 40), Rule(16, 16), Rule(8, 40), Rule(8, 16), Rule(8, 8), Rule(4, 16), Rule(4, 8))


@dataclass(frozen=True)
class Case:
    """A server and how many streams it has at a time.

    Args:
        concurrency: Streams at a time.
        lm_share: Time of a step over the sound that it makes.
        codec_share: Time of the codec over the sound of all streams, in chunks of 20 frames; none: as measured.
        costs: What its work takes.
    """

    concurrency: int
    lm_share: float
    codec_share: float | None
    costs: Costs

    def dry(self, requests: Sequence[SimulatedRequest], rule: Rule, chunks: ChunkRules) -> tuple[list[bool], float]:
        """Which streams run dry, and the silence of all, in seconds."""
        costs = replace(self.costs, codec_piece_frames=rule.piece_frames, codec_batch_frames=rule.batch_frames)
        heard = hear_closed(costs, ServerShape(rules=chunks), requests, self.concurrency)
        return [one.silence_s > 1e-9 for one in heard], sum(one.silence_s for one in heard)


@dataclass(frozen=True)
class Outcome:
    """How a rule did in a case, of 480 streams.

    Args:
        rule: What the codec decodes in one go.
        concurrency: Streams at a time.
        lm_share: See :class:`Case`.
        codec_share: See :class:`Case`.
        dry: Streams that ran dry.
        needlessly_dry: Those of them that do not with chunks of 4 frames always.
        silence_s: Silence of all streams.
    """

    rule: Rule
    concurrency: int
    lm_share: float
    codec_share: float | None
    dry: int
    needlessly_dry: int
    silence_s: float


def cases(costs: Costs) -> list[Case]:
    """All servers, from costs that were measured."""
    made = []
    for concurrency in CONCURRENCY:
        step_s = costs.step.seconds(concurrency, MEAN_POSITION, MEAN_POSITION) + costs.round_s
        for lm_share in LM_SHARES:
            slower = costs.at_speed(step_s * FRAMES_PER_SECOND / lm_share)
            made.append(Case(concurrency, lm_share, None, slower))
            times = CODEC_SHARE / concurrency / (FULL_CODEC_S(CHUNK_FRAMES) * FRAMES_PER_SECOND / CHUNK_FRAMES)
            table = Table(FULL_CODEC_S.at, tuple(times * value for value in FULL_CODEC_S.values))
            made.append(Case(concurrency, lm_share, CODEC_SHARE, replace(slower, codec=CodecCosts(table, 0.0))))
    return made


def codec_audio_s_per_s(costs: Costs, requests: Sequence[SimulatedRequest], rule: Rule) -> float:
    """Sound a second of a server whose full-size codec alone decides, eight streams at a time."""
    fast = replace(
        costs.at_speed(FAST),
        codec=CodecCosts(FULL_CODEC_S, 0.0),
        codec_piece_frames=rule.piece_frames,
        codec_batch_frames=rule.batch_frames,
    )
    return run_closed(fast, ServerShape(gather_s=0.0), requests, 8).audio_s_per_s


def main() -> None:
    """Parse the command line, simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="file for the outcomes as JSON")
    arguments = parser.parse_args()
    recording = Recording.load(COSTS)
    source = random.Random(0)
    requests = [Notes().draw(source) for _ in range(STREAMS)]
    smallest = ChunkRules(largest_frames=ChunkRules().first_frames)
    servers = cases(recording.costs)
    fed = [case.dry(requests, BEFORE, smallest)[0] for case in servers]
    outcomes: list[Outcome] = []
    speeds: dict[str, float] = {}
    for rule in dict.fromkeys((*RULES, DEFAULT)):
        for case, can_be_fed in zip(servers, fed, strict=True):
            dry, silence_s = case.dry(requests, rule, ChunkRules())
            needlessly = sum(is_dry and not small for is_dry, small in zip(dry, can_be_fed, strict=True))
            told = case.concurrency, case.lm_share, case.codec_share
            outcomes.append(Outcome(rule, *told, sum(dry), needlessly, silence_s))
        mine = outcomes[-len(servers) :]
        speeds[str(rule)] = codec_audio_s_per_s(recording.costs, requests, rule)
        print(
            f"{rule!s:<40} needlessly dry {sum(one.needlessly_dry for one in mine):4}"
            f" {[one.needlessly_dry for one in mine]}, silence {sum(one.silence_s for one in mine):6.2f} s;"
            f" codec alone {speeds[str(rule)]:.2f} s of sound a second",
            flush=True,
        )
    if arguments.out:
        figures = {
            "command": "perf/codec_pieces.py",
            "costs": COSTS.name,
            "streams": STREAMS,
            "codec_alone_audio_s_per_s": speeds,
            "outcomes": [asdict(one) for one in outcomes],
        }
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
