"""Pieces of chunks of common sizes, captured as CUDA graphs.

A piece is hundreds of small kernels; for few frames, launching them from the host takes longer than running them. A
graph replays them in one launch. Its shapes are fixed: rows are rounded up to a captured number, and the rows over
compute for nobody. Frames are never padded, since a padded frame would move a stream's state; so chunks are cut into
pieces of the captured numbers of frames, of which 1 is one. States live where the graphs reach them.
"""

import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from s1_tts.buckets import row_buckets
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.state import SlotStates, StreamState
from s1_tts.codec.transformer import Sight
from s1_tts.cuda import GraphCapture

GRAPH_FRAMES = (1, 2, 4, 8, 12, 16, 20)
"""Frames of a piece with a graph, rising: the sizes that the chunk schedule sends while a listener has little in
store, and what the rest of any chunk is cut into. Over 20 frames computing takes longer than launching."""

SMALLEST_TRIED = 64
"""Frames of all rows from which on it is worth to try cuDNN's ways; under that launching is what takes time."""

MOST_TRYING_S = 20.0
"""Once so much time has gone into captures, the smaller shapes are computed in the way that cuDNN expects to be best: a
server that starts must not wait for minutes."""


class PieceDecoder(Protocol):
    """What is captured; :class:`~s1_tts.codec.streaming.StreamingDecoder` is one."""

    config: CodecConfig
    device: torch.device
    dtype: torch.dtype
    state_size: int

    def sight(self, positions: Tensor, num_frames: int) -> Sight:
        """What the next frames of streams at these positions see, on the CPU."""

    def decode_in_slots(self, codes: Tensor, sight: Sight, states: SlotStates) -> Tensor:
        """Decode the next frames of some streams, and move their states on."""


@dataclass(frozen=True)
class Shape:
    """Shape of one graph: ``num_rows`` streams, ``num_frames`` frames of each."""

    num_rows: int
    num_frames: int


@dataclass(frozen=True, eq=False)
class Inputs:
    """Where the graphs of one number of frames read from, or what fills it from the host.

    Args:
        codes: ``[max_rows, num_codebooks, num_frames]`` int64.
        sight: Of as many rows.
        slots: Slot of each row's state ``[max_rows]`` int64.
    """

    codes: Tensor
    sight: Sight
    slots: Tensor

    def first(self, num_rows: int) -> "Inputs":
        """Those of the first rows, sharing memory."""
        return Inputs(self.codes[:num_rows], self.sight.first(num_rows), self.slots[:num_rows])


class FixedPieces:
    """Pieces decoded with fixed shapes and in place, as a graph needs them, run eagerly.

    Args:
        decoder: Decodes them.
        max_rows: Streams decoded together at most.
        max_streams: Streams whose states are kept at most.
        frames: Frames of a piece, rising; chunks are made of these, so 1 is among them if they may have any length.
    """

    def __init__(
        self, decoder: PieceDecoder, max_rows: int, max_streams: int, frames: Sequence[int] = GRAPH_FRAMES
    ) -> None:
        self.max_rows = max_rows
        self._frames = tuple(frames)
        self._decoder = decoder
        self._row_buckets = row_buckets(max_rows)
        self._nobody = max_streams
        self._pool = torch.zeros(max_streams + 1, decoder.state_size, dtype=decoder.dtype, device=decoder.device)
        self._free = list(range(max_streams))
        self._inputs = {num_frames: self._make_inputs(num_frames) for num_frames in self._frames}

    def new_state(self) -> StreamState:
        """State of a stream that has not begun; its place is free again when nobody holds it any more.

        Raises:
            RuntimeError: there are too many streams.
        """
        if not self._free:
            raise RuntimeError(f"{self._nobody} streams have a state, as many as there is room for")
        slot = self._free.pop()
        state = StreamState(self._pool[slot].zero_(), slot=slot)
        weakref.finalize(state, self._free.append, slot)
        return state

    def piece_frames(self, left_frames: int) -> int:
        """Frames of the next piece when so many are left of a chunk."""
        return next(frames for frames in reversed(self._frames) if frames <= left_frames)

    def decode(self, codes: Tensor, sight: Sight, slots: Sequence[int]) -> Tensor:
        """Decode the next frames of some streams, and move their states on.

        Args:
            codes: ``[B, num_codebooks, T]`` int64 on the CPU; ``B`` up to ``max_rows``, ``T`` one of ``frames``.
            sight: Of these rows, on the CPU.
            slots: Of their states.

        Returns:
            Samples ``[B, T * samples_per_frame]`` float32.
        """
        num_rows, _, num_frames = codes.shape
        bucket = next(bucket for bucket in self._row_buckets if bucket >= num_rows)
        inputs = self._inputs[num_frames].first(bucket)
        places = torch.full((bucket,), self._nobody)
        places[:num_rows] = torch.tensor(slots)
        self._send(places, inputs.slots)
        self._send(codes, inputs.codes[:num_rows])
        self._send(sight.positions, inputs.sight.positions[:num_rows])
        self._send(sight.angles, inputs.sight.angles[:num_rows])
        return self._run(Shape(bucket, num_frames))[:num_rows].clone()  # the next run may overwrite them

    def _run(self, shape: Shape) -> Tensor:
        return self._piece(shape)

    def _piece(self, shape: Shape) -> Tensor:
        inputs = self._inputs[shape.num_frames].first(shape.num_rows)
        return self._decoder.decode_in_slots(inputs.codes, inputs.sight, SlotStates(self._pool, inputs.slots))

    def _make_inputs(self, num_frames: int) -> Inputs:
        config, device = self._decoder.config, self._decoder.device
        codes = torch.zeros(self.max_rows, config.num_codebooks, num_frames, dtype=torch.int64, device=device)
        sight = self._decoder.sight(torch.zeros(self.max_rows, dtype=torch.int64), num_frames)
        slots = torch.full((self.max_rows,), self._nobody, device=device)
        return Inputs(codes, sight.to(device), slots)

    def _send(self, values: Tensor, place: Tensor) -> None:
        """Copy to the device without waiting, from memory that torch keeps until the copy is over."""
        place.copy_(values.pin_memory() if place.is_cuda else values, non_blocking=True)


class GraphedPieces(FixedPieces):
    """Pieces captured once and replayed; needs a CUDA device."""

    def __init__(
        self, decoder: PieceDecoder, max_rows: int, max_streams: int, frames: Sequence[int] = GRAPH_FRAMES
    ) -> None:
        super().__init__(decoder, max_rows, max_streams, frames)
        self._replays: dict[Shape, Callable[[], Tensor]] = {}
        self._graphs = GraphCapture(decoder.device)

    @torch.inference_mode()
    def capture_all(self, trying_s: float = MOST_TRYING_S) -> None:
        """Capture every shape, the largest first so that the smaller ones reuse its memory.

        cuDNN tries its ways to compute the convolutions of the larger ones, which takes seconds.

        Args:
            trying_s: For how long it does.
        """
        ends_s = time.monotonic() + trying_s
        try:
            for num_rows in reversed(self._row_buckets):
                for num_frames in reversed(self._frames):
                    shape = Shape(num_rows, num_frames)
                    is_tried = num_rows * num_frames >= SMALLEST_TRIED and time.monotonic() < ends_s
                    torch.backends.cudnn.benchmark = is_tried
                    self._replays[shape] = self._graphs.capture(partial(self._piece, shape))
        finally:
            torch.backends.cudnn.benchmark = False

    def _run(self, shape: Shape) -> Tensor:
        return self._replays[shape]()
