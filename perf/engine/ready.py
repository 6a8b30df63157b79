"""Both models, ready to be timed: each slot decodes at any position, each stream of the codec is new."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from s1_tts.codec.pcm import to_pcm16
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.lm.loading import LanguageModel
from s1_tts.lm.prompt import PromptBuilder
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling

Call = Callable[[], object]

EARLY = 40
"""Position of a codec's chunk, in frames; what the state holds does not change its cost."""


class ReadyLm:
    """A runner whose slots have all been started.

    Args:
        loaded: The language model.
        num_slots: Its slots.
        use_cuda_graphs: On a CUDA device, whether a step is one graph.
    """

    def __init__(self, loaded: LanguageModel, num_slots: int, *, use_cuda_graphs: bool = True) -> None:
        self.runner = ModelRunner(loaded.model, num_slots, loaded.num_positions, use_cuda_graphs=use_cuda_graphs)
        self.runner.warm_up()
        self.columns = PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks).first_part("Hello there.")
        for slot in range(num_slots):
            self.runner.open(slot, Sampling(seed=slot))
            self.runner.start(slot, self.columns[:, -1])

    def step(self, num_rows: int, position: int) -> Call:
        """A decode step; the keys before ``position`` become noise: memory never written would cost nothing."""
        rows = [Row(slot, position) for slot in range(num_rows)]
        for kept in (self.runner.pool.keys, self.runner.pool.values):
            for layer in kept[:, :num_rows, :position]:
                layer.normal_()
        return lambda: self.runner.decode(rows)

    def prefill(self, num_tokens: int) -> Call:
        """A piece of a prompt."""
        columns = np.repeat(self.columns[:, :1], num_tokens, axis=1)
        return lambda: self.runner.prefill(0, columns, start=0)


def chunks(decoder: StreamingDecoder, frames: Sequence[int], position: int = EARLY) -> Call:
    """A call of the codec as its batcher makes it: one chunk of each stream, then its PCM, which waits for the device.

    Args:
        decoder: The codec.
        frames: Frames of each stream's chunk.
        position: Position of the chunks, in frames.
    """
    states = [decoder.new_state() for _ in frames]
    codes = [torch.zeros(decoder.config.num_codebooks, count, dtype=torch.int64) for count in frames]

    def decode() -> None:
        for state in states:
            state.position = position
        for row in decoder.decode(states, codes):
            to_pcm16(row)

    return decode
