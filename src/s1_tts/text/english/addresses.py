"""Addresses and codes: URLs, e-mail, handles, files, versions, telephone numbers; every sign of them is said."""

from typing import Final

import regex

from s1_tts.text.english.numbers import digits, spoken

LETTER_A: Final = "eh"
"""What espeak-ng reads as the letter; "a" and "A" are the article to it."""

_SIGNS: Final = {
    ".": "dot", "/": "slash", ":": "colon", "?": "question mark", "=": "equals", "&": "and", "#": "hash", "-": "dash",
    "_": "underscore", "@": "at", "%": "percent", "+": "plus", "~": "tilde", ",": "comma", ";": "semicolon", "!":
    "exclamation mark", "*": "star", "$": "dollar", "'": "apostrophe", "(": "open bracket", ")": "close bracket",
    "[": "open bracket", "]": "close bracket", "\\": "backslash", "|": "bar",
}  # fmt: skip
_ENDS: Final = r"(?<![.,;:!?'\")\]])"

_URL: Final = regex.compile(rf"(?i)\b(?:[a-z][a-z0-9+-]*://|www\.)[^\s<>\"“”|]+{_ENDS}")
_MAIL: Final = regex.compile(r"(?i)(?<![\p{L}\p{N}])(?:mailto:)?[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+")
_DOMAIN: Final = regex.compile(
    r"(?<![\p{L}\p{N}@.])(?:[a-zA-Z0-9-]+\.)+(?:com|org|net|edu|gov|io|ai|dev|app|co|uk|de|fr|eu|us|ca|info|me|tv)"
    rf"(?:/[^\s<>\"“”|]*{_ENDS})?(?![\p{{L}}\p{{N}}])"
)
_FILE: Final = regex.compile(
    r"(?<![\p{L}\p{N}.])[\p{L}\p{N}_-]+\.(?=\p{Ll})[\p{Ll}\p{N}]{2,5}(?![\p{L}\p{N}.])(?!\.\p{L})"
)
_PATH: Final = regex.compile(r"(?<![\p{L}\p{N}/])(?:~|\.{1,2})?(?:/[\p{L}\p{N}._-]+){2,}/?(?<!\.)")
_HANDLE: Final = regex.compile(r"(?<![\p{L}\p{N}@])@([\p{L}\p{N}_]+)")
_HASHTAG: Final = regex.compile(r"(?<![\p{L}\p{N}#&])#(\p{L}[\p{L}\p{N}_]*)")
_VERSION: Final = regex.compile(
    r"(?<![\p{L}\p{N}.])(?:([vV])(?:er\.?\s?)?)(\d+(?:\.\d+)*)(?:-?(alpha|beta|rc)\.?(\d+)?)?(?![\p{L}\p{N}]|\.\d)"
)
_DOTTED: Final = regex.compile(r"(?<![\p{L}\p{N}.])(?!\d\d?\.\d\d?\.\d{4}(?!\d))\d+(?:\.\d+){2,}(?![\p{L}\p{N}]|\.\d)")
_PHONE: Final = regex.compile(
    r"(?<![\p{L}\p{N}.,/$€£-])(?:\+\d{1,3}(?:[\s.-]?\(?\d{1,4}\)?){2,6}|\(\d{3}\)\s?\d{3}[\s.-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}"
    r"|1-\d{3}-\d{3}-\d{4}|\d{3}-\d{4}|0\d{2,4}(?:[ -]\d{3,4}){1,3}|\d{3}-\d{2}-\d{4}"
    r"|\d{4}(?:[ -]\d{4}){3})(?![\p{L}\p{N}]|[.,-]\d)"
)
_EXTENSION: Final = regex.compile(r"(?i)\bext\.?\s?(\d+)")
_WORD: Final = regex.compile(r"\p{L}+|\d+|.")
_CAMEL: Final = regex.compile(r"(?<=\p{Ll})(?=\p{Lu})")


def say_addresses(text: str) -> str:
    """Word all addresses and codes in a text."""
    for pattern in (_URL, _MAIL, _DOMAIN):
        text = pattern.sub(lambda match: f" {spelled(match[0])} ", text)
    text = _PATH.sub(lambda match: f" {spelled(match[0])} ", text)
    text = _HANDLE.sub(lambda match: f" at {spelled(match[1])} ", text)
    text = _HASHTAG.sub(lambda match: f" hashtag {spelled(_CAMEL.sub(' ', match[1]))} ", text)
    text = _PHONE.sub(_phone, text)
    text = _EXTENSION.sub(lambda match: f"extension {digits(match[1])}", text)
    text = _VERSION.sub(_version, text)
    text = _DOTTED.sub(_dotted, text)
    return _FILE.sub(lambda match: match[0] if _is_abbreviation(match[0]) else spelled(match[0]), text)


def spelled(address: str) -> str:
    """Words, numbers and the names of all signs of an address.

    Signs without a name stay as they are: they are named, or refused, with those of the text.
    """
    words = []
    for piece in _WORD.findall(address):
        if piece.isdigit():
            words.append(spoken(piece) if len(piece) < 5 else digits(piece))
        elif piece in ("a", "A"):
            words.append(LETTER_A)
        else:
            words.append(_SIGNS.get(piece, piece))
    return " ".join(words)


def _phone(match: regex.Match[str]) -> str:
    number = match[0]
    groups = regex.findall(r"\d+", number)
    return ("plus " if number.startswith("+") else "") + ", ".join(digits(group) for group in groups)


def _version(match: regex.Match[str]) -> str:
    words = "version " + " point ".join(spoken(part) for part in match[2].split("."))
    if match[3]:
        words += f" {'release candidate' if match[3] == 'rc' else match[3]}"
        words += f" {spoken(match[4])}" if match[4] else ""
    return words


def _dotted(match: regex.Match[str]) -> str:
    parts = match[0].split(".")
    joint = " dot " if len(parts) == 4 else " point "  # four are an address on the internet
    return joint.join(spoken(part) for part in parts)


def _is_abbreviation(name: str) -> bool:
    return name.lower() in ("e.g", "i.e", "a.m", "p.m") or (name[0].isdigit() and name.partition(".")[2][:1].isdigit())
