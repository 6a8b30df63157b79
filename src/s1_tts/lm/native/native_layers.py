"""Layers of the language model whose forwards are the compiled ones; weights are laid out for them, and held once."""

import ctypes
from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s1_tts.lm.config import BlockSizes
from s1_tts.lm.layers import BlockStack, RMSNorm, TransformerBlock

TILE_INPUTS = 32
TILE_OUTPUTS = 16
QUAD = 4
STEP_INPUTS = 64
MOST = 127
"""What the largest weight of an output becomes, where weights are bytes."""

CACHE_LINE_BYTES = 64


class Cache(Protocol):
    """Keys and values of rows, for code that attends by itself.

    ``keys`` and ``values`` are ``[layers, slots, positions, n_kv_head, head_dim]``, ``slots`` ``[B]`` and ``positions``
    ``[B, S]`` say where each new position goes; it sees what its slot holds up to itself.
    """

    @property
    def keys(self) -> Tensor:
        """Keys of all slots."""

    @property
    def values(self) -> Tensor:
        """Values of all slots."""

    @property
    def slots(self) -> Tensor:
        """Slot of each row, int64."""

    @property
    def positions(self) -> Tensor:
        """New positions of each row, int64."""


class Layout(IntEnum):
    """How weights lie in memory; the numbers are those of ``transformer.cpp``."""

    FLOAT_PANELS = 0
    BFLOAT_PANELS = 1
    BFLOAT_PAIRS = 2
    BFLOAT_TILES = 3
    BYTE_PANELS = 4
    BYTE_QUADS = 5
    BYTE_TILES = 6


FLOAT_LAYOUTS = (Layout.FLOAT_PANELS,)
BFLOAT_LAYOUTS = (Layout.BFLOAT_TILES, Layout.BFLOAT_PAIRS, Layout.BFLOAT_PANELS)
BYTE_LAYOUTS = (Layout.BYTE_TILES, Layout.BYTE_QUADS, Layout.BYTE_PANELS)
"""The fastest first; the last of each runs on any CPU."""


class _Sizes(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("blocks", "width", "heads", "key_heads", "head_width", "inner_width")),
        ("norm_eps", ctypes.c_float),
    )


class _Block(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in (
            "attention_norm",
            "query_norm",
            "key_norm",
            "ffn_norm",
            "qkv_bias",
            "out_bias",
            "qkv",
            "out",
            "gate_and_up",
            "down",
        )
    )


class _Rows(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("slots", "positions", "rotations", "keys", "values")),
        *((name, ctypes.c_int64) for name in ("block_stride", "slot_stride", "kept_bytes", "num_threads")),
    )


