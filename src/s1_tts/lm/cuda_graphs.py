"""Decode steps captured as CUDA graphs, one for each bucket of rows and keys.

A step at small batch is a thousand small kernels; launching them from the host takes longer than running them. A
graph replays them in one launch. Its shapes are fixed, so a step runs the first ``R`` slots (free ones included)
over the first ``K`` keys, both rounded up to a captured bucket.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from s1_tts.buckets import doubling, row_buckets
from s1_tts.cuda import GraphCapture
from s1_tts.lm.decode import SlotState, StepRows, decode_step
from s1_tts.lm.kv_cache import BucketAttention, KvPool
from s1_tts.lm.model import DualArModel

SMALLEST_KEY_BUCKET = 512


class DecodingRow(Protocol):
    """A slot that decodes, and the position of its next column."""

    @property
    def slot(self) -> int:
        """Slot in the pool."""

    @property
    def position(self) -> int:
        """Position of the next column."""


@dataclass(frozen=True)
class Bucket:
    """Shape of one graph: ``num_rows`` slots over ``num_keys`` keys."""

    num_rows: int
    num_keys: int


def key_buckets(num_positions: int) -> list[int]:
    """Doublings of the smallest bucket up to the number of positions, and that number."""
    return doubling(SMALLEST_KEY_BUCKET, num_positions)


class BucketedDecode:
    """Decode steps with bucketed shapes, as a graph needs them, run eagerly.

    Args:
        model: The model.
        state: Per-slot tensors.
        pool: KV pool; its last position is scratch space for slots that do not decode.
    """

    def __init__(self, model: DualArModel, state: SlotState, pool: KvPool) -> None:
        self._model = model
        self._state = state
        self._pool = pool
        self._scratch_position = pool.num_positions - 1
        self._row_buckets = row_buckets(pool.num_slots)
        self._key_buckets = key_buckets(self._scratch_position)  # nobody reads what scratch sees
        self._positions = torch.full((pool.num_slots,), self._scratch_position, device=pool.keys.device)

    def decode(self, rows: Sequence[DecodingRow]) -> Tensor:
        """Decode one frame of each row.

        Returns:
            Frames of the first slots ``[R, num_codebooks]`` on the device, by slot; those of other slots than the
            rows' mean nothing. They are overwritten by the next call.
        """
        positions = [self._scratch_position] * self._pool.num_slots
        for row in rows:
            positions[row.slot] = row.position
        self._positions.copy_(torch.tensor(positions), non_blocking=True)
        bucket = Bucket(
            num_rows=_smallest_over(self._row_buckets, max(row.slot for row in rows)),
            num_keys=_smallest_over(self._key_buckets, max(row.position for row in rows)),
        )
        return self._run(bucket)

    def _run(self, bucket: Bucket) -> Tensor:
        return self._step(bucket)

    def _step(self, bucket: Bucket) -> Tensor:
        positions = self._positions[: bucket.num_rows]
        attend = BucketAttention(self._pool, positions, bucket.num_keys)
        rows = StepRows(slots=slice(0, bucket.num_rows), positions=positions, attend=attend)
        return decode_step(self._model, self._state, rows)


class GraphedDecode(BucketedDecode):
    """Bucketed decode steps, captured once and replayed; needs a CUDA device."""

    def __init__(self, model: DualArModel, state: SlotState, pool: KvPool) -> None:
        super().__init__(model, state, pool)
        self._replays: dict[Bucket, Callable[[], Tensor]] = {}
        self._graphs = GraphCapture(pool.keys.device)

    @torch.inference_mode()
    def capture_all(self) -> None:
        """Capture every bucket, the largest first so that the smaller ones reuse its memory."""
        for num_rows in reversed(self._row_buckets):
            for num_keys in reversed(self._key_buckets):
                bucket = Bucket(num_rows, num_keys)
                self._replays[bucket] = self._capture(bucket)

    def _run(self, bucket: Bucket) -> Tensor:
        if bucket not in self._replays:
            self._replays[bucket] = self._capture(bucket)
        return self._replays[bucket]()

    def _capture(self, bucket: Bucket) -> Callable[[], Tensor]:
        columns, window = self._state.columns.clone(), self._state.window.clone()
        replay = self._graphs.capture(lambda: self._step(bucket))
        self._state.columns.copy_(columns)  # the warm-up's runs changed them
        self._state.window.copy_(window)
        return replay


def _smallest_over(buckets: list[int], index: int) -> int:
    return next(bucket for bucket in buckets if bucket > index)
