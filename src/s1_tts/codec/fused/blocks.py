"""Blocks of the window transformer and of the upsampling: what lies between the matrix products in one kernel each."""

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_tts.codec.causal_layers import NEXT_NORM_EPS, CausalTransposedConv, ConvNeXtBlock
from s1_tts.codec.fused.convs import joined_inputs, plain_conv
from s1_tts.codec.fused.kernels.depthwise import depthwise_normed
from s1_tts.codec.fused.kernels.residual import add_scaled, gated
from s1_tts.codec.fused.kernels.window import window_attend
from s1_tts.codec.state import SlotStates
from s1_tts.codec.transformer import Sight, WindowAttention, WindowTransformer, rms_norm
from s1_tts.kernel_launch import launch, power_of_two

GATE_BLOCK = 1024
SMALLEST_DOT = 16
"""Least rows and columns that the tensor cores multiply."""


def transform(transformer: WindowTransformer, x: Tensor, sight: Sight, states: SlotStates) -> Tensor:
    """As :meth:`s1_tts.codec.transformer.WindowTransformer.apply`.

    Keys and values lie in a slot as a ring and not in their order, so a stream stays with this function.

    Args:
        transformer: Its blocks and last norm.
        x: ``[B, T, dim]``.
        sight: Of the rows.
        states: Of the rows, moved on.
    """
    eps, blocks = transformer.eps, transformer.blocks
    norms = [*(block.attention_norm for block in blocks[1:]), transformer.norm]  # the one after each block
    normed = rms_norm(x, blocks[0].attention_norm, eps)
    for block, norm in zip(blocks, norms, strict=True):
        attended = block.attention.output(attend(block.attention, normed, sight, states))
        x, normed = added_and_normed(x, attended, block.attention_scale, block.ffn_norm, eps)
        inner = gate(block.gate(normed), block.up(normed))
        x, normed = added_and_normed(x, block.down(inner), block.ffn_scale, norm, eps)
    return normed


def attend(attention: WindowAttention, x: Tensor, sight: Sight, states: SlotStates) -> Tensor:
    """Attend from new positions, each over its window.

    Args:
        attention: The layer.
        x: Normed input ``[B, T, dim]``.
        sight: Of the rows.
        states: Of the rows, moved on.

    Returns:
        ``[B, T, H * head_dim]``, before the last projection.
    """
    batch, length, _ = x.shape
    heads, head_dim = attention.heads
    out = x.new_empty(batch, length, heads * head_dim)
    launch(
        window_attend,
        (batch, heads),
        *(attention.input(x), sight.angles, attention.keys.of(states.pool), attention.values.of(states.pool)),
        *(states.slots, sight.positions, out, length, states.pool.stride(0), head_dim**-0.5),
        HEADS=heads,
        HEAD_DIM=head_dim,
        CONTEXT=attention.context,
        BLOCK_PAST=max(SMALLEST_DOT, power_of_two(attention.context)),
        BLOCK_NEW=max(SMALLEST_DOT, power_of_two(length)),
        num_warps=4,
    )
    return out


def added(x: Tensor, y: Tensor, scale: Tensor) -> Tensor:
    """``x + y * scale``.

    Args:
        x: ``[B, T, dim]``.
        y: ``[B, T, dim]``.
        scale: ``[dim]``.
    """
    out = torch.empty_like(x)
    _add(x, y, scale, out, None, None, 0.0)
    return out


def added_and_normed(x: Tensor, y: Tensor, scale: Tensor, norm: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """``x + y * scale``, and the RMS norm of it.

    Args:
        x: ``[B, T, dim]``.
        y: ``[B, T, dim]``.
        scale: ``[dim]``.
        norm: Weight of the norm ``[dim]``.
        eps: Of the norm.
    """
    out, normed = torch.empty_like(x), torch.empty_like(x)
    _add(x, y, scale, out, norm, normed, eps)
    return out, normed


def _add(
    x: Tensor, y: Tensor, scale: Tensor, out: Tensor, norm: Tensor | None, normed: Tensor | None, eps: float
) -> None:
    width = x.shape[-1]
    launch(
        add_scaled,
        (x.numel() // width,),
        *(x, y, scale, norm, out, normed, eps),
        HAS_NORM=norm is not None,
        WIDTH=width,
        BLOCK=power_of_two(width),
        num_warps=4,
    )


def gate(opening: Tensor, value: Tensor) -> Tensor:
    """``silu(opening) * value``."""
    out = torch.empty_like(value)
    launch(gated, (-(-value.numel() // GATE_BLOCK),), opening, value, out, value.numel(), BLOCK=GATE_BLOCK, num_warps=4)
    return out


class FusedUpsampling:
    """A transposed convolution without overlap, which is a matrix product, and a ConvNeXt block.

    Args:
        upsample: The convolution.
        block: The block.
    """

    def __init__(self, upsample: CausalTransposedConv, block: ConvNeXtBlock) -> None:
        conv = plain_conv(upsample.conv)
        if conv.context or conv.snake is not None:
            raise ValueError(f"no upsampling without overlap: it reads {conv.context} inputs of the past")
        self._stride = upsample.stride
        self._weight, self._bias = conv.conv.weight.flatten(1), conv.conv.bias
        self._block = block
        self._depthwise = plain_conv(block.depthwise)
        self._taps = self._depthwise.conv.weight.flatten(1).t().contiguous()  # [taps, C]

    def __call__(self, x: Tensor, states: SlotStates) -> Tensor:
        """Apply to ``[B, T, C]``; gives ``[B, T * stride, C]`` and moves the states on."""
        batch, length, channels = x.shape
        x = F.linear(x, self._weight, self._bias).view(batch, length * self._stride, channels)
        y = self._block.down(F.gelu(self._block.up(self._normed(x, states))))
        return added(x, y, self._block.gamma)

    def _normed(self, x: Tensor, states: SlotStates) -> Tensor:
        batch, length, channels = x.shape
        out = torch.empty_like(x)
        launch(
            depthwise_normed,
            (length, batch),
            *(joined_inputs(x, self._depthwise, states), self._taps, self._depthwise.conv.bias),
            *(self._block.norm_weight, self._block.norm_bias, out, length, NEXT_NORM_EPS),
            CHANNELS=channels,
            TAPS=self._taps.shape[0],
            BLOCK=power_of_two(channels),
            num_warps=4,
        )
        return out
