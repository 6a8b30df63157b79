"""Numbers in words. num2words counts; what it does not know (digits one by one, decimals, letters) is here."""

from typing import Final

import regex

DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LONGEST_COUNTED: Final = 15
"""Digits of the largest number that is counted; longer ones are codes, read digit by digit."""

PLAIN: Final = r"\d{1,3}(?:,\d{3})+(?!\d)|\d+"
"""A whole number, perhaps in groups of three."""
NUMBER: Final = rf"(?:{PLAIN})(?:\.\d+)?"
"""A whole number or a decimal fraction."""

_NUMBER: Final = regex.compile(rf"({PLAIN})(?:\.(\d+))?")


def digits(text: str) -> str:
    """Each digit by itself; other signs are passed over."""
    return " ".join(DIGITS[int(sign)] for sign in text if sign.isdigit())


def cardinal(number: int) -> str:
    """A whole number in words, without "and" or hyphens."""
    return _words(number, "cardinal").replace(" and ", " ")


def ordinal(number: int) -> str:
    """first, second, third..."""
    return _words(number, "ordinal").replace(" and ", " ")


def year(number: int) -> str:
    """A year as it is said: nineteen ninety nine, two thousand, twenty oh five as "two thousand five"."""
    return _words(number, "year").replace(" and ", " ")


def plural(words: str) -> str:
    """The plural of a number's words: nineties, sixths."""
    return words[:-1] + "ies" if words.endswith("y") else words + ("es" if words.endswith("x") else "s")


def spoken(written: str) -> str:
    """A number as written (``1,234.5``, ``007``, ``3.14``) in words."""
    match = _NUMBER.fullmatch(written)
    if match is None:
        return digits(written)
    whole = match[1].replace(",", "")
    is_code = len(whole) > _LONGEST_COUNTED or (len(whole) > 1 and whole[0] == "0")
    words = digits(whole) if is_code else cardinal(int(whole))
    return words if match[2] is None else f"{words} point {digits(match[2])}"


def is_one(written: str) -> bool:
    """Whether a unit behind this number is singular."""
    return written.replace(",", "") in ("1", "1.0", "1.00")


def _words(number: int, form: str) -> str:
    from num2words import num2words  # noqa: PLC0415  # comes with the extra that this front end needs

    return str(num2words(number, to=form)).replace("-", " ").replace(",", "")
