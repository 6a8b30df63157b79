"""What rounded weights do to the language model: its distributions beside float32's, step by step.

    python -m perf rounding --checkpoint DIR

All models see the same prompts and the same frames, which are drawn from float32's distributions. Divergence is
Kullback and Leibler's of a rounded model from float32, in nats; agreement is the share of distributions with the same
most probable code.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from perf.measurement import add_subject, recorder
from torch import Tensor

from s1_tts.lm.kv_cache import KvPool, Span, SpanAttention
from s1_tts.lm.loading import LanguageModel, load_language_model
from s1_tts.lm.prompt import PromptBuilder

TEXTS = (
    "The train to the coast leaves from the second platform.",
    "Please call me back before noon.",
    "It will rain in the north, and later everywhere.",
    "Take the second street on the left.",
)
NUM_POSITIONS = 512
TEMPERATURE = 0.8


@dataclass
class Beside:
    """A rounded model beside float32; ``semantic`` is the slow head, ``residual`` the fast ones together."""

    weights: str
    semantic_divergence: float
    semantic_agreement: float
    residual_divergence: float
    residual_agreement: float


@dataclass
class RoundingFigures:
    """Of all frames.

    Args:
        frames: Frames compared.
        models: The rounded models.
    """

    frames: int = 0
    models: list[Beside] = field(default_factory=list)


class _Speaker:
    """One model that is led along frames drawn elsewhere."""

    def __init__(self, loaded: LanguageModel) -> None:
        self.model = loaded.model
        self._pool = KvPool(self.model.config.slow, 1, NUM_POSITIONS, self.model.dtype, self.model.device)
        self._builder = PromptBuilder(loaded.tokenizer, self.model.config.num_codebooks)

    def prompt(self, text: str) -> Tensor:
        """Columns of a text ``[1, 1 + num_codebooks, S]``."""
        return torch.from_numpy(np.ascontiguousarray(self._builder.first_part(text)))[None].long()

    def hidden(self, columns: Tensor, start: int) -> Tensor:
        """Hidden state of the last of new columns ``[1, dim]``."""
        end = start + columns.shape[2]
        attend = SpanAttention(self._pool, [Span(0, start, end)])
        return self.model.forward_slow(columns, torch.arange(start, end)[None], attend)[:, -1]


def measure(checkpoint: Path, frames_a_text: int) -> RoundingFigures:
    """Lead float32, bfloat16 and int8 along the same frames."""
    cpu = torch.device("cpu")

    def load(dtype: torch.dtype, *, as_bytes: bool = False) -> _Speaker:
        return _Speaker(load_language_model(checkpoint, cpu, dtype, NUM_POSITIONS, as_bytes=as_bytes))

    exact = load(torch.float32)
    rounded = {
        "bfloat16": load(torch.bfloat16),
        "int8, bfloat16": load(torch.bfloat16, as_bytes=True),
        "int8, float32": load(torch.float32, as_bytes=True),
    }
    everyone = [exact, *rounded.values()]
    draw = torch.Generator().manual_seed(0)
    semantic: list[Tensor] = []  # of each frame, [models, 2]: divergence and agreement
    residual: list[Tensor] = []
    with torch.inference_mode():
        for text in TEXTS:
            columns, start = exact.prompt(text), 0
            for _ in range(frames_a_text):
                hidden = [each.hidden(columns, start) for each in everyone]
                start += columns.shape[2]
                frame = _frame(everyone, hidden, draw, semantic, residual)
                column = torch.tensor([frame[0] + exact.model.semantic_begin_id, *frame])
                columns = column[None, :, None]
    found = RoundingFigures(len(semantic))
    pairs = torch.stack([torch.stack(semantic).mean(0), torch.stack(residual).mean(0)])  # [heads, models, 2]
    for index, name in enumerate(rounded):
        of_semantic, of_residual = pairs[:, index].tolist()
        found.models.append(Beside(name, *of_semantic, *of_residual))
    return found


def _frame(
    everyone: list[_Speaker],
    hidden: list[Tensor],
    draw: torch.Generator,
    semantic: list[Tensor],
    residual: list[Tensor],
) -> list[int]:
    """Draw a frame from the first model; the others' distributions are compared on the way."""

    def choose(kept: list[Tensor], logits: list[Tensor], *, leave_out_last: bool = False) -> int:
        kept.append(torch.stack([_compared(logits[0], each) for each in logits[1:]]))
        likely = logits[0][0, :-1] if leave_out_last else logits[0][0]
        return int(torch.multinomial((likely / TEMPERATURE).softmax(0), 1, generator=draw))

    def of_all(make: Callable[[int, _Speaker], Tensor]) -> list[Tensor]:
        return [make(index, each) for index, each in enumerate(everyone)]

    logits = of_all(lambda index, each: each.model.semantic_logits(hidden[index]))
    codes = [choose(semantic, logits, leave_out_last=True)]  # a text that ended would be led no further
    begun = [each.model.start_frame(of_it, torch.tensor(codes)) for each, of_it in zip(everyone, hidden, strict=True)]
    logits = [each for _, each in begun]
    for codebook in range(1, everyone[0].model.config.num_codebooks):
        if codebook > 1:
            last = torch.tensor(codes[-1:])
            logits = of_all(lambda index, each: each.model.residual_logits(last, begun[index][0]))  # noqa: B023
        codes.append(choose(residual, logits))
    return codes


def _compared(exact: Tensor, rounded: Tensor) -> Tensor:
    """Divergence of logits ``[1, N]`` in nats, and 1 where the most probable is the same."""
    wanted, got = exact[0].log_softmax(0), rounded[0].log_softmax(0)
    divergence = (wanted.exp() * (wanted - got)).sum()
    return torch.stack([divergence, (wanted.argmax() == got.argmax()).float()])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, threads=0)
    parser.add_argument("--frames", type=int, default=50, help="of each text (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    made = recorder("rounding", arguments)
    made.print_and_record(arguments.checkpoint.name, measure(arguments.checkpoint, arguments.frames))
