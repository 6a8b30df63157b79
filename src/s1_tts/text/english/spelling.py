"""Write out an English text as it is said: words and the marks between clauses, nothing else."""

from typing import Final

import regex

from s1_tts.text.english.abbreviations import say_abbreviations
from s1_tts.text.english.addresses import say_addresses
from s1_tts.text.english.calendar import say_calendar
from s1_tts.text.english.markup import without_markup
from s1_tts.text.english.measures import say_measures
from s1_tts.text.english.money import say_money
from s1_tts.text.english.symbols import check_all_is_read, normalised, only_read_letters, said_letter, say_symbols

_FOREIGN: Final = regex.compile(r"[\p{L}--[\p{Latin}\p{Greek}]]|\p{Greek}{2}", flags=regex.VERSION1)
_LINE_END: Final = regex.compile(r"(?<=[\p{L}\p{N}])\s*\n\s*\n\s*")
_SPACES: Final = regex.compile(r"\s+")
_SPACE_BEFORE_MARK: Final = regex.compile(r"\s+(?=[.,!?;:…]+(?:\s|$))")
_SLASHED_LETTERS: Final = regex.compile(r"(?<!\p{L})(\p{L})/(\p{L})(?!\p{L})")
_INITIAL: Final = regex.compile(r"(?<![\p{L}'])(\p{L})\.(?=\p{L}|\s\p{Lu})")
_LETTER_OF_CODE: Final = regex.compile(r"(?<![\p{L}'-])[aA](?=\d|-\p{L})")
_DIGITS: Final = regex.compile(r"\d")
_AND_OR: Final = regex.compile(r"(?i)\band/or\b")
_DOT_INSIDE: Final = regex.compile(r"(?<=\p{L})\.(?=\p{L})")
_MARK_INSIDE: Final = regex.compile(r"(?<=[\p{L}'])([,!?;:…]+)(?=\p{L})")
_SHOUTED_LETTERS: Final = 6
"""Capitals from which a text without small letters is taken for shouted and not for initials."""


def spell_out(text: str) -> str:
    """Write out numbers, amounts, dates, addresses, abbreviations and signs of an English text.

    Args:
        text: Cleaned text. One in capitals only is read as if it were in small letters.

    Returns:
        Text on one line, of letters and marks.

    Raises:
        InvalidArgumentError: something in it cannot be said; nothing is left out in silence.
    """
    text = _in_one_script(text)
    text = _LINE_END.sub(". ", without_markup(text))
    if text.isupper() and sum(map(str.isalpha, text)) >= _SHOUTED_LETTERS and " " in text.strip():
        text = text.lower()
    text = _AND_OR.sub("and or", text)
    for say in (say_addresses, say_money, say_calendar, say_abbreviations, _letters_of_codes, say_measures):
        text = say(text)
    text = _SLASHED_LETTERS.sub(lambda match: f"{said_letter(match[1])} slash {said_letter(match[2])}", text)
    text = say_symbols(text)
    text = _INITIAL.sub(lambda match: f"{said_letter(match[1])} ", text)
    text = _DOT_INSIDE.sub(" dot ", text)
    text = _MARK_INSIDE.sub(r"\1 ", text)
    text = only_read_letters(text)
    check_all_is_read(text)
    return _SPACE_BEFORE_MARK.sub("", _SPACES.sub(" ", text)).strip()


def as_written(text: str) -> str:
    """Name the signs of an English text and leave its numbers and abbreviations to espeak-ng.

    Args:
        text: Cleaned text.

    Raises:
        InvalidArgumentError: something in it cannot be said.
    """
    text = only_read_letters(say_symbols(_in_one_script(text)))
    check_all_is_read(_DIGITS.sub("", text))
    return _SPACES.sub(" ", text).strip()


def _in_one_script(text: str) -> str:
    text = normalised(text)
    foreign = _FOREIGN.search(text)
    if foreign is not None:
        check_all_is_read(foreign[0][0])
    return text


def _letters_of_codes(text: str) -> str:
    """The letter of A4 and A-level is not the article."""
    return _LETTER_OF_CODE.sub(lambda match: said_letter(match[0]), text)
