"""Numbers of weights, and of bytes that a position takes."""

import math

from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.weights import published_shapes
from s1_tts.lm.config import BlockSizes, LmConfig

BYTES_PER_VALUE = 2
"""Of bfloat16."""


def weights_of_a_step(config: LmConfig) -> int:
    """Weights that a decode step reads: those of the fast transformer count once a codebook."""
    fast = block_weights(config.fast) * config.fast.n_layer + config.num_residual_codes * config.fast.dim
    return slow_weights(config) + config.num_codebooks * fast


def lm_weights(config: LmConfig) -> int:
    """All weights of the language model."""
    embeddings = (config.vocab_size + config.codebook_size * config.num_codebooks) * config.slow.dim
    fast = block_weights(config.fast) * config.fast.n_layer + 2 * config.codebook_size * config.fast.dim
    return embeddings + slow_weights(config) + fast


def slow_weights(config: LmConfig) -> int:
    """Weights of the slow transformer and its head."""
    return block_weights(config.slow) * config.slow.n_layer + config.codebook_size * config.slow.dim


def block_weights(sizes: BlockSizes) -> int:
    """Weights of one transformer block."""
    attention = (2 * sizes.n_head + 2 * sizes.n_kv_head) * sizes.head_dim * sizes.dim
    return attention + 3 * sizes.dim * sizes.intermediate_size


def bytes_per_position(sizes: BlockSizes) -> int:
    """Bytes of the keys and values of one position, in bfloat16."""
    return 2 * sizes.n_layer * sizes.n_kv_head * sizes.head_dim * BYTES_PER_VALUE


def decoder_weights(config: CodecConfig) -> int:
    """Weights of the codec's decoder."""
    unread = ("encoder.", "quantizer.downsample", "quantizer.pre_module")
    tables = ("freqs_cis", "causal_mask")
    shapes = published_shapes(config)
    return sum(math.prod(shape) for key, shape in shapes if not key.startswith(unread) and not key.endswith(tables))
