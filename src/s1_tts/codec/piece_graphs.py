"""Pieces of chunks of common sizes, captured as CUDA graphs.

A piece is hundreds of small kernels; for few frames, launching them from the host takes longer than running them. A
graph replays them in one launch. Its shapes are fixed: rows are rounded up to a captured number, and the rows over
compute for nobody. Frames are never padded, since a padded frame would move a stream's state; so only some numbers
of frames have graphs, and larger chunks are cut into them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from s1_tts.buckets import row_buckets
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.transformer import Sight

GRAPH_FRAMES = (4, 8, 12, 16, 20)
"""Frames of a piece with a graph, rising: the sizes that the chunk schedule sends while a listener has little in
store. Over 20 frames computing takes longer than launching, so larger chunks gain nothing from graphs of their own."""

WARM_UP_RUNS = 2
"""Runs before a capture, so that libraries set themselves up outside the graph."""


class PieceDecoder(Protocol):
    """What is captured; :class:`~s1_tts.codec.streaming.StreamingDecoder` is one."""

    config: CodecConfig
    device: torch.device
    dtype: torch.dtype
    state_size: int

    def sight(self, positions: Tensor, num_frames: int) -> Sight:
        """What the next frames of streams at these positions see."""

    def decode_piece(self, codes: Tensor, sight: Sight, states: Tensor) -> Tensor:
        """Decode the next frames of some streams."""


@dataclass(frozen=True)
class Shape:
    """Shape of one graph: ``num_rows`` streams, ``num_frames`` frames of each."""

    num_rows: int
    num_frames: int


@dataclass(frozen=True, eq=False)
class Inputs:
    """Where the graphs of one number of frames read from.

    Args:
        codes: ``[max_rows, num_codebooks, num_frames]`` int64.
        sight: Of as many rows.
    """

    codes: Tensor
    sight: Sight

    def first(self, num_rows: int) -> "Inputs":
        """Those of the first rows, sharing memory."""
        return Inputs(self.codes[:num_rows], Sight(self.sight.angles[:num_rows], self.sight.mask[:num_rows]))


class FixedPieces:
    """Pieces decoded with fixed shapes and in place, as a graph needs them, run eagerly.

    Args:
        decoder: Decodes them.
        max_rows: Streams decoded together at most.
    """

    def __init__(self, decoder: PieceDecoder, max_rows: int) -> None:
        self.max_rows = max_rows
        self._decoder = decoder
        self._row_buckets = row_buckets(max_rows)
        self._states = torch.zeros(max_rows, decoder.state_size, dtype=decoder.dtype, device=decoder.device)
        self._inputs = {num_frames: self._make_inputs(num_frames) for num_frames in GRAPH_FRAMES}

    def has(self, num_frames: int) -> bool:
        """Whether :meth:`decode` takes pieces of so many frames."""
        return num_frames in self._inputs

    def piece_frames(self, left_frames: int) -> int:
        """Frames of the next piece when so many are left of a chunk."""
        return min(left_frames, GRAPH_FRAMES[-1])

    def decode(self, codes: Tensor, sight: Sight, states: Tensor) -> Tensor:
        """Decode the next frames of some streams.

        Args:
            codes: ``[B, num_codebooks, T]`` int64 on any device; ``B`` up to ``max_rows``, ``T`` one that it has.
            sight: Of these rows.
            states: ``[B, N]``, moved on.

        Returns:
            Samples ``[B, T * samples_per_frame]`` float32.
        """
        num_rows, _, num_frames = codes.shape
        inputs = self._inputs[num_frames].first(num_rows)
        inputs.codes.copy_(codes)
        inputs.sight.angles.copy_(sight.angles)
        inputs.sight.mask.copy_(sight.mask)
        self._states[:num_rows].copy_(states)
        bucket = next(bucket for bucket in self._row_buckets if bucket >= num_rows)
        samples = self._run(Shape(bucket, num_frames))[:num_rows].clone()  # the next run may overwrite them
        states.copy_(self._states[:num_rows])
        return samples

    def _run(self, shape: Shape) -> Tensor:
        return self._piece(shape)

    def _piece(self, shape: Shape) -> Tensor:
        inputs = self._inputs[shape.num_frames].first(shape.num_rows)
        return self._decoder.decode_piece(inputs.codes, inputs.sight, self._states[: shape.num_rows])

    def _make_inputs(self, num_frames: int) -> Inputs:
        config, device = self._decoder.config, self._decoder.device
        codes = torch.zeros(self.max_rows, config.num_codebooks, num_frames, dtype=torch.int64, device=device)
        return Inputs(codes, self._decoder.sight(torch.zeros(self.max_rows, dtype=torch.int64), num_frames))


class GraphedPieces(FixedPieces):
    """Pieces captured once and replayed; needs a CUDA device."""

    def __init__(self, decoder: PieceDecoder, max_rows: int) -> None:
        super().__init__(decoder, max_rows)
        self._replays: dict[Shape, Callable[[], Tensor]] = {}
        self._memory_pool = torch.cuda.graph_pool_handle()

    @torch.inference_mode()
    def capture_all(self) -> None:
        """Capture every shape, the largest first so that the smaller ones reuse its memory."""
        with torch.cuda.device(self._decoder.device):  # a stream belongs to the device that is current
            for num_rows in reversed(self._row_buckets):
                for num_frames in reversed(GRAPH_FRAMES):
                    shape = Shape(num_rows, num_frames)
                    self._replays[shape] = self._capture(shape)

    def _run(self, shape: Shape) -> Tensor:
        with torch.cuda.device(self._decoder.device):
            return self._replays[shape]()

    def _capture(self, shape: Shape) -> Callable[[], Tensor]:
        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(WARM_UP_RUNS):
                self._piece(shape)
        torch.cuda.current_stream().wait_stream(side_stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory_pool):
            samples = self._piece(shape)

        def replay() -> Tensor:
            graph.replay()
            return samples

        return replay
