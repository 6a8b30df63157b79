"""Write the voice as a checkpoint of the published format, with its tokenizer, its front end and its card."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from s1_protocol.notices import DEMO_VOICE_FILE, DEMO_VOICE_NOTICE
from s1_tts.codec.codec_config import CODEC_WEIGHTS_FILE, CodecConfig
from s1_tts.lm.config import LmConfig
from s1_tts.lm.loading import CONFIG_FILE, WEIGHTS_FILE
from s1_tts.lm.tokenizer import IM_END_TOKEN, INTERLEAVE_TOKEN, Tokenizer
from s1_tts.text.front_end import ESPEAK_PHONEMES_EN, save_text_front_end

CARD_FILE: Final = "MODEL_CARD.md"

_LETTERS: Final = "ɐɑɒɔəɚɛɜɡɪɹɾʃʊʌʒʔθðŋæˈˌː̩"
_PAIRS: Final = (
    "eɪ",
    "aɪ",
    "oʊ",
    "aʊ",
    "ɔɪ",
    "tʃ",
    "dʒ",
    "iː",
    "uː",
    "ɑː",
    "ɔː",
    "ɜː",
    "ɑːɹ",
    "ɔːɹ",
    "oːɹ",
    "əl",
    "ən",
)
_SPEAKER_PIECES: Final = ("<|", "|>", "speaker")
"""The prompt's speaker mark is text; as whole tokens it is short."""


def write_tokenizer(folder: Path, num_semantic: int) -> Tokenizer:
    """Write a small tokenizer: bytes, letters of the phonetic alphabet and their commonest pairs.

    Args:
        folder: Existing folder.
        num_semantic: Codes of the semantic codebook.
    """
    tokens = [bytes([code]) for code in range(256)]
    tokens += [piece.encode() for piece in (*_LETTERS, *_PAIRS, *_SPEAKER_PIECES) if len(piece.encode()) > 1]
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))
    (folder / "tokenizer.tiktoken").write_text("".join(lines), encoding="ascii")
    special = ["<|pad|>", IM_END_TOKEN, INTERLEAVE_TOKEN, *(f"<|semantic:{code}|>" for code in range(num_semantic))]
    ids = {token: len(tokens) + index for index, token in enumerate(special)}
    (folder / "special_tokens.json").write_text(json.dumps(ids, indent=0) + "\n", encoding="utf-8")
    return Tokenizer(folder)


def with_vocabulary(config: LmConfig, tokenizer: Tokenizer) -> LmConfig:
    """Sizes of a language model for a tokenizer."""
    return replace(config, vocab_size=tokenizer.vocab_size)


def write_language_model(
    folder: Path, config: LmConfig, weights: Mapping[str, Tensor], tokenizer: Tokenizer, head: Tensor
) -> None:
    """Write ``config.json``, ``model.pth``, the name of the text front end, and what this voice is.

    Args:
        folder: Existing folder.
        config: Sizes.
        weights: Trained weights by name, heads cut.
        tokenizer: Tokenizer of the checkpoint.
        head: Output head before it was cut ``[vocab_size, dim]``; its other rows are written as they are.
    """
    whole = head.clone()
    whole[tokenizer.semantic_begin_id : tokenizer.semantic_end_id + 1] = weights["output.weight"][:-1]
    whole[tokenizer.im_end_id] = weights["output.weight"][-1]
    full = {**weights, "output.weight": whole}
    torch.save({name: value.to(torch.bfloat16) for name, value in full.items()}, folder / WEIGHTS_FILE)
    text = json.dumps({"model_type": "dual_ar", **asdict(config)}, indent=2)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
    save_text_front_end(folder, ESPEAK_PHONEMES_EN)
    (folder / DEMO_VOICE_FILE).write_text(DEMO_VOICE_NOTICE + "\n", encoding="utf-8")


def write_codec(folder: Path, config: CodecConfig, tensors: Mapping[str, Tensor]) -> None:
    """Write ``codec.json`` and ``codec.pth``, in half precision.

    Args:
        folder: Existing folder.
        config: Sizes.
        tensors: By published key.
    """
    halved = {key: value.detach().cpu().to(torch.float16) for key, value in tensors.items()}
    torch.save(halved, folder / CODEC_WEIGHTS_FILE)
    config.save(folder)
