"""Spell out what an English text abbreviates: amounts, times, ordinals, years, abbreviations.

Numbers are worded by num2words. What is left (plain numbers, initials, symbols) espeak-ng reads by itself.
"""

from typing import Final

import regex

_ABBREVIATIONS: Final = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "miz",
    "dr": "doctor",
    "prof": "professor",
    "jr": "junior",
    "sr": "senior",
    "vs": "versus",
    "etc": "et cetera",
    "e.g": "for example",
    "i.e": "that is",
    "approx": "approximately",
    "a.m": "ay em",
    "p.m": "pee em",
}
_CURRENCIES: Final = {"$": "USD", "€": "EUR", "£": "GBP"}
_SYMBOLS: Final = {"&": " and ", "%": " percent", "°": " degrees", "+": " plus ", "=": " equals ", "@": " at "}

_ABBREVIATION = regex.compile(
    rf"(?i)(?<![\p{{L}}.])({'|'.join(map(regex.escape, _ABBREVIATIONS))})\.(?=(\s*$|\s+\p{{Lu}})?)"
)
_AMOUNT = regex.compile(r"([$€£])\s?(\d{1,12}(?:,\d{3})*)(?:\.(\d{2}))?(?!\d)")
_TIME = regex.compile(r"(?<!\d)([01]?\d|2[0-3]):([0-5]\d)(?!\d)(?:\s?([AaPp])\.?[Mm]\b\.?)?")
_ORDINAL = regex.compile(r"(?<!\d)(\d{1,6})(?:st|nd|rd|th)\b")
_YEAR = regex.compile(r"(?<![\d.,])(1[1-9]\d\d|20\d\d)(?![\d%]|[.,]\d)")
_GROUPED = regex.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SYMBOL = regex.compile(f"[{regex.escape(''.join(_SYMBOLS))}]")
_SPACES = regex.compile(r"\s+")
_SHOUTED_LETTERS = 6
"""Capitals from which a text without small letters is taken for shouted and not for initials."""


def spell_out(text: str) -> str:
    """Word the amounts, times, ordinals, years and abbreviations of an English text.

    Args:
        text: Cleaned text. One in capitals only is read as if it were in small letters.

    Returns:
        Text on one line.
    """
    if text.isupper() and sum(map(str.isalpha, text)) >= _SHOUTED_LETTERS and " " in text.strip():
        text = text.lower()
    text = _TIME.sub(_time, text)
    text = _AMOUNT.sub(_amount, text)
    text = _ABBREVIATION.sub(_abbreviation, text)
    text = _ORDINAL.sub(lambda match: _words(int(match[1]), "ordinal"), text)
    text = _YEAR.sub(lambda match: _words(int(match[1]), "year"), text)
    text = _GROUPED.sub("", text)
    text = _SYMBOL.sub(lambda match: _SYMBOLS[match[0]], text)
    return _SPACES.sub(" ", text).strip()


def _abbreviation(match: regex.Match[str]) -> str:
    key = match[1].lower()
    ends_sentence = match.end() == len(match.string.rstrip())
    return _ABBREVIATIONS[key] + ("." if ends_sentence else "")


def _amount(match: regex.Match[str]) -> str:
    from num2words import num2words  # noqa: PLC0415  # comes with the extra that this front end needs

    units, cents = int(match[2].replace(",", "")), match[3]
    name = _CURRENCIES[match[1]]
    if cents is None or int(cents) == 0:
        words = num2words(float(units), to="currency", currency=name)
        return str(words).rpartition(",")[0]
    return str(num2words(units + int(cents) / 100, to="currency", currency=name)).replace(",", " and")


def _time(match: regex.Match[str]) -> str:
    hour, minute, half = int(match[1]), int(match[2]), match[3]
    words = [_words(hour)]
    if minute:
        words.append(("oh " if minute < 10 else "") + _words(minute))
    elif half is None:
        words.append("o'clock" if 1 <= hour <= 12 else "hundred")
    if half is not None:
        words.append("ay em" if half in "aA" else "pee em")
    ends_sentence = match[0].endswith(".") and match.end() == len(match.string.rstrip())
    return " ".join(words) + ("." if ends_sentence else "")


def _words(number: int, form: str = "cardinal") -> str:
    from num2words import num2words  # noqa: PLC0415  # see above

    return str(num2words(number, to=form)).replace("-", " ").replace(",", "")
