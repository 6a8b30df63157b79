"""Decode codes of many streams, chunk by chunk, as if each had been decoded alone and at once."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.decoder import ConvDecoder
from s1_tts.codec.packed import exact_products
from s1_tts.codec.piece_graphs import FixedPieces, GraphedPieces
from s1_tts.codec.quantizer import CodesToLatent
from s1_tts.codec.state import StateLayout, StreamState
from s1_tts.codec.transformer import Sight
from s1_tts.codec.weights import Weights

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

    @classmethod
    def load(cls, folder: Path, device: torch.device, dtype: torch.dtype) -> "StreamingDecoder":
        """Load the decode path of a checkpoint.

        Args:
            folder: Holds ``codec.pth`` and, for other sizes than S1-mini's, ``codec.json``.
            device: Where to decode.
            dtype: float32 or bfloat16.

        Raises:
            CheckpointError: the checkpoint is missing, unreadable, or not of the published layout.
        """
        config = CodecConfig.load(folder)
        return cls(Weights.load(folder, config, device, dtype), config)

    @property
    def state_bytes(self) -> int:
        """Memory the state of one stream takes."""
        return self.state_size * self.dtype.itemsize

    def new_state(self) -> StreamState:
        """State of a stream that has not begun."""
        return StreamState(torch.zeros(self.state_size, dtype=self.dtype, device=self.device))

    def use_graphs(self, max_rows: int) -> None:
        """Capture CUDA graphs of the common pieces, which takes seconds; on another device nothing happens.

        Args:
            max_rows: Streams decoded together at most.
        """
        if self.device.type == "cuda":
            graphed = GraphedPieces(self, max_rows)
            graphed.capture_all()
            self._fixed = graphed

    def compile(self) -> None:
        """Fuse small operations by torch.compile, before graphs are captured; the first chunks then take longer."""
        self._to_samples.compile()

    def use_fixed_shapes(self, max_rows: int) -> None:
        """Decode common pieces as graphs would, but run them eagerly; for comparison, on any device."""
        self._fixed = FixedPieces(self, max_rows)

    def sight(self, positions: Tensor, num_frames: int) -> Sight:
        """What the next frames of streams at these positions ``[B]`` see."""
        return self._to_latent.sight(positions, num_frames)

    def decode_piece(self, codes: Tensor, sight: Sight, states: Tensor) -> Tensor:
        """Decode the next frames of some streams; a CUDA graph can hold it.

        Args:
            codes: ``[B, num_codebooks, T]`` int64, on the device.
            sight: See :meth:`sight`.
            states: ``[B, N]``, moved on.

        Returns:
            Samples ``[B, T * samples_per_frame]`` float32.
        """
        with exact_products(self.device):
            return self._to_samples(self._to_latent.apply(codes, sight, states), states)

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
            states: One a stream, each stream once; moved on, unless an error is raised: then none is.
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
        values = torch.stack([states[row].values for row in rows])  # [B, N]
        pieces: list[list[Tensor]] = [[] for _ in rows]
        lengths = [codes[row].shape[1] for row in rows]
        done = 0
        while active := sum(length > done for length in lengths):
            fixed = self._fixed if self._fixed is not None and active <= self._fixed.max_rows else None
            left = lengths[active - 1] - done
            num_frames = min(left, MAX_PIECE_FRAMES) if fixed is None else fixed.piece_frames(left)
            end = done + num_frames
            piece = torch.stack([codes[row][:, done:end] for row in rows[:active]])
            positions = torch.tensor([states[row].position + done for row in rows[:active]])
            sight = self.sight(positions, num_frames)
            if fixed is not None and fixed.has(num_frames):
                decoded = fixed.decode(piece, sight, values[:active])
            else:
                decoded = self.decode_piece(piece.to(self.device, torch.int64), sight, values[:active])
            for row, part in enumerate(decoded):  # of [active, frames * samples_per_frame]
                pieces[row].append(part)
            done = end
        for index, row in enumerate(rows):
            states[row].values.copy_(values[index])
            states[row].position += lengths[index]
            samples[row] = torch.cat(pieces[index])
        return samples
