"""The two transformers as kernels: five to seven a block."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from s1_tts.kernel_launch import launch, power_of_two
from s1_tts.lm.config import BlockSizes
from s1_tts.lm.fused.kernels.attention import attend, combine, turn_and_keep
from s1_tts.lm.fused.kernels.frame_attention import frame_attend
from s1_tts.lm.fused.kernels.linear import linear_added, normed_gate, normed_linear
from s1_tts.lm.fused.rows import RowTable
from s1_tts.lm.fused.tiles import ROW_TILE, SMALLEST_QUERY_TILE, AttentionTile, LinearTile, gate_tile, linear_tile
from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.layers import Attention, BlockStack, RMSNorm, TransformerBlock


def run_linear(x: Tensor, norm: RMSNorm, linear: nn.Linear, out: Tensor) -> None:
    """``out = linear(norm(x))``, one kernel.

    Args:
        x: ``[R, width]``, rows at any distance.
        norm: The norm.
        linear: The layer.
        out: ``[R, outputs]``.
    """
    num_rows, num_outputs = x.shape[0], linear.weight.shape[0]
    _launch_tiled(
        normed_linear,
        linear_tile(num_outputs, linear.weight.dtype),
        x,
        num_outputs,
        *(x, norm.weight, linear.weight, linear.bias, out, num_rows, num_outputs, x.stride(0), norm.eps),
        HAS_BIAS=linear.bias is not None,
    )


def add_linear(x: Tensor, linear: nn.Linear, residual: Tensor) -> None:
    """``residual += linear(x)``, one kernel.

    Args:
        x: ``[R, width]``.
        linear: The layer.
        residual: ``[R, outputs]``.
    """
    num_rows, num_outputs = x.shape[0], linear.weight.shape[0]
    _launch_tiled(
        linear_added,
        linear_tile(num_outputs, linear.weight.dtype),
        x,
        num_outputs,
        *(x, linear.weight, linear.bias, residual, num_rows, num_outputs),
        HAS_BIAS=linear.bias is not None,
    )


def _run_gate(x: Tensor, block: TransformerBlock, out: Tensor) -> None:
    norm, feed_forward = block.ffn_norm, block.feed_forward
    gate, up = feed_forward.w1.weight, feed_forward.w3.weight
    num_rows, num_outputs = x.shape[0], gate.shape[0]
    _launch_tiled(
        normed_gate,
        gate_tile(gate.dtype),
        x,
        num_outputs,
        *(x, norm.weight, gate, up, out, num_rows, num_outputs, norm.eps),
    )


def _launch_tiled(
    kernel: Any,  # Triton has no types for its kernels
    tile: LinearTile,
    x: Tensor,
    num_outputs: int,
    *arguments: Tensor | float | None,
    **constants: bool,
) -> None:
    """Launch a program for each tile of rows of ``x`` and outputs."""
    num_rows, width = x.shape
    launch(
        kernel,
        (-(-num_rows // ROW_TILE), -(-num_outputs // tile.outputs)),
        *arguments,
        WIDTH=width,
        BLOCK_ROWS=ROW_TILE,
        BLOCK_OUTPUTS=tile.outputs,
        BLOCK_WIDTH=tile.width,
        num_warps=tile.num_warps,
        num_stages=tile.num_stages,
        **constants,
    )


@dataclass(frozen=True, eq=False)
class Buffers:
    """What the layers of a stack write for so many rows.

    Args:
        qkv: ``[R, n_head + 2 * n_kv_head, head_dim]``.
        attended: ``[R, n_head * head_dim]``.
        inner: ``[R, intermediate_size]``.
    """

    qkv: Tensor
    attended: Tensor
    inner: Tensor

    @classmethod
    def make(cls, sizes: BlockSizes, num_rows: int, dtype: torch.dtype, device: torch.device) -> "Buffers":
        """Make them for ``num_rows`` rows."""
        heads = sizes.n_head + 2 * sizes.n_kv_head

        def empty(*shape: int) -> Tensor:
            return torch.zeros(num_rows, *shape, dtype=dtype, device=device)

        return cls(empty(heads, sizes.head_dim), empty(sizes.n_head * sizes.head_dim), empty(sizes.intermediate_size))

    def first(self, num_rows: int) -> "Buffers":
        """Those of the first rows, sharing memory."""
        return Buffers(self.qkv[:num_rows], self.attended[:num_rows], self.inner[:num_rows])


class SlowStack:
    """The slow transformer over rows that each have a slot and a position.

    Args:
        stack: Its blocks; their weights are used as they are.
        sizes: Its sizes.
        rotations: See :func:`s1_tts.lm.layers.rotary_table`.
        pool: Keys and values.
        num_rows: Rows at most.
        tile: Of the attention.
    """

    def __init__(
        self,
        stack: BlockStack,
        sizes: BlockSizes,
        rotations: Tensor,
        pool: KvPool,
        num_rows: int,
        tile: AttentionTile,
    ) -> None:
        self._blocks = [cast("TransformerBlock", block) for block in stack]
        self._sizes = sizes
        self._rotations = torch.view_as_real(rotations)
        self._pool = pool
        self._tile = tile
        self._splits = -(-pool.num_positions // tile.split_keys)
        device = pool.keys.device
        self._buffers = Buffers.make(sizes, num_rows, pool.keys.dtype, device)
        shape = (num_rows, sizes.n_head, self._splits)
        self._partial = torch.empty(*shape, sizes.head_dim, dtype=torch.float32, device=device)
        self._extent = torch.empty(*shape, 2, dtype=torch.float32, device=device)

    def run(self, x: Tensor, table: RowTable) -> None:
        """Move rows through all blocks, in place.

        Args:
            x: ``[R, dim]``.
            table: Their positions and slots; neighbours that share a program of the attention share a slot.
        """
        buffers = self._buffers.first(x.shape[0])
        for index, block in enumerate(self._blocks):
            run_linear(x, block.attention_norm, block.attention.wqkv, buffers.qkv.flatten(1))
            self._attend(index, block.attention, buffers, table)
            add_linear(buffers.attended, block.attention.wo, x)
            _run_gate(x, block, buffers.inner)
            add_linear(buffers.inner, block.feed_forward.w2, x)

    def _attend(self, layer: int, attention: Attention, buffers: Buffers, table: RowTable) -> None:
        sizes, tile, qkv = self._sizes, self._tile, buffers.qkv
        num_rows = qkv.shape[0]
        keys, values = self._pool.keys[layer], self._pool.values[layer]
        query_norm, key_norm, eps = _qk_norms(attention)
        heads = {"HEADS": sizes.n_head, "HEAD_DIM": sizes.head_dim}
        launch(
            turn_and_keep,
            (num_rows, sizes.n_head + sizes.n_kv_head),
            *(qkv, query_norm, key_norm, self._rotations, table.rows, table.slots, keys, values),
            *(table.width, keys.stride(0), eps),
            HAS_NORM=sizes.has_qk_norm,
            KEY_HEADS=sizes.n_kv_head,
            num_warps=1,
            **heads,
        )
        group = sizes.n_head // sizes.n_kv_head
        launch(
            attend,
            (-(-num_rows // tile.queries), sizes.n_kv_head, self._splits),
            *(qkv, table.rows, table.slots, keys, values, self._partial, self._extent),
            *(num_rows, table.width, keys.stride(0), sizes.head_dim**-0.5),
            KEY_HEADS=sizes.n_kv_head,
            QUERIES=tile.queries,
            BLOCK_QUERIES=max(SMALLEST_QUERY_TILE, power_of_two(tile.queries * group)),
            BLOCK_KEYS=tile.keys,
            SPLIT_KEYS=tile.split_keys,
            SPLITS=self._splits,
            num_warps=4,
            **heads,
        )
        launch(
            combine,
            (num_rows, sizes.n_head),
            *(self._partial, self._extent, table.rows, buffers.attended, table.width),
            SPLIT_KEYS=tile.split_keys,
            SPLITS=self._splits,
            num_warps=1,
            **heads,
        )


class FastStack:
    """The fast transformer over frames, all of them at the same position.

    Args:
        stack: Its blocks; their weights are used as they are.
        sizes: Its sizes.
        rotations: See :func:`s1_tts.lm.layers.rotary_table`.
        num_positions: Positions of a frame.
        num_rows: Frames at most.
        dtype: Of keys and values.
    """

    def __init__(
        self,
        stack: BlockStack,
        sizes: BlockSizes,
        rotations: Tensor,
        num_positions: int,
        num_rows: int,
        dtype: torch.dtype,
    ) -> None:
        self._blocks = [cast("TransformerBlock", block) for block in stack]
        self._sizes = sizes
        self._rotations = torch.view_as_real(rotations)
        self._num_positions = num_positions
        device = rotations.device
        self._buffers = Buffers.make(sizes, 2 * num_rows, dtype, device)
        shape = (sizes.n_layer, num_rows, num_positions, sizes.n_kv_head, sizes.head_dim)
        self._keys = torch.zeros(shape, dtype=dtype, device=device)
        self._values = torch.zeros(shape, dtype=dtype, device=device)

    def run(self, x: Tensor, start: int) -> None:
        """Move new positions of each frame through all blocks, in place.

        Args:
            x: ``[R, new, dim]``.
            start: The first new position.
        """
        num_rows, new, _ = x.shape
        sizes = self._sizes
        flat = x.flatten(0, 1)
        buffers = self._buffers.first(num_rows * new)
        for index, block in enumerate(self._blocks):
            query_norm, key_norm, eps = _qk_norms(block.attention)
            run_linear(flat, block.attention_norm, block.attention.wqkv, buffers.qkv.flatten(1))
            launch(
                frame_attend,
                (num_rows, sizes.n_kv_head),
                *(buffers.qkv, query_norm, key_norm, self._rotations, self._keys[index], self._values[index]),
                *(buffers.attended, start, eps, sizes.head_dim**-0.5),
                NEW=new,
                HAS_NORM=sizes.has_qk_norm,
                HEADS=sizes.n_head,
                KEY_HEADS=sizes.n_kv_head,
                HEAD_DIM=sizes.head_dim,
                POSITIONS=self._num_positions,
                BLOCK_POSITIONS=power_of_two(self._num_positions),
                num_warps=1,
            )
            add_linear(buffers.attended, block.attention.wo, flat)
            _run_gate(flat, block, buffers.inner)
            add_linear(buffers.inner, block.feed_forward.w2, flat)


def _qk_norms(attention: Attention) -> tuple[Tensor | None, Tensor | None, float]:
    if not attention.sizes.has_qk_norm:
        return None, None, 0.0
    return attention.q_norm.weight, attention.k_norm.weight, attention.q_norm.eps
