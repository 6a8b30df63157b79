"""Keys and values of running sequences, and the ways to attend over them.

One pool is made at start: every slot has room for a whole context, so a sequence that runs can never be stopped by
another one's needs. A slot is written from position 0 on; what an earlier owner left behind it is never read,
because a query sees only positions up to its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from torch import Tensor

from s1_protocol.errors import SettingsError
from s1_tts.lm.config import BlockSizes

GPU_RESERVE_BYTES = 3 * 2**30
"""Left for graphs, voices' prefixes and the codec's and the encoder's processes, which look at the same memory."""


class KvPool:
    """Keys and values of all layers and slots.

    Args:
        sizes: Sizes of the slow transformer.
        num_slots: Sequences at once.
        num_positions: Positions of a slot.
        dtype: Dtype of keys and values.
        device: Where they live.

    Raises:
        SettingsError: the pool does not fit into the device's memory.
    """

    def __init__(
        self, sizes: BlockSizes, num_slots: int, num_positions: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.num_slots = num_slots
        self.num_positions = num_positions
        # Positions outermost in a slot: a sequence then touches memory as it grows, also where pages are of 2 MB.
        shape = (sizes.n_layer, num_slots, num_positions, sizes.n_kv_head, sizes.head_dim)
        size_bytes = 2 * torch.Size(shape).numel() * dtype.itemsize
        free_bytes = _free_bytes(device)
        if size_bytes > free_bytes:
            raise SettingsError(
                f"a KV pool of {num_slots} slots x {num_positions} positions takes {size_bytes / 2**30:.1f} GiB and "
                f"{device} has {free_bytes / 2**30:.1f} GiB for it; lower S1_MAX_SLOTS or S1_CONTEXT_TOKENS"
            )
        self.keys = _zeros(shape, dtype, device)
        self.values = _zeros(shape, dtype, device)

    @property
    def size_bytes(self) -> int:
        """Bytes of keys and values in all."""
        return self.keys.nbytes + self.values.nbytes

    def clear(self, slot: int) -> None:
        """Forget a slot whose sequence failed, so that no NaN of it outlives it."""
        self.keys[:, slot] = 0
        self.values[:, slot] = 0


@dataclass(frozen=True)
class Span:
    """New positions of one sequence.

    Args:
        slot: Its slot in the pool.
        start: First new position.
        end: One past the last new position.
    """

    slot: int
    start: int
    end: int


class SpanAttention:
    """Attend row by row over exactly the keys in use.

    Rows do not touch one another, so a row's numbers are the same in every company. The loop costs a few
    microseconds a row and layer, which a CPU does not notice and a GPU does: see :class:`BucketAttention`.

    Args:
        pool: Where keys and values live.
        spans: New positions, one span a row of the batch, all of the same length.
    """

    def __init__(self, pool: KvPool, spans: Sequence[Span]) -> None:
        self.keys, self.values = pool.keys, pool.values
        self._spans = spans
        self._length = spans[0].end - spans[0].start
        device = pool.keys.device
        self.slots = torch.tensor([span.slot for span in spans], device=device)
        self.positions = torch.tensor([span.start for span in spans], device=device)[:, None] + torch.arange(
            self._length, device=device
        )  # [B, S]

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend in one layer; see :class:`s1_tts.lm.layers.Attend`."""
        keys, values = self.keys[layer], self.values[layer]  # [slots, positions, n_kv_head, head_dim]
        slots = self.slots[:, None]
        keys[slots, self.positions] = key
        values[slots, self.positions] = value
        rows = []
        for row, span in enumerate(self._spans):
            seen = keys[span.slot, : span.end].transpose(0, 1), values[span.slot, : span.end].transpose(0, 1)
            rows.append(self._attend_row(query[row], *seen))
        return torch.stack(rows)

    @cached_property
    def _mask(self) -> Tensor | None:
        return _causal_mask(self._spans[0], self.keys.device) if self._length > 1 else None

    def _attend_row(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        length, n_head, head_dim = query.shape
        n_kv_head = keys.shape[0]
        if self._mask is None:
            # The queries that share a key head are rows of one small attention: nothing is repeated.
            grouped = query.view(1, n_kv_head, n_head // n_kv_head, head_dim)
            attended = F.scaled_dot_product_attention(grouped, keys[None], values[None])
            return attended.reshape(1, n_head * head_dim)
        attended = F.scaled_dot_product_attention(
            query.transpose(0, 1)[None], keys[None], values[None], attn_mask=self._mask, enable_gqa=True
        )  # [1, n_head, S, head_dim]
        return attended[0].transpose(0, 1).reshape(length, n_head * head_dim)


class BucketAttention:
    """Attend for slots ``0 .. B-1`` at once, one new position a row, with shapes that do not depend on positions.

    Made for CUDA graphs: the positions are a tensor that may change between replays. Rows without a sequence compute
    on whatever their slot holds, and nobody reads the result.

    Args:
        pool: Where keys and values live.
        positions: New position of each row ``[B]``, int64.
        num_keys: Keys attended over; must be over every position.
    """

    def __init__(self, pool: KvPool, positions: Tensor, num_keys: int) -> None:
        self._pool = pool
        self._positions = positions
        self._num_keys = num_keys
        self._rows = torch.arange(positions.shape[0], device=positions.device)
        keys = torch.arange(num_keys, device=positions.device)
        self._mask = (keys <= positions[:, None])[:, None, None, :]  # [B, 1, 1, num_keys]

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend in one layer; see :class:`s1_tts.lm.layers.Attend`."""
        batch, _, n_head, head_dim = query.shape
        n_kv_head = key.shape[2]
        keys, values = self._pool.keys[layer], self._pool.values[layer]  # [slots, positions, n_kv_head, head_dim]
        keys[self._rows, self._positions] = key[:, 0]
        values[self._rows, self._positions] = value[:, 0]
        grouped = query.view(batch, n_kv_head, n_head // n_kv_head, head_dim)
        mask = self._mask.expand(batch, n_kv_head, n_head // n_kv_head, self._num_keys)
        attended = F.scaled_dot_product_attention(
            grouped,
            keys[:batch, : self._num_keys].transpose(1, 2),
            values[:batch, : self._num_keys].transpose(1, 2),
            attn_mask=mask,
        )
        return attended.reshape(batch, 1, n_head * head_dim)


class FrameAttention:
    """Attention of the fast transformer: at most ``num_codebooks`` positions, all rows at the same one.

    Args:
        sizes: Sizes of the fast transformer.
        num_positions: Positions of a frame.
        num_rows: Rows of the batch.
        dtype: Dtype of keys and values.
        device: Where they live.
    """

    def __init__(
        self, sizes: BlockSizes, num_positions: int, num_rows: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = (sizes.n_layer, num_rows, num_positions, sizes.n_kv_head, sizes.head_dim)
        self.keys = torch.empty(shape, dtype=dtype, device=device)
        self.values = torch.empty(shape, dtype=dtype, device=device)
        self.start = self.end = 0
        """New positions of all rows."""

    @property
    def slots(self) -> Tensor:
        """Place of each row in keys and values ``[B]``, int64."""
        return torch.arange(self.keys.shape[1], device=self.keys.device)

    @property
    def positions(self) -> Tensor:
        """New positions of each row ``[B, S]``, int64."""
        return torch.arange(self.start, self.end, device=self.keys.device).expand(self.keys.shape[1], -1)

    def advance(self, num_positions: int) -> None:
        """Go on to the next positions; several only at the frame's start."""
        self.start, self.end = self.end, self.end + num_positions

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend in one layer; see :class:`s1_tts.lm.layers.Attend`."""
        batch, length, n_head, head_dim = query.shape
        n_kv_head = key.shape[2]
        keys, values = self.keys[layer], self.values[layer]  # [B, positions, n_kv_head, head_dim]
        keys[:, self.start : self.end] = key
        values[:, self.start : self.end] = value
        seen = keys[:, : self.end].transpose(1, 2), values[:, : self.end].transpose(1, 2)
        if length == 1:
            grouped = query.view(batch, n_kv_head, n_head // n_kv_head, head_dim)
            return F.scaled_dot_product_attention(grouped, *seen).reshape(batch, 1, n_head * head_dim)
        attended = F.scaled_dot_product_attention(query.transpose(1, 2), *seen, is_causal=True, enable_gqa=True)
        return attended.transpose(1, 2).reshape(batch, length, n_head * head_dim)


def _causal_mask(span: Span, device: torch.device) -> Tensor:
    queries = torch.arange(span.start, span.end, device=device)
    keys = torch.arange(span.end, device=device)
    return keys <= queries[:, None]  # [S, end]


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros and not garbage: a masked position is multiplied by zero, and zero times NaN is NaN.

    On a CPU the system hands out zero pages as they are touched, so the pool costs no memory before it is used;
    ``torch.zeros`` would write all of it.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    untouched = np.zeros(torch.Size(shape).numel() * dtype.itemsize, dtype=np.uint8)
    return torch.from_numpy(untouched).view(dtype).view(shape)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) - GPU_RESERVE_BYTES
    return int(psutil.virtual_memory().available)
