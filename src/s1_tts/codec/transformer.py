"""Causal transformer that attends to a window of positions and remembers their keys and values.

Formulas from ``WindowLimitedTransformer`` of fish-speech 0.1.0 (``models/dac/modded_dac.py``). The reference ends at
the rows of its rotary table; here angles are computed for the positions at hand, so a stream has no end.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_tts.codec.causal_layers import make_projection
from s1_tts.codec.codec_config import TransformerConfig
from s1_tts.codec.native.tile_layers import LANES
from s1_tts.codec.state import StateLayout, StateSpan
from s1_tts.codec.weights import Weights


class Rotary:
    """Rotary angles, rounded to bfloat16 as the checkpoint's table has them.

    They are computed on the CPU whatever the device: cosines of another device could round to another bfloat16.

    Args:
        config: Sizes.
    """

    def __init__(self, config: TransformerConfig) -> None:
        exponents = torch.arange(0, config.head_dim, 2).float() / config.head_dim
        self.frequencies = 1.0 / (config.rope_base**exponents)  # [head_dim / 2]

    def angles(self, positions: Tensor) -> Tensor:
        """Cosine and sine of each position.

        Args:
            positions: ``[B, T]`` on the CPU, counted from the start of the stream.

        Returns:
            ``[B, T, 1, head_dim / 2, 2]`` bfloat16, on the CPU.
        """
        angles = positions.unsqueeze(-1) * self.frequencies  # [B, T, head_dim / 2]
        turns = torch.view_as_real(torch.polar(torch.ones_like(angles), angles))
        return turns.bfloat16().unsqueeze(2)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn neighbouring pairs of ``x [B, T, H, head_dim]`` by ``angles``, in float32."""
    pairs = x.float().view(*x.shape[:-1], -1, 2)
    even, odd = pairs[..., 0], pairs[..., 1]
    cosine, sine = angles[..., 0], angles[..., 1]
    turned = torch.stack([even * cosine - odd * sine, odd * cosine + even * sine], -1)
    return turned.flatten(-2).type_as(x)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """RMS norm, the mean taken in float32."""
    if x.is_cuda and not x.requires_grad:  # one kernel there, and the same to rounding
        return F.rms_norm(x, (x.shape[-1],), weight, eps)
    wide = x.float()
    return (wide * torch.rsqrt(torch.mean(wide * wide, dim=-1, keepdim=True) + eps)).type_as(x) * weight


class WindowAttention:
    """Attention over the last ``window`` positions; the state is the keys and values of ``window - 1`` of them.

    Args:
        weights: Below the attention.
        config: Sizes.
        layout: Where the state's span is reserved.
    """

    def __init__(self, weights: Weights, config: TransformerConfig, layout: StateLayout) -> None:
        self.input = make_projection(weights.kernels, weights.tensor("wqkv.weight"))
        self.output = make_projection(weights.kernels, weights.tensor("wo.weight"))
        self.heads = (config.num_heads, config.head_dim)
        self.context = config.window - 1
        is_whole = config.head_dim % LANES == 0
        self.kernels = weights.kernels if is_whole else None
        self.keys: StateSpan = layout.take(self.context, *self.heads)
        self.values: StateSpan = layout.take(self.context, *self.heads)

    def __call__(self, x: Tensor, angles: Tensor, mask: Tensor, states: Tensor) -> Tensor:
        """Attend from the next chunk ``x [B, T, dim]``; moves the states on.

        Args:
            x: Normed input.
            angles: Of the chunk's positions, see :class:`Rotary`.
            mask: ``[B, 1, T, context + T]``, see :func:`window_mask`.
            states: ``[B, N]``.
        """
        joint = self.input(x).view(*x.shape[:2], 3, *self.heads)  # [B, T, 3, H, head_dim]
        query, key, value = joint.unbind(2)
        query, key = rotate(query, angles), rotate(key, angles)
        if self.kernels is not None:
            past = self.keys.of(states), self.values.of(states)
            return self.output(self.kernels.attend((query, key, value), past, mask).flatten(2))
        keys = self._join(self.keys.of(states), key)
        values = self._join(self.values.of(states), value)
        y = _attend(query.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), mask, self.context + 1)
        return self.output(y.transpose(1, 2).flatten(2))

    def _join(self, past: Tensor, new: Tensor) -> Tensor:
        joined = torch.cat([past, new], dim=1)  # [B, context + T, H, head_dim]
        past.copy_(joined[:, new.shape[1] :])
        return joined


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, window: int) -> Tensor:
    """Attend over the window of each position.

    On a CPU each position of each row is computed by itself, over exactly its window. A frame then has the same bits
    in any chunk and batch, as in all other layers: computed together, the order of the sums over a window would depend
    on the batch. Training computes all positions together.

    Args:
        query: ``[B, H, T, head_dim]``.
        keys: ``[B, H, window - 1 + T, head_dim]``.
        values: As ``keys``.
        mask: ``[B, 1, T, window - 1 + T]``.
        window: Positions attended to.

    Returns:
        ``[B, H, T, head_dim]``.
    """
    if query.is_cuda or query.requires_grad:
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    attended = torch.empty_like(query)
    for row in range(query.shape[0]):
        one = slice(row, row + 1)
        for index in range(query.shape[2]):
            here, seen = slice(index, index + 1), slice(index, index + window)
            attended[one, :, here] = F.scaled_dot_product_attention(
                query[one, :, here], keys[one, :, seen], values[one, :, seen], attn_mask=mask[one, :, here, seen]
            )
    return attended


