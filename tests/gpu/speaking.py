"""Prompts and frames of some rows, by runners of torch's layers and of kernels."""

import numpy as np

from s1_tts.lm.loading import LanguageModel
from s1_tts.lm.prompt import PromptBuilder
from s1_tts.lm.stepping import PromptPiece, Row, Runner
from s1_tts.speech_task import Sampling

TEXTS = ("Hello there.", "Another text, and a longer one at that.", "A third.", "The fourth one of them.")
NUM_FRAMES = 30


def open_rows(runner: Runner, loaded: LanguageModel, slots: list[int]) -> list[Row]:
    """Compute the prompts of some slots, every second one greedy; gives the rows of their first step."""
    builder = PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks)
    rows = []
    for slot in slots:
        columns = builder.first_part(TEXTS[slot % len(TEXTS)])
        runner.open(slot, Sampling(seed=slot, temperature=0.0 if slot % 2 else 0.9))
        runner.prefill_pieces([PromptPiece(slot, columns[:, :-1], 0)])
        runner.start(slot, columns[:, -1])
        rows.append(Row(slot, columns.shape[1] - 1, 0))
    return rows


def at_step(begin: list[Row], step: int) -> list[Row]:
    """The rows so many steps after their first."""
    return [Row(row.slot, row.position + step, step) for row in begin]


def decode(runner: Runner, begin: list[Row]) -> np.ndarray:
    """Frames ``[NUM_FRAMES, rows, num_codebooks]``, each step launched as far ahead as the runner allows."""
    frames, launched = [], 0
    for number in range(NUM_FRAMES):
        while launched < min(NUM_FRAMES, number + 1 + runner.steps_ahead):
            runner.launch(at_step(begin, launched))
            launched += 1
        frames.append([frame.codes for frame in runner.collect()])
    return np.array(frames)
