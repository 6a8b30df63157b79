"""Lay out what the language model reads: voice prompts, earlier parts and the text to say.

The layout is fish-speech 0.1.0's (``generate_long`` in ``text2semantic/inference.py``)::

    <|interleave|> ( <|speaker:0|> transcript codes <|im_end|> )* <|speaker:0|> text

A column holds a token id and the codes of one position: ``[1 + num_codebooks]``; text columns have codes 0.
"""

import numpy as np
import numpy.typing as npt

from s1_tts.lm.tokenizer import INTERLEAVE_TOKEN, Tokenizer
from s1_tts.speech_task import VoicePrompt

SPEAKER_TEXT = "<|speaker:0|>"
"""Looks like a special token but is ordinary text in the published tokenizer."""

Columns = npt.NDArray[np.int64]
"""``[1 + num_codebooks, positions]``."""


class PromptBuilder:
    """Builds the columns of prompts.

    Args:
        tokenizer: Tokenizer of the checkpoint.
        num_codebooks: Codebooks of the model.
    """

    def __init__(self, tokenizer: Tokenizer, num_codebooks: int) -> None:
        self._tokenizer = tokenizer
        self._num_codebooks = num_codebooks
        self._speaker_ids = tokenizer.encode(SPEAKER_TEXT)
        self._start_id = tokenizer.special_id(INTERLEAVE_TOKEN)

    def prefix_length(self, prompts: tuple[VoicePrompt, ...]) -> int:
        """Columns at the beginning of a first part that belong to its voice; 0 without one.

        Args:
            prompts: Recordings of the voice, in order.
        """
        return self._prefix(prompts).shape[1] if prompts else 0

    def text_length(self, text: str) -> int:
        """Columns of a text that is to be said."""
        return self._to_say(text).shape[1]

    def first_part(self, text: str, prompts: tuple[VoicePrompt, ...] = ()) -> Columns:
        """Columns that start a speech: the voice's recordings, then the text.

        Args:
            text: What to say.
            prompts: Recordings of the voice, in order.

        Returns:
            ``[1 + num_codebooks, positions]``.
        """
        return np.concatenate([self._prefix(prompts), self._to_say(text)], axis=1)

    def next_part(self, text: str) -> Columns:
        """Columns that follow the last frame of an earlier part: its end, then the next text."""
        return np.concatenate([self._text_columns([self._tokenizer.im_end_id]), self._to_say(text)], axis=1)

    def _prefix(self, prompts: tuple[VoicePrompt, ...]) -> Columns:
        said = (self._said(prompt.transcript, prompt.codes) for prompt in prompts)
        return np.concatenate([self._text_columns([self._start_id]), *said], axis=1)

    def _said(self, text: str, codes: npt.NDArray[np.int32]) -> Columns:
        end = self._text_columns([self._tokenizer.im_end_id])
        return np.concatenate([self._to_say(text), self._code_columns(codes), end], axis=1)

    def _to_say(self, text: str) -> Columns:
        return self._text_columns([*self._speaker_ids, *self._tokenizer.encode(text)])

    def _text_columns(self, ids: list[int]) -> Columns:
        columns = np.zeros((1 + self._num_codebooks, len(ids)), dtype=np.int64)
        columns[0] = ids
        return columns

    def _code_columns(self, codes: npt.NDArray[np.int32]) -> Columns:
        semantic_ids = codes[:1].astype(np.int64) + self._tokenizer.semantic_begin_id
        return np.concatenate([semantic_ids, codes.astype(np.int64)], axis=0)
