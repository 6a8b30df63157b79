"""Transformer blocks of the language model, in the layout of the published state dict.

The blocks know nothing of batching or caches: where keys and values live, and which of them a query may see, is the
business of the :class:`Attend` object given to each forward (see ``kv_cache.py``). Formulas: ``llama.py`` in
fish-speech 0.1.0.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s1_tts.lm.config import BlockSizes


class Attend(Protocol):
    """Stores new keys and values and attends over all that the queries may see."""

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend in one layer.

        Args:
            layer: Index of the block.
            query: ``[B, S, n_head, head_dim]``.
            key: New keys ``[B, S, n_kv_head, head_dim]``.
            value: New values, as ``key``.

        Returns:
            ``[B, S, n_head * head_dim]``.
        """


def rotary_table(num_positions: int, head_dim: int, base: float) -> Tensor:
    """Rotations of all positions as complex numbers ``[num_positions, 1, head_dim / 2]``, complex64.

    Cosines and sines are rounded to bfloat16, because the model was trained with tables so rounded
    (``precompute_freqs_cis``). The dimension in the middle is for the heads.
    """
    frequencies = 1.0 / (base ** (torch.arange(0, head_dim, 2).float() / head_dim))
    angles = torch.outer(torch.arange(num_positions).float(), frequencies)
    cosines, sines = (table.to(torch.bfloat16).float() for table in (torch.cos(angles), torch.sin(angles)))
    return torch.complex(cosines, sines)[:, None]


def rotate(x: Tensor, rotations: Tensor) -> Tensor:
    """Rotate neighbouring pairs of a head's values by their position.

    Args:
        x: ``[B, S, heads, head_dim]``.
        rotations: ``[B, S, 1, head_dim / 2]`` or broadcastable, complex64.
    """
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))  # [B, S, heads, head_dim / 2]
    return torch.view_as_real(pairs * rotations).flatten(-2).type_as(x)


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32.

    Args:
        dim: Width of the last dimension.
        eps: Added to the mean square.
    """

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Norm over the last dimension; shape and dtype stay."""
        if x.is_cuda:  # one kernel there; on a CPU it is a dozen operations under one name
            return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)
        wide = x.float()
        scale = torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.eps)
        return (wide * scale).type_as(x) * self.weight


class Attention(nn.Module):
    """Grouped-query attention with rotary positions.

    Args:
        sizes: Sizes of the stack.
    """

    def __init__(self, sizes: BlockSizes) -> None:
        super().__init__()
        self.sizes = sizes
        query_dim = sizes.n_head * sizes.head_dim
        kv_dim = sizes.n_kv_head * sizes.head_dim
        self.wqkv = nn.Linear(sizes.dim, query_dim + 2 * kv_dim, bias=sizes.has_qkv_bias)
        self.wo = nn.Linear(query_dim, sizes.dim, bias=sizes.has_o_bias)
        if sizes.has_qk_norm:
            self.q_norm = RMSNorm(sizes.head_dim, sizes.norm_eps)
            self.k_norm = RMSNorm(sizes.head_dim, sizes.norm_eps)

    def forward(self, x: Tensor, rotations: Tensor, layer: int, attend: Attend) -> Tensor:
        """Attend from ``x`` ``[B, S, dim]``; shape stays."""
        batch, length, _ = x.shape
        sizes = self.sizes
        heads = self.wqkv(x).view(batch, length, -1, sizes.head_dim)  # [B, S, n_head + 2 * n_kv_head, head_dim]
        turning, value = heads.split([sizes.n_head + sizes.n_kv_head, sizes.n_kv_head], dim=2)
        if sizes.has_qk_norm:
            query, key = turning.tensor_split([sizes.n_head], dim=2)
            turning = torch.cat([self.q_norm(query), self.k_norm(key)], dim=2)
        query, key = rotate(turning, rotations).tensor_split([sizes.n_head], dim=2)
        attended = attend(layer, query, key, value)
        return self.wo(attended)  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """SwiGLU feed-forward.

    Args:
        sizes: Sizes of the stack.
    """

    def __init__(self, sizes: BlockSizes) -> None:
        super().__init__()
        self.w1 = nn.Linear(sizes.dim, sizes.intermediate_size, bias=False)
        self.w3 = nn.Linear(sizes.dim, sizes.intermediate_size, bias=False)
        self.w2 = nn.Linear(sizes.intermediate_size, sizes.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, S, dim]`` to the same shape."""
        return self.w2(F.silu(self.w1(x)) * self.w3(x))  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
    """Pre-norm block: attention, then feed-forward.

    Args:
        sizes: Sizes of the stack.
    """

    def __init__(self, sizes: BlockSizes) -> None:
        super().__init__()
        self.attention = Attention(sizes)
        self.feed_forward = FeedForward(sizes)
        self.ffn_norm = RMSNorm(sizes.dim, sizes.norm_eps)
        self.attention_norm = RMSNorm(sizes.dim, sizes.norm_eps)

    def forward(self, x: Tensor, rotations: Tensor, layer: int, attend: Attend) -> Tensor:
        """Map ``[B, S, dim]`` to the same shape."""
        x = x + self.attention(self.attention_norm(x), rotations, layer, attend)
        return x + self.feed_forward(self.ffn_norm(x))  # type: ignore[no-any-return]


class BlockStack(nn.ModuleList):
    """Blocks one after another.

    Args:
        sizes: Sizes of the stack.
    """

    def __init__(self, sizes: BlockSizes) -> None:
        super().__init__(TransformerBlock(sizes) for _ in range(sizes.n_layer))

    def forward(self, x: Tensor, rotations: Tensor, attend: Attend) -> Tensor:
        """Map ``[B, S, dim]`` to the same shape.

        Args:
            x: New positions of each row.
            rotations: Their rotations ``[B, S, 1, head_dim / 2]`` or broadcastable, complex64.
            attend: Where keys and values go and what may be seen.
        """
        for index, layer in enumerate(self):
            x = layer(x, rotations, index, attend)
        return x
