"""Decode codes of many streams, chunk by chunk, as if each had been decoded alone and at once."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_tts.codec.codec_config import CODEC_WEIGHTS_FILE, CodecConfig
from s1_tts.codec.decoder import ConvDecoder
from s1_tts.codec.native.tile_layers import TileKernels
from s1_tts.codec.packed import exact_products
from s1_tts.codec.piece_graphs import GRAPH_FRAMES, MOST_TRYING_S, FixedPieces, GraphedPieces
from s1_tts.codec.quantizer import CodesToLatent
from s1_tts.codec.state import SlotStates, StateLayout, StreamState
from s1_tts.codec.transformer import Sight
from s1_tts.codec.weights import Weights
from s1_tts.state_dict import unchanged

if TYPE_CHECKING:
    from s1_tts.codec.fused.decoder import FusedDecoder

MAX_PIECE_FRAMES = 64
"""Frames decoded in one go, so that a long chunk takes no more memory than a short one."""


class StreamingDecoder:
    """Codes to samples, exact for every chunking.

    Everything is causal, and what a layer needs of the past is in the stream's :class:`StreamState`; so chunks give
    the samples of the whole decode, and no chunk costs more than an earlier one. One thread at a time.

    Args:
        weights: Of the whole checkpoint; only the decode path is read.
        config: Sizes.
    """

    def __init__(self, weights: Weights, config: CodecConfig) -> None:
        layout = StateLayout()
        self.config = config
        self.device = weights.device
        self.dtype = weights.dtype
        self._to_latent = CodesToLatent(weights.under("quantizer"), config, layout)
        self._to_samples = ConvDecoder(weights.under("decoder"), config, layout)
        self.state_size = layout.size
        self._fixed: FixedPieces | None = None
        self._fused: FusedDecoder | None = None

    @classmethod
    def load(
        cls, folder: Path, device: torch.device, dtype: torch.dtype, kernels: TileKernels | None = None
    ) -> "StreamingDecoder":
        """Load the decode path of a checkpoint.

        Args:
            folder: Holds ``codec.pth`` and, for other sizes than S1-mini's, ``codec.json``.
            device: Where to decode.
            dtype: float32 or bfloat16.
            kernels: What makes its layers, in float32; none: they are torch's.

        Raises:
            CheckpointError: the checkpoint is missing, unreadable, or not of the published layout.
        """
        config = CodecConfig.load(folder)
        with unchanged(folder / CODEC_WEIGHTS_FILE):
            return cls(Weights.load(folder, config, device, dtype, kernels), config)

    @property
    def keeps_states(self) -> bool:
        """Whether a :meth:`decode` that fails leaves the states as they were."""
        return self._fixed is None

    @property
    def state_bytes(self) -> int:
        """Memory the state of one stream takes."""
        return self.state_size * self.dtype.itemsize

    def new_state(self) -> StreamState:
        """State of a stream that has not begun."""
        if self._fixed is not None:
            return self._fixed.new_state()
        return StreamState(torch.zeros(self.state_size, dtype=self.dtype, device=self.device))

    def use_graphs(
        self,
        max_rows: int,
        max_streams: int,
        frames: Sequence[int] = GRAPH_FRAMES,
        trying_s: float = MOST_TRYING_S,
    ) -> None:
        """Capture CUDA graphs of pieces, which takes seconds; on another device nothing happens.

        Args:
            max_rows: Streams decoded together at most.
            max_streams: Streams whose states are kept at most; their memory is taken now.
            frames: Frames of a piece, see :class:`~s1_tts.codec.piece_graphs.FixedPieces`.
            trying_s: How long cuDNN tries its ways.
        """
        if self.device.type == "cuda":
            graphed = GraphedPieces(self, max_rows, max_streams, frames)
            graphed.capture_all(trying_s)
            self._fixed = graphed

    def use_kernels(self) -> None:
        """Compute what lies between convolutions and matrix products of states in slots by Triton kernels.

        Before graphs are captured and streams begin: a state has its keys and values in another order then.
        """
        # Triton comes with torch's CUDA builds alone
        from s1_tts.codec.fused.decoder import FusedDecoder  # noqa: PLC0415

        self._fused = FusedDecoder(self._to_latent, self._to_samples)

    def use_fixed_shapes(self, max_rows: int, max_streams: int) -> None:
        """Decode pieces as graphs would, but run them eagerly; for comparison, on any device."""
        self._fixed = FixedPieces(self, max_rows, max_streams)

    def sight(self, positions: Tensor, num_frames: int) -> Sight:
        """What the next frames of streams at these positions ``[B]`` see, on the CPU."""
        return self._to_latent.sight(positions, num_frames)

    def decode_piece(self, codes: Tensor, sight: Sight, states: Tensor) -> Tensor:
        """Decode the next frames of some streams by torch's layers.

        Args:
            codes: ``[B, num_codebooks, T]`` int64, on the device.
            sight: See :meth:`sight`; on the device.
            states: ``[B, N]``, moved on.

        Returns:
            Samples ``[B, T * samples_per_frame]`` float32.
        """
        with exact_products(self.device, self.dtype):
            return self._to_samples(self._to_latent.apply(codes, sight, states), states)

    def decode_in_slots(self, codes: Tensor, sight: Sight, states: SlotStates) -> Tensor:
        """As :meth:`decode_piece`, of states in slots; a CUDA graph can hold it.

        Kernels work on the states where they are. Torch's layers do not, so they are copied out of the slots and back.
        """
        if self._fused is not None:
            with exact_products(self.device, self.dtype):
                return self._fused(codes, sight, states)
        values = states.pool.index_select(0, states.slots)
        samples = self.decode_piece(codes, sight, values)
        states.pool.index_copy_(0, states.slots, values)
        return samples

    def check(self, codes: Tensor) -> None:
        """Check one chunk before it is decoded with others.

        Args:
            codes: ``[num_codebooks, T]``, integers from 0 to below the size of the semantic codebook; a residual
                code past the end of its smaller codebook is taken for the last entry, as the reference does.

        Raises:
            InvalidArgumentError: another shape or type, or a code out of range.
        """
        rows, size = self.config.num_codebooks, self.config.semantic_codebook_size
        if codes.ndim != 2 or codes.shape[0] != rows:
            raise InvalidArgumentError(Field.CODES, f"has shape {list(codes.shape)}", f"[{rows}, frames]")
        if codes.is_floating_point() or codes.is_complex() or codes.dtype == torch.bool:
            raise InvalidArgumentError(Field.CODES, f"is of type {codes.dtype}", "integers")
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < size:
            raise InvalidArgumentError(
                Field.CODES, f"holds codes from {int(codes.min())} to {int(codes.max())}", f"0 to {size - 1}"
            )

    @torch.inference_mode()
    def decode(self, states: Sequence[StreamState], codes: Sequence[Tensor]) -> list[Tensor]:
        """Decode the next chunk of each stream.

        Rows may be at different positions and of different lengths: rows are decoded together for as long as the
        shortest lasts, then the others go on, so no row computes another's padding.

        Args:
            states: One a stream, each stream once; moved on. For an error, see :attr:`keeps_states`.
            codes: ``[num_codebooks, T]`` of each stream, see :meth:`check`; ``T`` may be 0.

        Returns:
            Samples ``[T * samples_per_frame]`` of each stream, float32 in [-1, 1], on the decoder's device.

        Raises:
            InvalidArgumentError: a chunk is wrong; nothing has been decoded.
        """
        for chunk in codes:
            self.check(chunk)
        longest_first = sorted(range(len(codes)), key=lambda row: -codes[row].shape[1])
        rows = [row for row in longest_first if codes[row].shape[1]]
        samples = [torch.empty(0, device=self.device) for _ in codes]
        if not rows:
            return samples
        ordered = [states[row] for row in rows], [codes[row] for row in rows]
        sounds = self._decode_plain(*ordered) if self._fixed is None else self._decode_fixed(self._fixed, *ordered)
        for row, sound in zip(rows, sounds, strict=True):
            states[row].position += codes[row].shape[1]
            samples[row] = sound
        return samples

    def _decode_plain(self, states: list[StreamState], codes: list[Tensor]) -> list[Tensor]:
        """Decode rows, the longest first, piece by piece; gives each row's sound, and moves states on at its end."""
        values = torch.stack([state.values for state in states])  # [B, N]
        pieces: list[list[Tensor]] = [[] for _ in states]
        for done, active, num_frames in _cuts(codes, lambda left: min(left, MAX_PIECE_FRAMES)):
            piece = torch.stack([row[:, done : done + num_frames] for row in codes[:active]])
            positions = torch.tensor([state.position + done for state in states[:active]])
            sight = self.sight(positions, num_frames).to(self.device)
            decoded = self.decode_piece(piece.to(self.device, torch.int64), sight, values[:active])
            for row, part in enumerate(decoded):  # of [active, frames * samples_per_frame]
                pieces[row].append(part)
        sounds = [torch.cat(row) for row in pieces]
        for state, moved in zip(states, values, strict=True):
            state.values.copy_(moved)
        return sounds

    def _decode_fixed(self, fixed: FixedPieces, states: list[StreamState], codes: list[Tensor]) -> list[Tensor]:
        """The same in fixed shapes, which move states on as they go."""
        slots = [state.slot for state in states if state.slot is not None]
        if len(slots) != len(states):
            raise ValueError("a state was made before the fixed shapes were")
        pieces: list[list[Tensor]] = [[] for _ in states]
        for done, active, num_frames in _cuts(codes, fixed.piece_frames):
            for begin in range(0, active, fixed.max_rows):
                part = slice(begin, min(begin + fixed.max_rows, active))
                piece = torch.stack([row[:, done : done + num_frames] for row in codes[part]]).long()
                positions = torch.tensor([state.position + done for state in states[part]])
                decoded = fixed.decode(piece, self.sight(positions, num_frames), slots[part])
                for row, sound in enumerate(decoded, begin):
                    pieces[row].append(sound)
        # on a GPU a chunk is most often one piece, and a copy for each row takes as long as launching the piece
        return [row[0] if len(row) == 1 else torch.cat(row) for row in pieces]


def _cuts(codes: list[Tensor], piece_frames: Callable[[int], int]) -> Iterator[tuple[int, int, int]]:
    """Cut chunks, the longest first, into pieces of as many rows as have frames left.

    Yields:
        First frame, rows and frames of a piece.
    """
    lengths = [chunk.shape[1] for chunk in codes]
    done = 0
    while active := sum(length > done for length in lengths):
        num_frames = piece_frames(lengths[active - 1] - done)
        yield done, active, num_frames
        done += num_frames
