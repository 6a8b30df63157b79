"""Texts and their codes laid out as the server's prompts are, packed into rows of a few fixed lengths.

Shapes that come again and again are what makes a step quick: kernels are built and compiled once for each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor

from s1_training.codes import CodedCorpus
from s1_tts.lm.prompt import Columns, PromptBuilder
from s1_tts.lm.tokenizer import Tokenizer

BATCH_COLUMNS: Final = 2048
"""Columns of a batch, filling included."""
ROW_COLUMNS: Final = (512, 1024)
"""Lengths of rows: a chain goes into the shorter ones if it fits. Longer chains are not learned from."""
LEAST_ROOM: Final = 40
"""Columns below which a row counts as full."""
CHAIN_SHARE: Final = 0.25
"""Share of texts that follow another one in its context, as the second part of a long text does."""
NOISE_SHARE: Final = 0.08
"""Share of frames that are read as random codes. A model that is never sure of what it just said keeps to its text."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of chains, one chain after another.

    Args:
        read: What the model reads ``[rows, 1 + num_codebooks, S]``, int64.
        wanted: What follows each column of its chain; -1 where nothing does.
        positions: Place of each column in its chain ``[rows, S]``, int64.
        chains: Which chain of its row a column belongs to ``[rows, S]``, int64; -1 is filling.
    """

    read: Tensor
    wanted: Tensor
    positions: Tensor
    chains: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(part.to(device) for part in (self.read, self.wanted, self.positions, self.chains)))

    def visible(self) -> Tensor:
        """Which column (last dimension) each column sees: itself and those before it in its chain ``[rows, S, S]``."""
        before = torch.ones(self.chains.shape[1], self.chains.shape[1], dtype=torch.bool, device=self.chains.device)
        return (self.chains[:, :, None] == self.chains[:, None, :]) & before.tril()


class Sequences:
    """Chains of texts in batches, in another order in each epoch.

    Args:
        tokenizer: Tokenizer of the checkpoint.
        coded: Texts and codes.
        num_codebooks: Codebooks of the model.
        seed: Seed of the order and of the noise.
        noise_share: Share of frames that are read as random codes.
    """

    def __init__(
        self, tokenizer: Tokenizer, coded: CodedCorpus, num_codebooks: int, seed: int, noise_share: float
    ) -> None:
        self._tokenizer = tokenizer
        self._builder = PromptBuilder(tokenizer, num_codebooks)
        self._coded = coded
        self._seed = seed
        self._noise_share = noise_share
        frames = np.diff(coded.starts)
        firsts = [self._builder.first_part(text).shape[1] for text in coded.phonemes]
        nexts = [self._builder.next_part(text).shape[1] for text in coded.phonemes]
        self._first_lengths, self._next_lengths = firsts + frames, nexts + frames
        self._order: list[list[list[list[int]]]] = []
        self._epoch = -1
        self._starts = [0]

    def epoch(self, number: int) -> Iterator[Batch]:
        """All batches of an epoch, without noise."""
        for rows in self._batches(np.random.default_rng([self._seed, number])):
            yield self.batch_of(rows)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        while step >= self._starts[-1]:
            self._epoch += 1
            self._order = self._batches(np.random.default_rng([self._seed, self._epoch]))
            self._starts.append(self._starts[-1] + len(self._order))
        if step < self._starts[self._epoch]:
            raise ValueError(f"step {step} comes before those of epoch {self._epoch}; steps only go on")
        batch = self.batch_of(self._order[step - self._starts[self._epoch]])
        self._add_noise(batch, torch.Generator().manual_seed(self._seed * 1_000_003 + step))
        return batch

    def batch_of(self, rows: Sequence[Sequence[Sequence[int]]]) -> Batch:
        """Lay out rows of chains of texts, given by their indices.

        Args:
            rows: At least one; with fewer than a batch has, the others are filling.

        Raises:
            ValueError: a row does not fit the longest length there is.
        """
        laid = [[self._chain(chain) for chain in row] for row in rows]
        longest = max(sum(chain.shape[1] - 1 for chain in row) for row in laid)
        fitting = [length for length in ROW_COLUMNS if length >= longest]
        if not fitting:
            raise ValueError(f"a row has {longest} columns; at most {ROW_COLUMNS[-1]} are possible")
        length = fitting[0]
        shape = (max(len(rows), BATCH_COLUMNS // length), laid[0][0].shape[0], length)
        read, wanted = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
        positions, chains = np.zeros((shape[0], length), np.int64), np.full((shape[0], length), -1, np.int64)
        for row, columns in enumerate(laid):
            at = 0
            for index, chain in enumerate(columns):
                here = slice(at, at + chain.shape[1] - 1)
                read[row, :, here], wanted[row, :, here] = chain[:, :-1], chain[:, 1:]
                positions[row, here], chains[row, here] = np.arange(chain.shape[1] - 1), index
                at = here.stop
        return Batch(*map(torch.from_numpy, (read, wanted, positions, chains)))

    def _add_noise(self, batch: Batch, generator: torch.Generator) -> None:
        """Let some frames be read as others; what is wanted stays."""
        begin, end = self._tokenizer.semantic_begin_id, self._tokenizer.semantic_end_id
        tokens = batch.read[:, 0]
        is_noise = (tokens >= begin) & (tokens <= end)
        is_noise &= torch.rand(tokens.shape, generator=generator) < self._noise_share
        for row, codes in enumerate(torch.unbind(batch.read, 1)):
            drawn = torch.randint(self._tokenizer.num_semantic, codes.shape, generator=generator)
            codes[is_noise] = drawn[is_noise] + (begin if row == 0 else 0)
        batch.read[:, 1][is_noise] = tokens[is_noise] - begin  # the first codebook is the semantic one

    def _chain(self, chain: Sequence[int]) -> Columns:
        pieces = []
        for place, index in enumerate(chain):
            text, codes = self._coded.phonemes[index], self._coded.codes_of(index).astype(np.int64)
            pieces.append(self._builder.next_part(text) if place else self._builder.first_part(text))
            pieces.append(np.concatenate([codes[:1] + self._tokenizer.semantic_begin_id, codes]))
        end = np.zeros((pieces[0].shape[0], 1), dtype=np.int64)
        end[0] = self._tokenizer.im_end_id
        return np.concatenate([*pieces, end], axis=1)

    def _batches(self, random: np.random.Generator) -> list[list[list[list[int]]]]:
        """Batches of rows of chains of texts: chains that need long rows first, the others beside and after them."""
        chains = list(self._chains(random))
        rows = _Rows(self._length)
        for length, shorter in pairwise(sorted((0, *ROW_COLUMNS), reverse=True)):
            for chain in (chain for chain in chains if shorter < self._length(chain) <= length):
                rows.put(chain, length)
        batches = []
        for length in ROW_COLUMNS:
            same, num_rows = rows.of_length(length), BATCH_COLUMNS // length
            batches += [same[at : at + num_rows] for at in range(0, len(same), num_rows)]
        return [batches[index] for index in random.permutation(len(batches))]

    def _chains(self, random: np.random.Generator) -> Iterator[list[int]]:
        chain: list[int] = []
        for index in random.permutation(len(self._first_lengths)).tolist():
            if chain and (random.random() > CHAIN_SHARE or self._length([*chain, index]) > ROW_COLUMNS[-1]):
                yield chain
                chain = []
            if self._length([index]) <= ROW_COLUMNS[-1]:
                chain.append(index)
        if chain:
            yield chain

    def _length(self, chain: Sequence[int]) -> int:
        """Columns that are read of a chain: all but its end."""
        return int(self._first_lengths[chain[0]] + sum(self._next_lengths[index] for index in chain[1:]))


class _Rows:
    """Rows being filled with chains, each put into the first row that has room.

    Args:
        length_of: Length of a chain.
    """

    def __init__(self, length_of: Callable[[Sequence[int]], int]) -> None:
        self._length_of = length_of
        self._rows: list[tuple[int, list[list[int]]]] = []  # length and chains
        self._open: list[tuple[int, list[list[int]]]] = []  # room and chains, of those that may have room

    def put(self, chain: list[int], length: int) -> None:
        """Put a chain into a row with room, or begin a row."""
        needed = self._length_of(chain)
        place = next((place for place, (room, _) in enumerate(self._open) if room >= needed), None)
        if place is None:
            place = len(self._open)
            self._open.append((length, []))
            self._rows.append((length, self._open[place][1]))
        room, chains = self._open[place]
        chains.append(chain)
        self._open[place] = (room - needed, chains)
        if room - needed < LEAST_ROOM:
            del self._open[place]

    def of_length(self, length: int) -> list[list[list[int]]]:
        """Chains of all rows of a length."""
        return [chains for row_length, chains in self._rows if row_length == length]
