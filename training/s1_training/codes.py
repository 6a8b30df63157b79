"""Codes of speech without training a network: residual k-means on log-mel features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from s1_training.corpus import Corpus, Shard
from s1_training.progress import StageProgress

MAX_LEARNED_FRAMES: Final = 200_000
ROUNDS: Final = 30
_ROWS: Final = 16_384


@dataclass(frozen=True, eq=False)
class CodedCorpus:
    """What the language model learns: phonemes and codes.

    Args:
        phonemes: Of each text.
        starts: First frame of each text, and one past the last ``[texts + 1]``.
        codes: Of all texts, one after another ``[num_codebooks, frames]``, int16.
    """

    phonemes: list[str]
    starts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int16]

    @classmethod
    def of_shards(cls, shards: Sequence[Shard], codes: Sequence[Tensor]) -> Self:
        """Join shards.

        Args:
            shards: Their texts and lengths.
            codes: Their codes ``[num_codebooks, frames]``.
        """
        phonemes = [text for shard in shards for text in shard.phonemes]
        starts = np.concatenate([[0], np.cumsum(np.concatenate([shard.num_frames for shard in shards]))])
        return cls(phonemes, starts, torch.cat(list(codes), dim=1).numpy().astype(np.int16))

    def codes_of(self, index: int) -> npt.NDArray[np.int16]:
        """Codes of one text ``[num_codebooks, frames]``."""
        return self.codes[:, self.starts[index] : self.starts[index + 1]]

    def save(self, path: Path) -> None:
        """Write it to a file."""
        np.savez(path, phonemes=np.array(self.phonemes), starts=self.starts, codes=self.codes)

    @classmethod
    def load(cls, path: Path) -> "CodedCorpus":
        """Read it from a file."""
        with np.load(path) as arrays:
            return cls([str(text) for text in arrays["phonemes"]], arrays["starts"], arrays["codes"])


def code_corpus(corpus: Corpus, codebooks: Tensor, progress: StageProgress) -> CodedCorpus:
    """Code all texts of a corpus.

    Args:
        corpus: The corpus.
        codebooks: From :func:`learn_codebooks`.
        progress: Shows how far it is.
    """
    progress.start("codes", corpus.num_shards)
    shards, codes = [], []
    for shard in corpus.shards():
        found, rest = assign(torch.from_numpy(shard.features).float(), codebooks)
        shards.append(shard.without_sound())
        codes.append(found)
        progress.advance({"rms": float(rest.square().mean().sqrt())})
    progress.finish()
    return CodedCorpus.of_shards(shards, codes)


def learn_codebooks(corpus: Corpus, num_codebooks: int, num_entries: int, seed: int) -> Tensor:
    """Learn codebooks, each on what those before it leave over.

    Args:
        corpus: Speech to learn from; frames are drawn evenly from its sounding shards.
        num_codebooks: How many.
        num_entries: Entries of each.
        seed: Seed of the first entries.

    Returns:
        ``[num_codebooks, num_entries, features]``.
    """
    generator = torch.Generator().manual_seed(seed)
    points = torch.from_numpy(np.concatenate([shard.features for shard in corpus.sounding_shards()])).float()
    points = points[torch.randperm(len(points), generator=generator)[:MAX_LEARNED_FRAMES]]
    codebooks = []
    for _ in range(num_codebooks):
        entries = _cluster(points, num_entries, generator)
        codebooks.append(entries)
        points = points - entries[_nearest(points, entries)]
    return torch.stack(codebooks)


def assign(points: Tensor, codebooks: Tensor) -> tuple[Tensor, Tensor]:
    """Code features.

    Args:
        points: ``[frames, features]``.
        codebooks: ``[num_codebooks, num_entries, features]``.

    Returns:
        Codes ``[num_codebooks, frames]`` int64, and what they leave over ``[frames, features]``.
    """
    codes = []
    for entries in codebooks:
        nearest = _nearest(points, entries)
        points = points - entries[nearest]
        codes.append(nearest)
    return torch.stack(codes), points


def _cluster(points: Tensor, num_entries: int, generator: torch.Generator) -> Tensor:
    """Lloyd's k-means; an entry that nothing is near begins anew at a point drawn at random."""
    entries = points[torch.randint(len(points), (num_entries,), generator=generator)].clone()
    for _ in range(ROUNDS):
        nearest = _nearest(points, entries)
        counts = torch.bincount(nearest, minlength=num_entries)
        sums = torch.zeros_like(entries).index_add_(0, nearest, points)
        drawn = points[torch.randint(len(points), (num_entries,), generator=generator)]
        entries = torch.where((counts > 0)[:, None], sums / counts.clamp(min=1)[:, None], drawn)
    return entries


def _nearest(points: Tensor, entries: Tensor) -> Tensor:
    norms = entries.square().sum(1)
    return torch.cat([(norms - 2 * rows @ entries.T).argmin(1) for rows in torch.split(points, _ROWS)])