class WindowBlock:
    """Attention and feed-forward, each with its norm and its layer scale.

    Args:
        weights: Below the block.
        config: Sizes.
        layout: Where the state's span is reserved.
    """

    def __init__(self, weights: Weights, config: TransformerConfig, layout: StateLayout) -> None:
        self.eps = config.norm_eps
        self.attention = WindowAttention(weights.under("attention"), config, layout)
        self.attention_norm = weights.tensor("attention_norm.weight")
        self.attention_scale = weights.tensor("attention_layer_scale.gamma")
        self.ffn_norm = weights.tensor("ffn_norm.weight")
        self.ffn_scale = weights.tensor("ffn_layer_scale.gamma")
        self.gate = make_projection(weights.kernels, weights.tensor("feed_forward.w1.weight"))
        self.up = make_projection(weights.kernels, weights.tensor("feed_forward.w3.weight"))
        self.down = make_projection(weights.kernels, weights.tensor("feed_forward.w2.weight"))

    def __call__(self, x: Tensor, angles: Tensor, mask: Tensor, states: Tensor) -> Tensor:
        """Apply to the next chunk ``[B, T, dim]``; moves the states on."""
        normed = rms_norm(x, self.attention_norm, self.eps)
        x = x + self.attention(normed, angles, mask, states) * self.attention_scale
        normed = rms_norm(x, self.ffn_norm, self.eps)
        inner = F.silu(self.gate(normed)) * self.up(normed)
        return x + self.down(inner) * self.ffn_scale


@dataclass(frozen=True, eq=False)
class Sight:
    """The positions of a chunk, and the angles that follow from them.

    Args:
        positions: ``[B]`` int64: position of each row's first element in its stream.
        angles: ``[B, T, 1, head_dim / 2, 2]`` bfloat16, see :class:`Rotary`.
    """

    positions: Tensor
    angles: Tensor

    def to(self, device: torch.device) -> "Sight":
        """The same on a device."""
        return Sight(self.positions.to(device), self.angles.to(device))

    def first(self, num_rows: int) -> "Sight":
        """Of the first rows, sharing memory."""
        return Sight(self.positions[:num_rows], self.angles[:num_rows])


class WindowTransformer:
    """Blocks and a last norm.

    Args:
        weights: Below the transformer.
        config: Sizes.
        layout: Where the state's span is reserved.
    """

    def __init__(self, weights: Weights, config: TransformerConfig, layout: StateLayout) -> None:
        self.eps = config.norm_eps
        self.window = config.window
        self.rotary = Rotary(config)
        layers = weights.under("layers")
        self.blocks = [WindowBlock(layers.under(str(i)), config, layout) for i in range(config.num_layers)]
        self.norm = weights.tensor("norm.weight")

    def __call__(self, x: Tensor, positions: Tensor, states: Tensor) -> Tensor:
        """Apply to the next chunk; moves the states on.

        Args:
            x: ``[B, T, dim]``.
            positions: ``[B]`` on the CPU, int64: position of each row's first element in its stream.
            states: ``[B, N]``.
        """
        return self.apply(x, self.sight(positions, x.shape[1]).to(x.device), states)

    def sight(self, positions: Tensor, length: int) -> Sight:
        """What the next chunk sees, on the CPU.

        Args:
            positions: ``[B]`` on the CPU, int64: position of each row's first element in its stream.
            length: New elements ``T``.
        """
        return Sight(positions, self.rotary.angles(positions[:, None] + torch.arange(length)))

    def apply(self, x: Tensor, sight: Sight, states: Tensor) -> Tensor:
        """As a call, with the sight in place of the positions: no work of the host depends on their values."""
        mask = window_mask(sight.positions, x.shape[1], self.window)
        for block in self.blocks:
            x = block(x, sight.angles, mask, states)
        return rms_norm(x, self.norm, self.eps)


def window_mask(positions: Tensor, length: int, window: int) -> Tensor:
    """Which remembered and new positions each new position attends to.

    Args:
        positions: ``[B]``, position of each row's first element in its stream.
        length: New elements ``T``.
        window: Positions attended to, a position itself included.

    Returns:
        ``[B, 1, T, window - 1 + T]`` bool; the remembered ``window - 1`` come first.
    """
    query = torch.arange(length, device=positions.device)[:, None]
    key = torch.arange(window - 1 + length, device=positions.device)
    in_window = (key >= query) & (key < query + window)  # [T, window - 1 + T]
    has_begun = positions[:, None] - (window - 1) + key >= 0  # [B, window - 1 + T]
    return (in_window & has_begun[:, None, :]).unsqueeze(1)