class Packer:
    """Lays weights out as the compiled code reads them.

    Args:
        library: The compiled code.
        dtype: ``torch.float32`` or ``torch.bfloat16``.
        as_bytes: Keep weights as whole numbers of 8 bits and a scale for each output.
        threads: That compute in the layers; 0: as many as torch has.
    """

    def __init__(self, library: ctypes.CDLL, dtype: torch.dtype, *, as_bytes: bool = False, threads: int = 0) -> None:
        self.library = library
        self.threads = threads
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        library.s1_block_outputs.restype = number
        library.s1_run_stack.argtypes = (ctypes.c_int32, pointer, pointer, pointer, pointer)
        library.s1_run_linear.argtypes = (ctypes.c_int32, pointer, pointer, pointer, *[number] * 4, pointer)
        library.s1_run_norm.argtypes = (pointer, ctypes.c_float, pointer, number, number, pointer)
        self.block_outputs: int = library.s1_block_outputs()
        wide = FLOAT_LAYOUTS if dtype is torch.float32 else BFLOAT_LAYOUTS
        self.layouts = [each for each in (BYTE_LAYOUTS if as_bytes else wide) if library.s1_has_layout(each)]
        self.layout = self.layouts[0]

    def pack(self, weight: Tensor) -> Tensor:
        """Lay out a weight ``[outputs, inputs]``; the result is flat."""
        weight = F.pad(weight.detach(), (0, 0, 0, -weight.shape[0] % self.block_outputs))
        match self.layout:
            case Layout.BFLOAT_TILES:
                return self._tiles(weight)
            case Layout.BFLOAT_PAIRS:
                return self._groups(weight, 2, 2).flatten()
            case Layout.BYTE_PANELS | Layout.BYTE_QUADS | Layout.BYTE_TILES:
                return self._bytes(weight)
            case _:
                return self._groups(weight, 1, 1).flatten()

    def _groups(self, weight: Tensor, size: int, multiple: int) -> Tensor:
        """Blocks ``[blocks, inputs / size, block_outputs, size]``, inputs filled up to a multiple."""
        weight = F.pad(weight, (0, -weight.shape[1] % multiple))
        return weight.view(-1, self.block_outputs, weight.shape[1] // size, size).transpose(1, 2)

    def _tiles(self, weight: Tensor) -> Tensor:
        weight = F.pad(weight, (0, -weight.shape[1] % TILE_INPUTS))
        tiles = weight.view(
            -1, self.block_outputs // TILE_OUTPUTS, TILE_OUTPUTS, weight.shape[1] // TILE_INPUTS, TILE_INPUTS // 2, 2
        )  # [blocks, tiles, outputs, steps, pairs, 2]
        return tiles.permute(0, 3, 1, 4, 2, 5).flatten()

    def _bytes(self, weight: Tensor) -> Tensor:
        """Weights of each block, then its outputs' scales, and for whole numbers the sums of their weights."""
        numbers, scales = to_bytes(weight)
        is_panels = self.layout is Layout.BYTE_PANELS
        groups = self._groups(numbers, 1, 1) if is_panels else self._groups(numbers, QUAD, STEP_INPUTS)
        parts = [groups.flatten(1), scales.view(-1, self.block_outputs).view(torch.int8)]
        if not is_panels:
            sums = numbers.sum(dim=1, dtype=torch.int32)
            parts.append(sums.view(-1, self.block_outputs).view(torch.int8))
        return torch.cat(parts, dim=1).flatten()

    def pack_in_turns(self, gate: Tensor, up: Tensor) -> Tensor:
        """Lay out two weights of the same shape, a block of the one and a block of the other in turns."""
        num_blocks = -(-gate.shape[0] // self.block_outputs)
        return torch.stack([self.pack(weight).view(num_blocks, -1) for weight in (gate, up)], dim=1).flatten()


class NativeStack(nn.Module):
    """A stack of blocks in the place of a :class:`BlockStack`; it is not meant to be saved.

    Args:
        stack: The blocks, on the CPU; their weights are given up one by one.
        sizes: Sizes of the stack.
        packer: Lays weights out.
    """

    def __init__(self, stack: BlockStack, sizes: BlockSizes, packer: Packer) -> None:
        super().__init__()
        self._library = packer.library
        self._threads = packer.threads
        self._layout = packer.layout
        self._sizes = _Sizes(
            sizes.n_layer,
            sizes.dim,
            sizes.n_head,
            sizes.n_kv_head,
            sizes.head_dim,
            sizes.intermediate_size,
            sizes.norm_eps,
        )
        self._memory: list[Tensor] = []  # what the blocks' pointers point to
        self._blocks = (_Block * sizes.n_layer)()
        for index in range(sizes.n_layer):
            self._blocks[index] = self._take(cast("TransformerBlock", stack[index]), packer)
            stack[index] = nn.Identity()

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights."""
        return sum(memory.nbytes for memory in self._memory)

    def forward(self, x: Tensor, rotations: Tensor, cache: Cache) -> Tensor:
        """Map ``[B, S, dim]`` to the same shape, in float32.

        Args:
            x: New positions of each row.
            rotations: Their rotations ``[B, S, 1, head_dim / 2]`` or broadcastable, complex64.
            cache: Where keys and values are; those of the new positions are written.
        """
        batch, length, _ = x.shape
        result = x.to(torch.float32, copy=True).contiguous()
        slots = cache.slots[:, None].expand(batch, length).contiguous()
        positions = cache.positions.contiguous()
        turns = torch.view_as_real(rotations.expand(batch, length, 1, -1)).contiguous()
        rows = _Rows(
            batch * length,
            slots.data_ptr(),
            positions.data_ptr(),
            turns.data_ptr(),
            cache.keys.data_ptr(),
            cache.values.data_ptr(),
            cache.keys.stride(0),
            cache.keys.stride(1),
            cache.keys.element_size(),
            self._threads or torch.get_num_threads(),
        )
        failed = self._library.s1_run_stack(
            self._layout,
            ctypes.byref(self._sizes),
            self._blocks,
            ctypes.byref(rows),
            result.data_ptr(),
        )
        _check(failed)
        return result

    def _take(self, block: TransformerBlock, packer: Packer) -> _Block:
        attention, feed_forward = block.attention, block.feed_forward
        has_qk_norm = attention.sizes.has_qk_norm
        weights = (
            block.attention_norm.weight.float(),
            attention.q_norm.weight.float() if has_qk_norm else None,
            attention.k_norm.weight.float() if has_qk_norm else None,
            block.ffn_norm.weight.float(),
            None if attention.wqkv.bias is None else attention.wqkv.bias.float(),
            None if attention.wo.bias is None else attention.wo.bias.float(),
            packer.pack(attention.wqkv.weight),
            packer.pack(attention.wo.weight),
            packer.pack_in_turns(feed_forward.w1.weight, feed_forward.w3.weight),
            packer.pack(feed_forward.w2.weight),
        )
        memory, addresses = _in_one_piece(weights)
        self._memory.append(memory)
        return _Block(*addresses)


class NativeLinear(nn.Module):
    """A linear layer in the place of torch's; it is not meant to be saved.

    Args:
        linear: The layer, on the CPU.
        packer: Lays weights out.
    """

    def __init__(self, linear: nn.Linear, packer: Packer) -> None:
        super().__init__()
        self._library = packer.library
        self._threads = packer.threads
        self._layout = packer.layout
        self._num_outputs, self._num_inputs = linear.weight.shape
        self._memory, (self._weight,) = _in_one_piece([packer.pack(linear.weight)])
        self._bias = None if linear.bias is None else linear.bias.detach().float()

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights."""
        return self._memory.nbytes

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, inputs]`` to ``[B, outputs]``, float32."""
        x = x.float().contiguous()
        y = x.new_empty(x.shape[0], self._num_outputs)
        failed = self._library.s1_run_linear(
            self._layout,
            self._weight,
            None if self._bias is None else self._bias.data_ptr(),
            x.data_ptr(),
            x.shape[0],
            self._num_inputs,
            self._num_outputs,
            self._threads or torch.get_num_threads(),
            y.data_ptr(),
        )
        _check(failed)
        return y


class NativeNorm(nn.Module):
    """A root-mean-square norm in the place of :class:`RMSNorm`; it is not meant to be saved.

    Args:
        norm: The norm, on the CPU.
        packer: Knows the compiled code.
    """

    def __init__(self, norm: RMSNorm, packer: Packer) -> None:
        super().__init__()
        self._library = packer.library
        self._weight = norm.weight.detach().float()
        self._eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Norm over the last dimension of ``[B, dim]``, in float32."""
        x = x.float().contiguous()
        y = torch.empty_like(x)
        self._library.s1_run_norm(self._weight.data_ptr(), self._eps, x.data_ptr(), *x.shape, y.data_ptr())
        return y


def to_bytes(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight ``[outputs, inputs]`` to whole numbers of 8 bits.

    Returns:
        Numbers ``[outputs, inputs]`` int8 from -127 to 127, and scales ``[outputs]`` float32; their product is the
        weight to within half a scale, which is 1/127 of the output's largest weight.
    """
    wide = weight.float()
    scales = wide.abs().amax(dim=1) / MOST
    numbers = (wide / scales.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).round().clamp(-MOST, MOST)
    return numbers.to(torch.int8), scales


def _in_one_piece(weights: Sequence[Tensor | None]) -> tuple[Tensor, list[int | None]]:
    """Put weights one after another into memory that numpy asks to be in large pages: those are read a third faster.

    Returns:
        The memory, and the address of each weight; none where there is no weight.
    """
    offsets = [0]
    for weight in weights:
        num_bytes = 0 if weight is None else weight.nbytes
        offsets.append(offsets[-1] + num_bytes + -num_bytes % CACHE_LINE_BYTES)
    memory = torch.from_numpy(np.empty(offsets[-1] + CACHE_LINE_BYTES, dtype=np.uint8))
    memory = memory[-memory.data_ptr() % CACHE_LINE_BYTES :]
    addresses: list[int | None] = []
    for weight, offset in zip(weights, offsets, strict=False):
        if weight is not None:
            memory[offset : offset + weight.nbytes] = weight.detach().contiguous().view(torch.uint8)
        addresses.append(None if weight is None else memory.data_ptr() + offset)
    return memory, addresses


def _check(failed: int) -> None:
    if failed:
        raise MemoryError("no memory for a step of the language model")
