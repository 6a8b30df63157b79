"""The dual-AR language model: a slow transformer over positions and a fast one over the codebooks of a frame.

Parameter names are those of the published state dict (``DualARTransformer`` in fish-speech 0.1.0), so a checkpoint
loads strictly. What the published head could say but must never say is left out when the model runs: only semantic
ids and ``<|im_end|>`` are candidates.
"""

import math

import torch
from torch import Tensor, nn

from s1_tts.lm.config import LmConfig
from s1_tts.lm.kv_cache import FrameAttention
from s1_tts.lm.layers import Attend, BlockStack, RMSNorm, rotary_table
from s1_tts.lm.sampling import SampleCodes, sample_codes


class DualArModel(nn.Module):
    """Parameters and forwards of the language model.

    Args:
        config: Sizes.
    """

    def __init__(self, config: LmConfig) -> None:
        super().__init__()
        self.config = config
        slow, fast = config.slow, config.fast
        self.embeddings = _embedding(config.vocab_size, slow.dim)
        self.codebook_embeddings = _embedding(config.codebook_size * config.num_codebooks, slow.dim)
        self.layers: nn.Module = BlockStack(slow)
        self.norm = RMSNorm(slow.dim, slow.norm_eps)
        if not config.tie_word_embeddings:
            self.output = nn.Linear(slow.dim, config.vocab_size, bias=False)
        self.fast_project_in = nn.Identity() if fast.dim == slow.dim else nn.Linear(slow.dim, fast.dim)
        self.fast_embeddings = _embedding(config.codebook_size, fast.dim)
        self.fast_layers: nn.Module = BlockStack(fast)
        self.fast_norm = RMSNorm(fast.dim, fast.norm_eps)
        self.fast_output = nn.Linear(fast.dim, config.codebook_size, bias=False)
        self.sample: SampleCodes = sample_codes

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.embeddings.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self.embeddings.weight.dtype

    def cut_heads(self, semantic_begin_id: int, num_semantic: int, im_end_id: int) -> None:
        """Keep only the output rows that may be drawn; call it once, after the weights are loaded.

        Args:
            semantic_begin_id: Token id of semantic code 0.
            num_semantic: Semantic codes.
            im_end_id: Token id that ends an utterance.
        """
        self.semantic_begin_id = semantic_begin_id
        self.num_semantic = num_semantic
        weight = self.embeddings.weight if self.config.tie_word_embeddings else self.output.weight
        semantic = weight[semantic_begin_id : semantic_begin_id + num_semantic]
        self.output = _linear(torch.cat([semantic, weight[im_end_id][None]]))  # <|im_end|> is the last row
        self.fast_output = _linear(self.fast_output.weight[: self.config.num_residual_codes])

    def make_tables(self, num_positions: int) -> None:
        """Compute what is not in a checkpoint; call it once the model is on its device and in its dtype.

        Args:
            num_positions: Longest sequence.
        """
        config, device = self.config, self.device
        self.rotations = rotary_table(num_positions, config.slow.head_dim, config.rope_base).to(device)
        self.fast_rotations = rotary_table(config.num_codebooks, config.fast.head_dim, config.rope_base).to(device)
        self.codebook_offsets = torch.arange(config.num_codebooks, device=device) * config.codebook_size

    def embed(self, columns: Tensor) -> Tensor:
        """Sum the embeddings of a position's token and codes.

        Args:
            columns: ``[B, 1 + num_codebooks, S]``, int64; codes count only where the token is a semantic one.

        Returns:
            ``[B, S, dim]``.
        """
        tokens, codes = columns[:, 0], columns[:, 1:]
        is_semantic = (tokens >= self.semantic_begin_id) & (tokens < self.semantic_begin_id + self.num_semantic)
        code_embeddings = self.codebook_embeddings(codes + self.codebook_offsets[:, None]).sum(dim=1)  # [B, S, dim]
        text = self.embeddings(tokens)
        speech = text + code_embeddings
        if self.config.scale_codebook_embeddings:
            speech = speech / math.sqrt(self.config.num_codebooks + 1)
        return torch.where(is_semantic[..., None], speech, text)

    def forward_slow(self, columns: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """Run the slow transformer over new positions.

        Args:
            columns: ``[B, 1 + num_codebooks, S]``, int64.
            positions: Place of each column in its sequence ``[B, S]``, int64.
            attend: Where keys and values go and what may be seen.

        Returns:
            Hidden state before the final norm ``[B, S, dim]``.
        """
        hidden: Tensor = self.layers(self.embed(columns), self.rotations[positions], attend)
        return hidden

    def semantic_logits(self, hidden: Tensor) -> Tensor:
        """Logits of the semantic codes and, last, of ``<|im_end|>``.

        Args:
            hidden: Hidden states ``[B, dim]``.

        Returns:
            ``[B, num_semantic + 1]``, float32.
        """
        logits: Tensor = self.output(self.norm(hidden))
        return logits.float()

    def start_frame(self, hidden: Tensor, semantic: Tensor) -> tuple[FrameAttention, Tensor]:
        """Begin a frame in the fast transformer: its first two positions, in one pass over the weights.

        Args:
            hidden: Hidden states of the slow transformer ``[B, dim]``.
            semantic: Semantic codes ``[B]``, int64.

        Returns:
            The frame, and the logits of its first residual codebook ``[B, num_residual_codes]``, float32.
        """
        first = self.fast_project_in(hidden)
        x = torch.stack([first, self.fast_embeddings(semantic).type_as(first)], dim=1)
        frame = FrameAttention(self.config.fast, self.config.num_codebooks, x.shape[0], self.dtype, self.device)
        return frame, self._forward_fast(x, frame)

    def residual_logits(self, codes: Tensor, frame: FrameAttention) -> Tensor:
        """Logits of the next codebook of a frame.

        Args:
            codes: Codes of the codebook before ``[B]``, int64.
            frame: The frame, from :meth:`start_frame`.

        Returns:
            ``[B, num_residual_codes]``, float32.
        """
        return self._forward_fast(self.fast_embeddings(codes)[:, None], frame)

    def _forward_fast(self, x: Tensor, frame: FrameAttention) -> Tensor:
        frame.advance(x.shape[1])
        x = self.fast_layers(x, self.fast_rotations[frame.start : frame.end], frame)
        logits: Tensor = self.fast_output(self.fast_norm(x[:, -1]))
        return logits.float()


def _linear(weight: Tensor) -> nn.Linear:
    with torch.device("meta"):
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight.detach(), requires_grad=False)
    return linear


def _embedding(num_embeddings: int, dim: int) -> nn.Embedding:
    """An embedding to be filled: torch's own draws its numbers, which on the meta device imports torch's compiler."""
    empty = torch.empty(num_embeddings, dim)
    made: nn.Embedding = nn.Embedding.from_pretrained(empty, freeze=False)  # type: ignore[no-untyped-call]  # torch's
    return made
