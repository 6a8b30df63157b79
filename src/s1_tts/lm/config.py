"""Sizes of the dual-AR language model, read from a checkpoint's ``config.json``."""

import dataclasses
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from s1_protocol.errors import CheckpointError

log = logging.getLogger(__name__)

RESIDUAL_CODES = 1024
"""Codes of each residual codebook; fish-speech 0.1.0 cuts the fast logits to this many (``inference.py``)."""

TRAINING_ONLY_KEYS = frozenset(
    {"dropout", "initializer_range", "use_gradient_checkpointing", "is_reward_model", "model_type"}
)


@dataclass(frozen=True)
class BlockSizes:
    """Sizes of a stack of transformer blocks.

    Args:
        n_layer: Blocks.
        dim: Width of the residual stream.
        n_head: Query heads.
        n_kv_head: Key and value heads.
        head_dim: Width of a head.
        intermediate_size: Width inside the feed-forward.
        norm_eps: Epsilon of the RMS norms.
        has_qkv_bias: Whether the query, key and value projection has a bias.
        has_o_bias: Whether the output projection has a bias.
        has_qk_norm: Whether queries and keys are RMS-normed per head.
    """

    n_layer: int
    dim: int
    n_head: int
    n_kv_head: int
    head_dim: int
    intermediate_size: int
    norm_eps: float
    has_qkv_bias: bool
    has_o_bias: bool
    has_qk_norm: bool


@dataclass(frozen=True)
class LmConfig:
    """Keys of ``config.json`` as fish-speech 0.1.0 names them (``DualARModelArgs`` in ``llama.py``).

    The defaults are that class's own, so a published file means here what it means there.
    """

    vocab_size: int = 32000
    n_layer: int = 32
    n_head: int = 32
    dim: int = 4096
    intermediate_size: int | None = None
    n_local_heads: int = -1
    head_dim: int | None = 64
    rope_base: float = 10000
    norm_eps: float = 1e-5
    max_seq_len: int = 2048
    tie_word_embeddings: bool = True
    attention_qkv_bias: bool = False
    attention_o_bias: bool = False
    attention_qk_norm: bool = False
    codebook_size: int = 160
    num_codebooks: int = 4
    scale_codebook_embeddings: bool = False
    n_fast_layer: int = 4
    fast_dim: int | None = None
    fast_n_head: int | None = None
    fast_n_local_heads: int | None = None
    fast_head_dim: int | None = None
    fast_intermediate_size: int | None = None
    fast_attention_qkv_bias: bool | None = None
    fast_attention_qk_norm: bool | None = None
    fast_attention_o_bias: bool | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a ``config.json``.

        Raises:
            CheckpointError: the file is missing, not JSON, or of another model type.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path}: cannot be read as JSON: {error}") from error
        if data.get("model_type") != "dual_ar":
            raise CheckpointError(f"{path}: model_type is {data.get('model_type')!r}; allowed: 'dual_ar'")
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(data) - known - TRAINING_ONLY_KEYS)
        if unknown:
            log.warning("%s: keys without a meaning here are ignored: %s", path, ", ".join(unknown))
        return cls(**{key: value for key, value in data.items() if key in known})

    @property
    def slow(self) -> BlockSizes:
        """Sizes of the slow transformer, which runs once a frame."""
        return BlockSizes(
            n_layer=self.n_layer,
            dim=self.dim,
            n_head=self.n_head,
            n_kv_head=self.n_head if self.n_local_heads == -1 else self.n_local_heads,
            head_dim=self.head_dim or self.dim // self.n_head,
            intermediate_size=self.intermediate_size or _default_intermediate_size(self.dim),
            norm_eps=self.norm_eps,
            has_qkv_bias=self.attention_qkv_bias,
            has_o_bias=self.attention_o_bias,
            has_qk_norm=self.attention_qk_norm,
        )

    @property
    def fast(self) -> BlockSizes:
        """Sizes of the fast transformer, which runs once a codebook; what is not given follows the slow one."""
        slow = self.slow
        return BlockSizes(
            n_layer=self.n_fast_layer,
            dim=self.fast_dim or slow.dim,
            n_head=self.fast_n_head or slow.n_head,
            n_kv_head=self.fast_n_local_heads or slow.n_kv_head,
            head_dim=self.fast_head_dim or slow.head_dim,
            intermediate_size=self.fast_intermediate_size or slow.intermediate_size,
            norm_eps=slow.norm_eps,
            has_qkv_bias=_first_given(self.fast_attention_qkv_bias, slow.has_qkv_bias),
            has_o_bias=_first_given(self.fast_attention_o_bias, slow.has_o_bias),
            has_qk_norm=_first_given(self.fast_attention_qk_norm, slow.has_qk_norm),
        )

    @property
    def num_residual_codes(self) -> int:
        """Codes that the fast transformer may draw for a residual codebook."""
        return min(RESIDUAL_CODES, self.codebook_size)


def _default_intermediate_size(dim: int) -> int:
    """Two thirds of four times the width, rounded up to 256 (``BaseModelArgs.__post_init__``)."""
    return -(-int(2 * 4 * dim / 3) // 256) * 256


def _first_given(value: bool | None, default: bool) -> bool:
    return default if value is None else value
