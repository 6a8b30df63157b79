"""Text to token ids, compatible with fish-speech 0.1.0's ``FishTokenizer`` but never reading control tokens in a text.

Ids: BPE ranks first, then the special tokens in the *order* of ``special_tokens.json`` (its values are ignored).
"""

import base64
import json
import re
from pathlib import Path

import tiktoken

from s1_protocol.errors import CheckpointError

# What a piece of text may be before BPE merges it; the pattern is part of the model (fish_speech/tokenizer.py).
SPLIT_PATTERN = "|".join(
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"\p{P}",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(\?!\S)",
        r"\s+",
    )
)
INTERLEAVE_TOKEN = "<|interleave|>"
IM_END_TOKEN = "<|im_end|>"
_SEMANTIC = re.compile(r"<\|semantic:(\d+)\|>")


class Tokenizer:
    """BPE tokenizer of a checkpoint.

    Args:
        folder: Folder with ``tokenizer.tiktoken`` and ``special_tokens.json``.

    Raises:
        CheckpointError: a file is missing or malformed, or the semantic tokens are not one gapless run.
    """

    def __init__(self, folder: Path) -> None:
        ranks = _read_ranks(folder / "tokenizer.tiktoken")
        special_tokens = _read_special_tokens(folder / "special_tokens.json")
        self._special_ids = {token: len(ranks) + i for i, token in enumerate(special_tokens)}
        semantic_ids = [self._special_ids[token] for token in special_tokens if _SEMANTIC.fullmatch(token)]
        if not semantic_ids or semantic_ids != list(range(semantic_ids[0], semantic_ids[0] + len(semantic_ids))):
            raise CheckpointError(f"{folder}: special_tokens.json has no gapless run of <|semantic:N|> tokens")
        self.semantic_begin_id = semantic_ids[0]
        self.semantic_end_id = semantic_ids[-1]
        self.im_end_id = self.special_id(IM_END_TOKEN)
        self.vocab_size = len(ranks) + len(special_tokens)
        self._encoding = tiktoken.Encoding(
            name="s1-mini", pat_str=SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens=self._special_ids
        )

    @property
    def num_semantic(self) -> int:
        """Number of semantic tokens, one for each code of the first codebook."""
        return self.semantic_end_id - self.semantic_begin_id + 1

    def special_id(self, token: str) -> int:
        """Id of a special token.

        Raises:
            CheckpointError: the checkpoint has no such token.
        """
        try:
            return self._special_ids[token]
        except KeyError:
            raise CheckpointError(f"special_tokens.json lacks {token}") from None

    def encode(self, text: str) -> list[int]:
        """Ids of a text; special tokens in it are read as plain characters."""
        return self._encoding.encode(text, allowed_special=set(), disallowed_special=())


def _read_ranks(path: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            token, _, rank = line.partition(" ")
            if token and token != "=":  # "=" is how fish-speech writes the empty token
                ranks[base64.b64decode(token, validate=True)] = int(rank)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as tiktoken ranks: {error}") from error
    if not ranks:
        raise CheckpointError(f"{path}: holds no tokens")
    return ranks


def _read_special_tokens(path: Path) -> list[str]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON: {error}") from error
