"""Sizes of the codec: those of S1-mini, or those a ``codec.json`` beside ``codec.pth`` gives."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from s1_protocol.errors import CheckpointError

CODEC_CONFIG_FILE = "codec.json"
CODEC_WEIGHTS_FILE = "codec.pth"


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of one window-limited causal transformer.

    Args:
        dim: Width of the residual stream.
        num_layers: Blocks.
        num_heads: Attention heads; every head has its own keys and values.
        head_dim: Width of one head; even.
        intermediate_size: Inner width of the feed-forward part.
        window: Positions a position attends to, itself included.
        block_size: Rows of the rotary table and mask that the checkpoint carries; streams may be longer.
        rope_base: Base of the rotary frequencies.
        norm_eps: Epsilon of the RMS norms.
    """

    dim: int
    num_layers: int
    num_heads: int
    head_dim: int
    intermediate_size: int
    window: int
    block_size: int
    rope_base: float
    norm_eps: float


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the codec; the defaults are ``configs/modded_dac_vq.yaml`` of fish-speech 0.1.0.

    Args:
        encoder_dim: Channels after the encoder's first convolution; each encoder block doubles them.
        encoder_rates: Stride of each encoder block.
        encoder_transformer_layers: Transformer layers at the end of each encoder block.
        encoder_window: Window of those transformers.
        encoder_block_size: Rows of the tables that the checkpoint carries for them.
        decoder_dim: Channels after the decoder's first convolution; each decoder block halves them.
        decoder_rates: Stride of each decoder block.
        num_residual_codebooks: Codebooks after the semantic one.
        semantic_codebook_size: Entries of the semantic codebook.
        residual_codebook_size: Entries of each other codebook.
        codebook_dim: Width of a codebook entry.
        downsample_factors: Strides between the encoder and the quantizer, undone in reverse before the decoder.
        quantizer_layers: Layers of the transformers before and after quantization.
        quantizer_heads: Their heads.
        quantizer_intermediate_size: Their feed-forward width.
        quantizer_window: Their window, in frames.
        quantizer_block_size: Rows of the tables that the checkpoint carries for them.
        head_dim: Width of an attention head, everywhere.
        rope_base: Base of the rotary frequencies.
        norm_eps: Epsilon of the transformers' RMS norms.
    """

    encoder_dim: int = 64
    encoder_rates: tuple[int, ...] = (2, 4, 8, 8)
    encoder_transformer_layers: tuple[int, ...] = (0, 0, 0, 4)
    encoder_window: int = 512
    encoder_block_size: int = 16384
    decoder_dim: int = 1536
    decoder_rates: tuple[int, ...] = (8, 8, 4, 2)
    num_residual_codebooks: int = 9
    semantic_codebook_size: int = 4096
    residual_codebook_size: int = 1024
    codebook_dim: int = 8
    downsample_factors: tuple[int, ...] = (2, 2)
    quantizer_layers: int = 8
    quantizer_heads: int = 16
    quantizer_intermediate_size: int = 3072
    quantizer_window: int = 128
    quantizer_block_size: int = 4096
    head_dim: int = 64
    rope_base: float = 10000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        """Check the sizes against each other.

        Raises:
            CheckpointError: a size is not positive, or two do not fit together.
        """
        for name, value in asdict(self).items():
            least = 0 if name == "encoder_transformer_layers" else 1e-12
            if not all(number >= least for number in (value if isinstance(value, tuple) else (value,))):
                raise CheckpointError(f"{CODEC_CONFIG_FILE}: {name} is {value}; allowed: over 0")
        if len(self.encoder_transformer_layers) != len(self.encoder_rates):
            raise CheckpointError(
                f"{CODEC_CONFIG_FILE}: encoder_transformer_layers has {len(self.encoder_transformer_layers)} entries; "
                f"allowed: one for each of the {len(self.encoder_rates)} encoder_rates"
            )
        if self.decoder_dim % 2 ** len(self.decoder_rates):
            raise CheckpointError(
                f"{CODEC_CONFIG_FILE}: decoder_dim is {self.decoder_dim}; allowed: a multiple of "
                f"{2 ** len(self.decoder_rates)}, since every decoder block halves it"
            )
        if math.prod(self.encoder_rates) != math.prod(self.decoder_rates):
            raise CheckpointError(
                f"{CODEC_CONFIG_FILE}: encoder_rates {self.encoder_rates} and decoder_rates {self.decoder_rates} "
                "differ in their product"
            )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read ``codec.json`` of a checkpoint folder; without one the sizes are S1-mini's.

        Raises:
            CheckpointError: the file is no JSON object, has an unknown key, or a value of the wrong kind.
        """
        path = folder / CODEC_CONFIG_FILE
        if not path.is_file():
            return cls()
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
        if not isinstance(given, dict):
            raise CheckpointError(f"{path} holds a {type(given).__name__}; allowed: an object of sizes")
        defaults = asdict(cls())
        for name, value in given.items():
            if name not in defaults:
                raise CheckpointError(f"{path}: unknown key {name!r}; allowed: {', '.join(defaults)}")
            given[name] = _read_size(path, name, value, defaults[name])
        return cls(**given)

    def save(self, folder: Path) -> None:
        """Write ``codec.json`` into a checkpoint folder."""
        (folder / CODEC_CONFIG_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @property
    def num_codebooks(self) -> int:
        """Rows of a codes tensor: the semantic codebook and the residual ones."""
        return 1 + self.num_residual_codebooks

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Entries of each codebook, in the order of the rows of a codes tensor."""
        return (self.semantic_codebook_size, *(self.residual_codebook_size,) * self.num_residual_codebooks)

    @property
    def latent_dim(self) -> int:
        """Channels between encoder, quantizer and decoder."""
        return self.encoder_dim << len(self.encoder_rates)

    @property
    def samples_per_frame(self) -> int:
        """Samples that one frame of codes stands for."""
        return math.prod(self.decoder_rates) * math.prod(self.downsample_factors)

    @property
    def quantizer_transformer(self) -> TransformerConfig:
        """Sizes of the transformers before and after quantization."""
        return TransformerConfig(
            dim=self.latent_dim,
            num_layers=self.quantizer_layers,
            num_heads=self.quantizer_heads,
            head_dim=self.head_dim,
            intermediate_size=self.quantizer_intermediate_size,
            window=self.quantizer_window,
            block_size=self.quantizer_block_size,
            rope_base=self.rope_base,
            norm_eps=self.norm_eps,
        )

    def encoder_transformer(self, block: int) -> TransformerConfig:
        """Sizes of the transformer at the end of an encoder block.

        Args:
            block: Index of the encoder block.
        """
        dim = self.encoder_dim * 2 ** (block + 1)
        return TransformerConfig(
            dim=dim,
            num_layers=self.encoder_transformer_layers[block],
            num_heads=dim // self.head_dim,
            head_dim=self.head_dim,
            intermediate_size=3 * dim,
            window=self.encoder_window,
            block_size=self.encoder_block_size,
            rope_base=self.rope_base,
            norm_eps=self.norm_eps,
        )


def _read_size(path: Path, name: str, value: object, default: object) -> object:
    if isinstance(default, tuple):
        if isinstance(value, list) and all(type(number) is int for number in value):
            return tuple(value)
        raise CheckpointError(f"{path}: {name} is {value!r}; allowed: a list of whole numbers")
    if type(value) is int or (isinstance(default, float) and type(value) is float):
        return value
    raise CheckpointError(f"{path}: {name} is {value!r}; allowed: a number like {default!r}")
