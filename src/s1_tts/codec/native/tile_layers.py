"""Convolutions and linear layers of the codec that AMX multiplies: float32 in and out, products of bfloat16."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_tts.codec.state import StateLayout
from s1_tts.device import cpu_flags
from s1_tts.native.compiler import Program, load_library

TILE_FLAGS = frozenset({"amx_bf16", "amx_tile", "avx512_bf16"})
"""What the CPU has to be able to do."""

PROGRAM = Program("codec", Path(__file__).parent / "codec.cpp", "the codec", "runs slower")

TILE_INPUTS = 32
TILE_OUTPUTS = 16
BLOCK_OUTPUTS = 32
PAIR = 2
LANES = 16
"""Numbers that attention takes at a time."""


class _Conv(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "alpha", "inverse")),
        *((name, ctypes.c_int64) for name in ("parts", "channels", "outputs", "taps", "dilation", "stride", "context")),
    )


class _Piece(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "tails", "residual", "y")),
        *((name, ctypes.c_int64) for name in ("batch", "length", "tail_stride", "num_threads")),
    )


class _Window(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("query", "key", "value", "keys", "values", "mask", "y")),
        *(
            (name, ctypes.c_int64)
            for name in ("batch", "length", "context", "heads", "head_width", "state_stride", "num_threads")
        ),
    )


@dataclass(frozen=True)
class Activation:
    """A snake before a convolution: its ``alpha [channels]`` and the inverse of it, float32."""

    alpha: Tensor
    inverse: Tensor


@dataclass(frozen=True, eq=False)
class TileKernels:
    """Makes layers.

    Args:
        library: The compiled code.
        parts: Numbers of bfloat16 that stand for one of float32: 1 rounds inputs and weights to 2^-8 of their size, 2
            to 2^-16, for three times the products.
    """

    library: ctypes.CDLL
    parts: int

    @classmethod
    def find(cls, *, parts: int) -> Self | None:
        """Compile the code, or take what was compiled; none where the CPU has no AMX or there is no compiler."""
        if not cpu_flags() >= TILE_FLAGS:
            return None
        library = load_library(PROGRAM)
        if library is None or not library.s1_has_tiles():
            return None
        library.s1_convolve.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        library.s1_attend.argtypes = (ctypes.c_void_p,)
        return cls(library, parts)

    def attend(self, joint: Sequence[Tensor], past: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Attend from new positions, each over its window.

        Args:
            joint: Queries, keys and values ``[B, T, H, head_dim]`` float32; ``head_dim`` a multiple of 16.
            past: Keys and values ``[B, context, H, head_dim]`` in the streams' states; moved on.
            mask: ``[B, 1, T, context + T]`` bool.

        Returns:
            ``[B, T, H, head_dim]``.
        """
        query, key, value = (each.contiguous() for each in joint)
        keys, values = past
        mask = mask.contiguous()
        y = torch.empty_like(query)
        batch, length, heads, head_width = query.shape
        window = _Window(
            *(each.data_ptr() for each in (query, key, value, keys, values, mask, y)),
            batch,
            length,
            keys.shape[1],
            heads,
            head_width,
            keys.stride(0),
            torch.get_num_threads(),
        )
        if self.library.s1_attend(ctypes.byref(window)):
            raise MemoryError("no memory for a layer of the codec")
        return y

    def pack(self, weight: Tensor) -> Tensor:
        """Lay out a weight ``[outputs, channels, taps]``; the result is flat, bfloat16."""
        weight = weight.detach().float()
        weight = F.pad(weight, (0, 0, 0, -weight.shape[1] % TILE_INPUTS, 0, -weight.shape[0] % BLOCK_OUTPUTS))
        parts = []
        for _ in range(self.parts):
            parts.append(weight.bfloat16())
            weight = weight - parts[-1].float()
        outputs, channels, taps = weight.shape
        tiles = torch.stack(parts).view(
            self.parts,
            outputs // BLOCK_OUTPUTS,
            BLOCK_OUTPUTS // TILE_OUTPUTS,
            TILE_OUTPUTS,
            channels // TILE_INPUTS,
            TILE_INPUTS // PAIR,
            PAIR,
            taps,
        )  # [parts, blocks, tiles, outputs, steps, pairs, 2, taps]
        return tiles.permute(1, 7, 4, 0, 2, 5, 3, 6).flatten()


class TileConv:
    """As :class:`~s1_tts.codec.causal_layers.CausalConv`, in float32.

    Args:
        kernels: The compiled code.
        weight: ``[C_out, C_in, kernel]``.
        bias: ``[C_out]``.
        layout: Where the state's span is reserved.
        stride: Inputs per output; chunks are multiples of it.
        dilation: Inputs between two taps.
        activation: Of the input, if one goes before.
    """

    def __init__(  # what a convolution is
        self,
        kernels: TileKernels,
        weight: Tensor,
        bias: Tensor,
        layout: StateLayout,
        *,
        stride: int = 1,
        dilation: int = 1,
        activation: Activation | None = None,
    ) -> None:
        self._library = kernels.library
        self._outputs, channels, taps = weight.shape
        self._stride = stride
        self.context = (taps - 1) * dilation + 1 - stride
        self.span = layout.take(self.context, channels)
        self._memory = (kernels.pack(weight), bias.float().contiguous(), activation)  # what the pointers point to
        self._conv = _Conv(
            self._memory[0].data_ptr(),
            self._memory[1].data_ptr(),
            activation.alpha.data_ptr() if activation else None,
            activation.inverse.data_ptr() if activation else None,
            kernels.parts,
            channels,
            self._outputs,
            taps,
            dilation,
            stride,
            self.context,
        )

    def __call__(self, x: Tensor, states: Tensor, residual: Tensor | None = None) -> Tensor:
        """Convolve the next chunk.

        Args:
            x: ``[B, T, C_in]`` float32.
            states: ``[B, N]`` float32; moved on by ``T``.
            residual: ``[B, T / stride, C_out]``, added to the result.

        Returns:
            ``[B, T / stride, C_out]``.
        """
        x = x.contiguous()
        batch, length, _ = x.shape
        y = x.new_empty(batch, length // self._stride, self._outputs)
        tails = self.span.of(states)
        piece = _Piece(
            x.data_ptr(),
            tails.data_ptr(),
            None if residual is None else residual.data_ptr(),
            y.data_ptr(),
            batch,
            length,
            states.stride(0),
            torch.get_num_threads(),
        )
        if self._library.s1_convolve(ctypes.byref(self._conv), ctypes.byref(piece)):
            raise MemoryError("no memory for a layer of the codec")
        return y


class TileProjection:
    """As :class:`~s1_tts.codec.packed.PackedProjection`, in float32.

    Args:
        kernels: The compiled code.
        weight: ``[out, in]``.
        bias: ``[out]``, or none.
    """

    def __init__(self, kernels: TileKernels, weight: Tensor, bias: Tensor | None = None) -> None:
        bias = weight.new_zeros(weight.shape[0]) if bias is None else bias
        self._conv = TileConv(kernels, weight[:, :, None], bias, StateLayout())
        self._no_states = torch.empty(1, 0)

    def __call__(self, x: Tensor) -> Tensor:
        """Map ``x [..., in]``."""
        return self._conv(x.reshape(1, -1, x.shape[-1]), self._no_states).view(*x.shape[:-1], -1)
