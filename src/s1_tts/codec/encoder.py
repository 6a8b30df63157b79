"""Samples to codes, for the recording of a voice (``Encoder`` of ``modded_dac.py``, fish-speech 0.1.0)."""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_tts.codec.causal_layers import ResidualUnit, Snake, make_conv
from s1_tts.codec.codec_config import CODEC_WEIGHTS_FILE, CodecConfig
from s1_tts.codec.native.tile_layers import TileKernels
from s1_tts.codec.packed import exact_products
from s1_tts.codec.quantizer import LatentToCodes
from s1_tts.codec.state import StateLayout
from s1_tts.codec.transformer import WindowTransformer
from s1_tts.codec.weights import Weights
from s1_tts.state_dict import unchanged

PIECE_FRAMES = 64
"""Frames encoded in one go: a long recording takes no more memory than a short one."""

CACHED_ELEMENTS = 1 << 18
"""Elements of a block's input that stay in a CPU's cache from one layer to the next."""

PARTS = 2
"""Numbers of bfloat16 that stand for one of float32 where AMX multiplies: but for near ties codes are float32's."""

DILATIONS = (1, 3, 9)


class EncoderBlock:
    """Three residual units, downsampling by a stride, and in some blocks a transformer.

    Args:
        weights: Below the block.
        config: Sizes.
        layout: Where the states' spans are reserved.
        index: Which block.
    """

    def __init__(self, weights: Weights, config: CodecConfig, layout: StateLayout, index: int) -> None:
        block = weights.under("block")
        self.stride = config.encoder_rates[index]
        self.units = [ResidualUnit(block.under(str(unit)), layout, dilation) for unit, dilation in enumerate(DILATIONS)]
        snake = Snake(block.under("3"))
        self.downsample = make_conv(weights.kernels, *block.conv("4.conv"), layout, stride=self.stride, snake=snake)
        self.transformer: WindowTransformer | None = None
        if config.encoder_transformer_layers[index]:
            self.transformer = WindowTransformer(block.under("5"), config.encoder_transformer(index), layout)

    def __call__(self, x: Tensor, positions: Tensor, states: Tensor) -> Tensor:
        """Apply to the next piece ``[B, T, C]``; gives ``[B, T / stride, 2 C]`` and moves the states on."""
        for unit in self.units:
            x = unit(x, states)
        x = self.downsample(x, states)
        return x if self.transformer is None else self.transformer(x, positions, states)


