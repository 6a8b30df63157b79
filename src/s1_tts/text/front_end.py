"""What a checkpoint wants done to a text before its tokenizer sees it.

S1-mini reads letters, so nothing is done. A checkpoint may name another front end in ``text.json`` beside
``config.json``: ``{"front_end": "espeak-phonemes-en"}``.
"""

import json
from pathlib import Path
from typing import Final, Protocol

import regex

from s1_protocol.errors import CheckpointError, InvalidArgumentError
from s1_protocol.names import Field
from s1_tts.text.english.spelling import as_written, spell_out
from s1_tts.text.espeak import Espeak

TEXT_CONFIG_FILE: Final = "text.json"
PLAIN: Final = "plain"
ESPEAK_PHONEMES_EN: Final = "espeak-phonemes-en"


class TextFrontEnd(Protocol):
    """Turns a part of a text into what the tokenizer reads."""

    def __call__(self, text: str, *, normalize: bool = True) -> str:
        """Turn it.

        Args:
            text: A part of a text.
            normalize: Whether amounts, times and the like are spelled out, if this front end does so.

        Raises:
            InvalidArgumentError: it cannot be read.
        """


# A clause with the marks that end it. A mark inside a number or a word ends nothing.
_CLAUSE = regex.compile(r"(.*?)([.,!?;:…]+(?=[\s\"')\]”]|$)|\s[–—-]+\s|[–—]+|$)", flags=regex.DOTALL)
_MARKS: Final = {".": ".", "…": ".", "!": "!", "?": "?"}
_PAUSE = ","
# Quotes, brackets, and hyphens and apostrophes that belong to no word: marks of writing, which are not said.
_UNSAID = regex.compile(r"[^\p{Latin}\p{N}\s'.,:-]|(?<![\p{L}\p{N}])[-.,:]+|[-:]+(?![\p{L}\p{N}])|(?<!\p{L})'(?!\p{L})")


def plain_text(text: str, *, normalize: bool = True) -> str:  # of every front end
    """Leave a text as it is; the model reads figures by itself."""
    return text


class EspeakPhonemes:
    """English text to phonemes, clause by clause, each with the mark that ends it.

    Raises:
        CheckpointError: espeak-ng is not installed.
    """

    def __init__(self) -> None:
        self._espeak = Espeak()

    def __call__(self, text: str, *, normalize: bool = True) -> str:
        """Phonemes of a text: clauses parted by a mark and a space.

        Args:
            text: A text of a request.
            normalize: Whether amounts, times and the like are spelled out; else espeak-ng reads what is written.

        Raises:
            InvalidArgumentError: something in it cannot be said, or nothing is pronounced.
        """
        phonemes = [self._espeak.phonemes(clause) + mark for clause, mark in clauses(text, normalize=normalize)]
        if not any(sounds[:-1] for sounds in phonemes):
            raise InvalidArgumentError(Field.TEXT, "has nothing that this voice can say", "English words and numbers")
        return " ".join(phonemes)


def clauses(text: str, *, normalize: bool = True) -> list[tuple[str, str]]:
    """Cut an English text into clauses, each with its mark: one of ``. , ! ?``.

    Args:
        text: A text of a request.
        normalize: Whether it is spelled out before.

    Raises:
        InvalidArgumentError: something in the text cannot be said.
    """
    found = []
    for match in _CLAUSE.finditer(spell_out(text) if normalize else as_written(text)):
        words = " ".join(_UNSAID.sub(" ", match[1]).split())
        if words:
            is_last = match.end() == len(match.string)
            found.append((words, _MARKS.get(match[2][:1], "." if is_last else _PAUSE)))
    return found


def load_text_front_end(folder: Path) -> TextFrontEnd:
    """Read which front end a checkpoint wants.

    Args:
        folder: The checkpoint; without a ``text.json`` its texts are left as they are.

    Raises:
        CheckpointError: the file is wrong, or the front end cannot be loaded.
    """
    path = folder / TEXT_CONFIG_FILE
    if not path.is_file():
        return plain_text
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(given, dict) or set(given) != {"front_end"}:
        raise CheckpointError(f'{path}: allowed: {{"front_end": "{PLAIN}" or "{ESPEAK_PHONEMES_EN}"}}')
    if given["front_end"] == PLAIN:
        return plain_text
    if given["front_end"] == ESPEAK_PHONEMES_EN:
        return EspeakPhonemes()
    raise CheckpointError(f"{path}: front_end is {given['front_end']!r}; allowed: {PLAIN!r} or {ESPEAK_PHONEMES_EN!r}")


def save_text_front_end(folder: Path, name: str) -> None:
    """Write ``text.json`` into a checkpoint folder."""
    (folder / TEXT_CONFIG_FILE).write_text(json.dumps({"front_end": name}) + "\n", encoding="utf-8")
