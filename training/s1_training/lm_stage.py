"""The language model's stage: the serving modules over whole sequences, all codebooks of a frame at once."""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s1_training.codes import CodedCorpus
from s1_training.sequences import NOISE_SHARE, Batch, Sequences
from s1_tts.lm.model import DualArModel
from s1_tts.lm.tokenizer import Tokenizer

_ROUND_TO: Final = 512
"""Columns that are judged come in multiples of it, so that their count has few values."""
_IGNORED: Final = -100


class MaskedAttention:
    """Attends over whole rows (an :class:`s1_tts.lm.layers.Attend`).

    Args:
        visible: Which columns (last dimension) each column sees ``[rows, S, S]``, bool.
    """

    def __init__(self, visible: Tensor) -> None:
        self._visible = visible[:, None, None]  # heads of keys, queries to each

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend in one layer."""
        rows, length, heads, head_dim = query.shape
        grouped = query.transpose(1, 2).reshape(rows, key.shape[2], -1, length, head_dim) * head_dim**-0.5
        key, value = key.transpose(1, 2)[:, :, None], value.transpose(1, 2)[:, :, None]
        scores = (grouped @ key.transpose(-1, -2)).float().masked_fill(~self._visible, -torch.inf)
        attended: Tensor = scores.softmax(-1).to(value.dtype) @ value  # [rows, kv heads, queries to each, S, head_dim]
        return attended.reshape(rows, heads, length, head_dim).transpose(1, 2).flatten(2)


def attend_in_frame(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend over the few positions of a frame, in the fast transformer."""
    positions, groups = query.shape[1], query.shape[2] // key.shape[2]
    key, value = key.repeat_interleave(groups, 2), value.repeat_interleave(groups, 2)
    scores = (query[:, :, None] * key[:, None]).sum(-1, dtype=torch.float32) * query.shape[-1] ** -0.5
    later = torch.ones(positions, positions, dtype=torch.bool, device=query.device).triu(1)[:, :, None]
    shares = scores.masked_fill(later, -torch.inf).softmax(2)  # [frames, S, S, heads]
    attended: Tensor = (shares[..., None] * value[:, None]).sum(2)  # [frames, S, heads, head_dim]
    return attended.to(value.dtype).flatten(2)


class LmStage:
    """Texts with codes, predicted column by column.

    Args:
        model: Its heads cut and its tables made; trained in place.
        tokenizer: Tokenizer of the checkpoint.
        coded: What to learn.
        seed: Seed of the order.
        use_compile: Compile the forwards; the first steps of each shape then take minutes in all.
    """

    name = "lm"

    def __init__(
        self, model: DualArModel, tokenizer: Tokenizer, coded: CodedCorpus, seed: int, *, use_compile: bool
    ) -> None:
        self._model = model.requires_grad_()
        self.parameters = dict(model.named_parameters())
        self._sequences = Sequences(tokenizer, coded, model.config.num_codebooks, seed, NOISE_SHARE)
        self._hidden, self._judge = self._forward_slow, self._cross_entropies
        if use_compile:
            self._hidden = torch.compile(self._hidden, dynamic=False)
            self._judge = torch.compile(self._judge, dynamic=False)

    def losses(self, step: int) -> dict[str, Tensor]:
        """Losses of a step by name."""
        return self.losses_of(self._sequences.batch(step))

    @torch.no_grad()
    def mean_losses(self) -> dict[str, float]:
        """Mean losses over all texts as they are, with the weights as they are."""
        batches = [self.losses_of(batch) for batch in self._sequences.epoch(0)]
        return {name: float(torch.stack([losses[name] for losses in batches]).mean()) for name in batches[0]}

    def losses_of(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the semantic codes and ends, and of the residual codes, in nats."""
        batch = batch.to(self._model.device)
        hidden = self._hidden(batch.read, batch.positions, batch.visible()).flatten(0, 1)
        wanted = batch.wanted.transpose(1, 2).flatten(0, 1)  # [columns, 1 + num_codebooks]
        semantic = self._semantic_targets(batch).flatten()
        judged = torch.nonzero(semantic != _IGNORED)[:, 0]
        filling = torch.zeros(-len(judged) % _ROUND_TO, dtype=judged.dtype, device=judged.device)
        is_real = torch.arange(len(judged) + len(filling), device=judged.device) < len(judged)
        judged = torch.cat([judged, filling])
        semantic = torch.where(is_real, semantic[judged], torch.full_like(judged, _IGNORED))
        is_frame = is_real & (semantic < self._model.num_semantic)
        codes = torch.where(is_frame[:, None], wanted[judged, 1:], torch.zeros_like(wanted[judged, 1:]))
        residual = torch.where(is_frame[:, None], codes[:, 1:], torch.full_like(codes[:, 1:], _IGNORED))
        losses = self._judge(hidden[judged], codes, semantic, residual)
        return {"semantic": losses[0], "residual": losses[1]}

    def _forward_slow(self, read: Tensor, positions: Tensor, visible: Tensor) -> Tensor:
        """Hidden states ``[rows, S, dim]``."""
        with torch.autocast(read.device.type, torch.bfloat16):
            return self._model.forward_slow(read, positions, MaskedAttention(visible))

    def _cross_entropies(self, hidden: Tensor, codes: Tensor, semantic: Tensor, residual: Tensor) -> Tensor:
        """Both losses ``[2]`` from hidden states ``[frames, dim]``."""
        with torch.autocast(hidden.device.type, torch.bfloat16):
            logits = self._model.semantic_logits(hidden)
            residual_logits = self._residual_logits(hidden, codes)
        return torch.stack(
            [F.cross_entropy(logits, semantic), F.cross_entropy(residual_logits.flatten(0, 1), residual.flatten())]
        )

    def _semantic_targets(self, batch: Batch) -> Tensor:
        """Code, end, or nothing to be learned, that follows each column ``[rows, S]``."""
        model = self._model
        semantic = batch.wanted[:, 0] - model.semantic_begin_id
        is_code = (semantic >= 0) & (semantic < model.num_semantic)
        before = batch.read[:, 0] - model.semantic_begin_id
        is_end = (before >= 0) & (before < model.num_semantic) & ~is_code & (batch.wanted[:, 0] >= 0)
        targets = torch.where(is_code, semantic, torch.full_like(semantic, _IGNORED))
        return torch.where(is_end, torch.full_like(semantic, model.num_semantic), targets)

    def _residual_logits(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Logits of the residual codebooks ``[frames, num_codebooks - 1, entries]``, given the codes before each."""
        model = self._model
        known = model.fast_embeddings(codes[:, :-1])
        x = torch.cat([model.fast_project_in(hidden)[:, None].type_as(known), known], dim=1)
        x = model.fast_layers(x, model.fast_rotations[: x.shape[1]], attend_in_frame)
        logits: Tensor = model.fast_output(model.fast_norm(x[:, 1:]))
        return logits.float()


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
