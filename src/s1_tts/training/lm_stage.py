"""The language model's stage: the serving modules over whole sequences, all codebooks of a frame at once."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s1_tts.lm.model import DualArModel
from s1_tts.lm.prompt import Columns, PromptBuilder
from s1_tts.lm.tokenizer import Tokenizer
from s1_tts.training.codes import CodedCorpus

BATCH_COLUMNS: Final = 2048
"""Columns of a batch, filling included."""
MAX_COLUMNS: Final = 1024
CHAIN_SHARE: Final = 0.25
"""Share of texts that follow another one in its context, as the second part of a long text does."""
_ROUND_TO: Final = 32
_IGNORED: Final = -100


class CausalAttention:
    """Attends over whole sequences: a column sees itself and those before it (an :class:`s1_tts.lm.layers.Attend`)."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend in one layer; filling at a sequence's end is seen by nothing that counts."""
        query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        return attended.transpose(1, 2).flatten(2)


class LmStage:
    """Texts with codes, predicted column by column.

    Args:
        model: Its heads cut and its tables made; trained in place.
        tokenizer: Tokenizer of the checkpoint.
        coded: What to learn.
        seed: Seed of the order.
    """

    name = "lm"

    def __init__(self, model: DualArModel, tokenizer: Tokenizer, coded: CodedCorpus, seed: int) -> None:
        self._model = model.requires_grad_()
        self.parameters = dict(model.named_parameters())
        self._sequences = Sequences(tokenizer, coded, model.config.num_codebooks, seed)
        self._attend = CausalAttention()

    @property
    def num_batches(self) -> int:
        """Steps in which every text comes once."""
        return self._sequences.num_batches

    def losses(self, step: int) -> dict[str, Tensor]:
        """Losses of a step by name."""
        return self.losses_of(self._sequences.batch(step))

    @torch.no_grad()
    def mean_losses(self) -> dict[str, float]:
        """Mean losses over all texts, with the weights as they are."""
        batches = [self.losses(step) for step in range(self.num_batches)]
        return {name: float(torch.stack([losses[name] for losses in batches]).mean()) for name in batches[0]}

    def losses_of(self, columns: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the semantic codes and ends, and of the residual codes, in nats.

        Args:
            columns: ``[B, 1 + num_codebooks, S]``, filled up with columns of -1.
        """
        model = self._model
        columns = columns.to(model.device)
        wanted = columns[:, :, 1:]
        read = columns[:, :, :-1].clamp(min=0)
        positions = torch.arange(read.shape[2], device=model.device).expand(read.shape[0], -1)
        with torch.autocast(model.device.type, torch.bfloat16):
            hidden = model.forward_slow(read, positions, self._attend)
            targets = self._semantic_targets(read, wanted)
            is_target = targets != _IGNORED
            chosen = hidden[is_target]  # [N, dim]
            logits = model.semantic_logits(chosen)
            is_frame = targets[is_target] < model.num_semantic
            codes = wanted[:, 1:].transpose(1, 2)[is_target][is_frame]  # [frames, num_codebooks]
            residual = self._residual_logits(chosen[is_frame], codes)
        return {
            "semantic": F.cross_entropy(logits, targets[is_target]),
            "residual": F.cross_entropy(residual.flatten(0, 1), codes[:, 1:].flatten()),
        }

    def _semantic_targets(self, read: Tensor, wanted: Tensor) -> Tensor:
        """Code, end, or nothing to be learned, that follows each column ``[B, S]``."""
        model = self._model
        semantic = wanted[:, 0] - model.semantic_begin_id
        is_code = (semantic >= 0) & (semantic < model.num_semantic)
        before = read[:, 0] - model.semantic_begin_id
        is_end = (before >= 0) & (before < model.num_semantic) & ~is_code & (wanted[:, 0] >= 0)
        targets = torch.where(is_code, semantic, torch.full_like(semantic, _IGNORED))
        return torch.where(is_end, torch.full_like(semantic, model.num_semantic), targets)

    def _residual_logits(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Logits of the residual codebooks ``[frames, num_codebooks - 1, entries]``, given the codes before each."""
        model = self._model
        known = model.fast_embeddings(codes[:, :-1])
        x = torch.cat([model.fast_project_in(hidden)[:, None].type_as(known), known], dim=1)
        rotations = model.fast_rotations[: x.shape[1]]
        for index, layer in enumerate(model.fast_layers):
            x = layer(x, rotations, index, self._attend)
        logits: Tensor = model.fast_output(model.fast_norm(x[:, 1:]))
        return logits.float()


class Sequences:
    """Texts and codes laid out as the prompts of the server are, in batches of about the same length.

    Args:
        tokenizer: Tokenizer of the checkpoint.
        coded: Texts and codes.
        num_codebooks: Codebooks of the model.
        seed: Seed of the order.
    """

    def __init__(self, tokenizer: Tokenizer, coded: CodedCorpus, num_codebooks: int, seed: int) -> None:
        self._tokenizer = tokenizer
        self._builder = PromptBuilder(tokenizer, num_codebooks)
        self._coded = coded
        self._seed = seed
        self._order: list[list[list[int]]] = []
        self._epoch = -1
        self._lengths = np.diff(coded.starts) + [len(text) + 8 for text in coded.phonemes]  # more than tokens are
        self.num_batches = len(self._batches(0))

    def batch(self, step: int) -> Tensor:
        """Columns of a step ``[B, 1 + num_codebooks, S]``, filled up with -1."""
        epoch, index = divmod(step, self.num_batches)
        if epoch != self._epoch:
            self._order, self._epoch = self._batches(epoch), epoch
        return self.columns_of(self._order[index % len(self._order)])

    def columns_of(self, chains: list[list[int]]) -> Tensor:
        """Columns of some chains of texts, by their indices."""
        rows = [self._chain(chain) for chain in chains]
        length = max(row.shape[1] for row in rows)
        length += -length % _ROUND_TO
        filled = [np.pad(row, ((0, 0), (0, length - row.shape[1])), constant_values=-1) for row in rows]
        return torch.from_numpy(np.stack(filled))

    def _chain(self, chain: list[int]) -> Columns:
        pieces = []
        for place, index in enumerate(chain):
            text, codes = self._coded.phonemes[index], self._coded.codes_of(index).astype(np.int64)
            pieces.append(self._builder.next_part(text) if place else self._builder.first_part(text))
            pieces.append(np.concatenate([codes[:1] + self._tokenizer.semantic_begin_id, codes]))
        end = np.zeros((pieces[0].shape[0], 1), dtype=np.int64)
        end[0] = self._tokenizer.im_end_id
        return np.concatenate([*pieces, end], axis=1)

    def _batches(self, epoch: int) -> list[list[list[int]]]:
        """Chains of texts in batches, another order in each epoch."""
        random = np.random.default_rng([self._seed, epoch])
        chains = sorted(self._chains(random), key=lambda chain: self._length(chain) + random.uniform(0, 16))
        batches: list[list[list[int]]] = [[]]
        for chain in chains:  # the longest so far comes last: it decides on the filling
            if (len(batches[-1]) + 1) * self._length(chain) > BATCH_COLUMNS and batches[-1]:
                batches.append([])
            batches[-1].append(chain)
        return [batches[index] for index in random.permutation(len(batches))]

    def _chains(self, random: np.random.Generator) -> Iterator[list[int]]:
        chain: list[int] = []
        for index in random.permutation(len(self._lengths)).tolist():
            if chain and (random.random() > CHAIN_SHARE or self._length([*chain, index]) > MAX_COLUMNS):
                yield chain
                chain = []
            if self._length([index]) <= MAX_COLUMNS:
                chain.append(index)
        if chain:
            yield chain

    def _length(self, chain: list[int]) -> int:
        return int(sum(self._lengths[index] for index in chain))


def start_weights(model: nn.Module, seed: int) -> None:
    """Give a model weights to begin with: norms 1, matrices small enough for a calm start.

    Args:
        model: Any part of it on the CPU.
        seed: Same seed, same weights.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "norm" in name:
                value.fill_(1.0)
            else:
                scale = 0.5 if name.endswith(("wo.weight", "w2.weight")) else 1.0
                value.normal_(0.0, scale * value.shape[-1] ** -0.5, generator=generator)
