"""Random language-model weights in the published format, for size and speed work without the gated ones.

The weights say nothing, but they behave: sampling stays on semantic ids, and an utterance ends by itself after about
as many frames as its text is long. Both come from three reserved dimensions of the residual stream that only the
embeddings (and one attention head) write:

- ``CONSTANT`` holds 1 at every position; heads of ids that must never be drawn weigh it strongly negative;
- ``IS_TEXT`` holds 1 at text positions and 0 at frames;
- ``TEXT_SHARE`` is written by the first head of the first layer. Its queries are zero, so it averages ``IS_TEXT`` over
  all positions; as frames are added the share falls, and ``<|im_end|>`` becomes likely below a threshold.
"""

import base64
import itertools
import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from s1_tts.lm.config import LmConfig
from s1_tts.lm.model import DualArModel
from s1_tts.lm.tokenizer import IM_END_TOKEN, INTERLEAVE_TOKEN, Tokenizer

CONSTANT, IS_TEXT, TEXT_SHARE = 0, 1, 2
RESERVED = 3

FRAMES_PER_CHARACTER = 1.5
"""About 14 characters a second at 21.53 frames a second."""

NEVER_DRAWN = -60.0
END_SHARPNESS = 200.0
SEMANTIC_LOGIT_STD = 2.0
NUM_UNUSED_IDS = 22
NUM_PUBLISHED_RANKS = 151_643

_CONTROL_TOKENS = (
    *("<|begin_of_text|>", "<|end_of_text|>", "<|pad|>", "<|im_start|>", IM_END_TOKEN),
    *("<|phoneme_start|>", "<|phoneme_end|>", "<|tool_call_start|>", "<|tool_call_end|>"),
    *("<|text|>", "<|voice|>", INTERLEAVE_TOKEN, "<|audio_start|>", "<|audio_end|>", "<|audio|>"),
)
_NUM_SEMANTIC = 4096
_CALIBRATION_TEXT = "A sentence of ordinary words, long enough to tell how many tokens a character makes."


def dev_lm_config(size: str) -> LmConfig:
    """Sizes of a development language model.

    Args:
        size: ``tiny``, ``mid`` or ``full``; full has the published sizes.
    """
    num_ranks = NUM_PUBLISHED_RANKS if size == "full" else 256
    vocab_size = num_ranks + len(_CONTROL_TOKENS) + _NUM_SEMANTIC + NUM_UNUSED_IDS
    layers, fast_layers, dim, heads, kv_heads, head_dim, fast_head_dim, inner = {
        "tiny": (2, 2, 64, 4, 2, 16, 8, 128),
        "mid": (6, 3, 256, 8, 4, 32, 16, 768),
        "full": (28, 4, 1024, 16, 8, 128, 64, 3072),
    }[size]
    return LmConfig(
        vocab_size=vocab_size,
        n_layer=layers,
        n_head=heads,
        dim=dim,
        intermediate_size=inner,
        n_local_heads=kv_heads,
        head_dim=head_dim,
        rope_base=1_000_000,
        norm_eps=1e-6,
        max_seq_len=8192,
        tie_word_embeddings=False,
        attention_qk_norm=True,
        codebook_size=4096,
        num_codebooks=10,
        scale_codebook_embeddings=True,
        n_fast_layer=fast_layers,
        fast_dim=dim,
        fast_n_head=heads,
        fast_n_local_heads=kv_heads,
        fast_head_dim=fast_head_dim,
        fast_intermediate_size=inner,
        fast_attention_qk_norm=False,
    )


def write_dev_lm(folder: Path, size: str, seed: int) -> None:
    """Write ``config.json``, ``tokenizer.tiktoken``, ``special_tokens.json`` and ``model.pth``.

    Args:
        folder: Existing folder.
        size: ``tiny``, ``mid`` or ``full``.
        seed: Seed of the weights.
    """
    config = dev_lm_config(size)
    (folder / "config.json").write_text(json.dumps({"model_type": "dual_ar", **asdict(config)}, indent=2) + "\n")
    num_ranks = config.vocab_size - len(_CONTROL_TOKENS) - _NUM_SEMANTIC - NUM_UNUSED_IDS
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(_bpe_tokens(num_ranks)))
    (folder / "tokenizer.tiktoken").write_text("".join(lines))
    special_tokens = [*_CONTROL_TOKENS, *(f"<|semantic:{code}|>" for code in range(_NUM_SEMANTIC))]
    ids = {token: num_ranks + index for index, token in enumerate(special_tokens)}
    (folder / "special_tokens.json").write_text(json.dumps(ids, indent=2) + "\n")
    torch.save(_random_weights(config, Tokenizer(folder), seed), folder / "model.pth")