class ConvEncoder:
    """Samples to latents.

    Args:
        weights: Below ``encoder``.
        config: Sizes.
        layout: Where the states' spans are reserved.
    """

    def __init__(self, weights: Weights, config: CodecConfig, layout: StateLayout) -> None:
        blocks = weights.under("block")
        self.samples_per_frame = config.samples_per_frame
        self.is_tiled = weights.device.type == "cpu"
        # before each block, and after the last one
        self.steps_per_frame = [
            config.samples_per_frame // math.prod(config.encoder_rates[:index])
            for index in range(len(config.encoder_rates) + 1)
        ]
        self.piece_samples = [
            max(1, CACHED_ELEMENTS // (steps * (config.encoder_dim << index))) * config.samples_per_frame
            for index, steps in enumerate(self.steps_per_frame)
        ]  # of each block
        self.first = make_conv(weights.kernels, *blocks.conv("0.conv"), layout)
        self.blocks = [
            EncoderBlock(blocks.under(str(index + 1)), config, layout, index)
            for index in range(len(config.encoder_rates))
        ]
        last = len(config.encoder_rates) + 1
        snake = Snake(blocks.under(str(last)))
        self.last = make_conv(weights.kernels, *blocks.conv(f"{last + 1}.conv"), layout, snake=snake)

    def __call__(self, x: Tensor, positions: Tensor, states: Tensor) -> Tensor:
        """Encode the next samples; moves the states on.

        Args:
            x: ``[B, T, 1]``, whole frames.
            positions: ``[B]`` on the CPU: frames already encoded.
            states: ``[B, N]``.

        Returns:
            ``[B, T / prod(encoder_rates), latent]``.
        """
        return self.last(self._encode_to(len(self.blocks), x, positions, states), states)

    def _encode_to(self, index: int, x: Tensor, positions: Tensor, states: Tensor) -> Tensor:
        """Apply the first layer and the blocks before ``index``.

        On a CPU a block takes as much at once as fits in the cache, from the blocks before it too.
        """
        if index == 0:
            return self.first(x, states)
        block = self.blocks[index - 1]
        done, pieces = 0, []
        for piece in torch.split(x, self.piece_samples[index - 1], dim=1) if self.is_tiled else [x]:
            y = self._encode_to(index - 1, piece, positions + done, states)
            pieces.append(block(y, (positions + done) * self.steps_per_frame[index], states))
            done += piece.shape[1] // self.samples_per_frame
        return torch.cat(pieces, dim=1)


class CodecEncoder:
    """Samples to codes, piece by piece with the same layers as the decoder, so that memory stays small.

    Args:
        weights: Of the whole checkpoint; only the encode path is read.
        config: Sizes.
    """

    def __init__(self, weights: Weights, config: CodecConfig) -> None:
        layout = StateLayout()
        self.config = config
        self.device = weights.device
        self.dtype = weights.dtype
        self._to_latent = ConvEncoder(weights.under("encoder"), config, layout)
        self._to_codes = LatentToCodes(weights.under("quantizer"), config, layout)
        self._state_size = layout.size

    @classmethod
    def load(
        cls, folder: Path, device: torch.device, dtype: torch.dtype, kernels: TileKernels | None = None
    ) -> "CodecEncoder":
        """Load the encode path of a checkpoint.

        Args:
            folder: Holds ``codec.pth`` and, for other sizes than S1-mini's, ``codec.json``.
            device: Where to encode.
            dtype: float32 or bfloat16.
            kernels: What makes its layers; none: they are torch's.

        Raises:
            CheckpointError: the checkpoint is missing, unreadable, or not of the published layout.
        """
        config = CodecConfig.load(folder)
        with unchanged(folder / CODEC_WEIGHTS_FILE):
            return cls(Weights.load(folder, config, device, dtype, kernels), config)

    @torch.inference_mode()
    def encode(self, samples: Tensor) -> Tensor:
        """Encode one recording, filled up with silence to whole frames as the reference does.

        Args:
            samples: ``[N]`` float, mono, 44 100 Hz, in [-1, 1].

        Returns:
            Codes ``[num_codebooks, ceil(N / samples_per_frame)]`` int64 on the encoder's device.

        Raises:
            InvalidArgumentError: no samples, more than one channel, or values that are not finite.
        """
        if samples.ndim != 1 or not samples.numel() or not samples.is_floating_point():
            raise InvalidArgumentError(
                Field.REFERENCE_AUDIO, f"has shape {list(samples.shape)} of {samples.dtype}", "[samples] of floats"
            )
        if not bool(samples.isfinite().all()):
            raise InvalidArgumentError(Field.REFERENCE_AUDIO, "holds values that are not finite", "-1 to 1")
        size = self.config.samples_per_frame
        num_frames = math.ceil(samples.numel() / size)
        padded = F.pad(samples.to(self.device, self.dtype), (0, num_frames * size - samples.numel()))
        states = torch.zeros(1, self._state_size, dtype=self.dtype, device=self.device)
        with exact_products(self.device, self.dtype):
            codes = [
                self._encode_piece(piece.view(1, -1, 1), index * PIECE_FRAMES, states)
                for index, piece in enumerate(torch.split(padded, PIECE_FRAMES * size))
            ]
        return torch.cat(codes, dim=2)[0]

    def _encode_piece(self, x: Tensor, first_frame: int, states: Tensor) -> Tensor:
        """Encode ``x [1, T, 1]`` to codes ``[1, C, T / samples_per_frame]``."""
        positions = torch.tensor([first_frame])
        return self._to_codes(self._to_latent(x, positions, states), positions, states)