def _bpe_tokens(count: int) -> list[bytes]:
    """Single bytes first, then space-letter, pairs, triples and quads of letters as far as they are needed."""
    letters = [bytes([code]) for code in range(ord("a"), ord("z") + 1)]
    runs = (map(b"".join, itertools.product(letters, repeat=length)) for length in (2, 3, 4))
    merges = itertools.chain((b" " + letter for letter in letters), *runs)
    singles = [bytes([code]) for code in range(256)]
    return [*singles, *itertools.islice(merges, count - len(singles))]


def _random_weights(config: LmConfig, tokenizer: Tokenizer, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in DualArModel(config).state_dict().items()}
    weights: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if "norm" in name:
            weights[name] = torch.ones(shape)
            continue
        is_embedding = "embeddings" in name
        std = 1.0 if is_embedding else shape[-1] ** -0.5
        weights[name] = torch.randn(shape, generator=generator).mul_(std)
        if not is_embedding and name.startswith("layers.") and name.endswith(("wo.weight", "w2.weight")):
            weights[name][:RESERVED] = 0.0
    _reserve_embeddings(weights, config, tokenizer)
    _average_text_share(weights, config)
    _shape_head(weights, config, tokenizer)
    return {name: weight.to(torch.bfloat16) for name, weight in weights.items()}


def _reserve_embeddings(weights: dict[str, Tensor], config: LmConfig, tokenizer: Tokenizer) -> None:
    semantic = slice(tokenizer.semantic_begin_id, tokenizer.semantic_end_id + 1)
    embeddings = weights["embeddings.weight"]
    embeddings[:, :RESERVED] = 0.0
    embeddings[:, CONSTANT] = 1.0
    embeddings[:, IS_TEXT] = 1.0
    embeddings[semantic, CONSTANT] = (config.num_codebooks + 1) ** 0.5  # undone by scale_codebook_embeddings
    embeddings[semantic, IS_TEXT] = 0.0
    weights["codebook_embeddings.weight"][:, :RESERVED] = 0.0


def _average_text_share(weights: dict[str, Tensor], config: LmConfig) -> None:
    sizes = config.slow
    wqkv = weights["layers.0.attention.wqkv.weight"]
    value_row = (sizes.n_head + sizes.n_kv_head) * sizes.head_dim
    wqkv[: sizes.head_dim] = 0.0  # the first head's queries: every key scores the same
    wqkv[value_row] = 0.0
    wqkv[value_row, IS_TEXT] = 1.0
    weights["layers.0.attention.wo.weight"][:, 0] = 0.0
    weights["layers.0.attention.wo.weight"][TEXT_SHARE, 0] = 1.0


def _shape_head(weights: dict[str, Tensor], config: LmConfig, tokenizer: Tokenizer) -> None:
    semantic = slice(tokenizer.semantic_begin_id, tokenizer.semantic_end_id + 1)
    head = weights["output.weight"]
    head[semantic] *= SEMANTIC_LOGIT_STD
    speaking = head[semantic].clone()
    speaking[:, :RESERVED] = 0.0
    head[:] = 0.0
    head[:, CONSTANT] = NEVER_DRAWN
    head[semantic] = speaking
    tokens_per_character = len(tokenizer.encode(_CALIBRATION_TEXT)) / len(_CALIBRATION_TEXT)
    share_at_end = 1.0 / (1.0 + FRAMES_PER_CHARACTER / tokens_per_character)
    # Layer 0 normalises a text embedding (values of variance 1) by about 1, so the share arrives nearly to scale.
    head[tokenizer.im_end_id] = 0.0
    head[tokenizer.im_end_id, CONSTANT] = END_SHARPNESS * share_at_end
    head[tokenizer.im_end_id, TEXT_SHARE] = -END_SHARPNESS
    weights["fast_output.weight"] *= SEMANTIC_LOGIT_STD
