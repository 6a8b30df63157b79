"""Signs that have a name, letters that are read as others, and the check that nothing else is left."""

import unicodedata
from typing import Final

import regex

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_tts.text.english.addresses import LETTER_A

_FRACTIONS: Final = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUPERSCRIPT: Final = regex.compile(r"(?<=[\p{L}\p{N})])[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+")
_FOOTNOTE: Final = regex.compile(r"(?<=\p{L}{3})[⁰¹²³⁴⁵⁶⁷⁸⁹]+|(?<=[.,!?;:])[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_FRACTION: Final = regex.compile(rf"(?:(\d)\s?)?([{''.join(_FRACTIONS)}])")
_THIN_GROUPS: Final = regex.compile(r"(?<=\d)[\u00A0\u2009\u202F'’](?=\d{3}(?!\d))")

_SPACED_GROUPS: Final = regex.compile(r"(?<![\d.,+] ?)(?<!\d)[1-9]\d{0,2}(?:(?: \d{3}){2,}| 000)(?![\d ]\d|\d)")
_MINUS: Final = regex.compile(r"−(?=\s?([\d.\p{Sc}]))?")
_DOTTED_GROUPS: Final = regex.compile(r"(?<![\p{L}\d.,])[1-9]\d{0,2}(?:\.\d{3}){2,}(?![\d.])")
_OF_TWO_SIGNS: Final = (
    ("<->", " ↔ "), ("<=>", " ⇔ "), ("->", " → "), ("=>", " ⇒ "), ("<-", " ← "), ("<=", " ≤ "), (">=", " ≥ "),
    ("!=", " ≠ "), ("==", " = "), ("&&", " & "), ("||", " ∨ "),
)  # fmt: skip

# before compatibility normalisation, which would make letters or digits of them
_EARLY: Final = str.maketrans(
    {
        "™": " trademark ", "℠": " service mark ", "©": " copyright ", "®": " registered ", "№": " No. ",
        "℃": "°C", "℉": "°F", "µ": "μ", "‐": "-", "‑": "-", "‒": "-", "―": "—", "…": "…",
        "’": "'", "‘": "'", "ʼ": "'", "´": "'", "‚": ",", "℅": " care of ", "℮": " estimated ", "ª": "a", "º": "°",
        "＄": "$", "￡": "£", "￥": "¥", "￦": "₩", "Ω": "Ω",
    }
)  # fmt: skip

_NAMES: Final = {
    "&": "and", "%": "percent", "‰": "per mille", "@": "at", "#": "hash", "*": "star", "+": "plus", "=": "equals",
    "<": "less than", ">": "greater than", "~": "tilde", "^": "caret", "_": "underscore", "\\": "backslash",
    "|": "bar", "/": "slash", "§": "section", "¶": "paragraph", "†": "dagger", "‡": "double dagger",
    "°": "degrees", "×": "times", "÷": "divided by", "±": "plus or minus", "≠": "is not equal to",
    "≤": "is at most", "≥": "is at least", "≈": "is about", "≡": "is identical to", "∞": "infinity",
    "√": "square root of", "∑": "sum of", "∏": "product of", "∫": "integral of", "∂": "partial", "∆": "delta",
    "∇": "nabla", "∈": "is in", "∉": "is not in", "∩": "intersected with", "∪": "united with", "∅": "empty set",
    "∀": "for all", "∃": "there is", "∧": "and", "∨": "or", "¬": "not", "→": "to", "⇒": "implies", "←": "from",
    "↔": "to and from", "⇔": "if and only if", "↑": "up", "↓": "down", "•": ",", "·": ",", "★": "star",
    "☆": "white star", "✓": "check", "✔": "check", "✗": "cross", "✘": "cross", "♥": "heart", "♠": "spades",
    "♣": "clubs", "♦": "diamonds", "♪": "music", "♫": "music", "¢": "cents", "€": "euros", "£": "pounds",
    "$": "dollars", "¥": "yen", "₹": "rupees", "₩": "won", "₽": "rubles", "₿": "bitcoin", "₺": "lira",
    "₪": "shekels", "₫": "dong", "₱": "pesos", "฿": "baht", "₴": "hryvnias", "₦": "naira", "₣": "francs",
    "¤": "currency", "′": "prime", "″": "double prime", "≪": "much less than", "≫": "much greater than",
    "∝": "is proportional to", "∠": "angle", "⊥": "is perpendicular to", "∥": "is parallel to", "⌘": "command",
    "⌥": "option", "⇧": "shift", "⏎": "return", "¦": "bar", "■": "square", "□": "square", "●": "circle",
    "○": "circle", "▲": "triangle", "△": "triangle", "▼": "triangle", "◆": "diamond", "◇": "diamond",
    "☐": "box", "☑": "checked box", "☒": "crossed box", "☎": "telephone", "☀": "sun", "☂": "umbrella",
    "☃": "snowman", "☺": "smile", "☹": "frown", "♀": "female", "♂": "male", "♯": "sharp", "♭": "flat", "¨": ",",
    "`": ",", "¯": ",", "¸": ",",
}  # fmt: skip
_GREEK: Final = {
    letter: unicodedata.name(letter).rpartition(" ")[2].lower().replace("lamda", "lambda")
    for letter in "αβγδεζηθικλμνξοπρστυφχψωΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"
}
_GREEK_ALONE: Final = regex.compile(r"(?<!\p{Greek})\p{Greek}(?!\p{Greek})")
_NAMED: Final = regex.compile(f"[{regex.escape(''.join(_NAMES))}]")

_KNOWN_LETTERS: Final = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœ")
"""Letters with marks that espeak-ng's English reads inside words."""
_OTHER_LETTERS: Final = {
    "đ": "d", "ð": "th", "þ": "th", "ł": "l", "ı": "i", "ŀ": "l", "ħ": "h", "ŧ": "t", "ŋ": "ng", "ĸ": "k", "ŉ": "n",
    "ſ": "s", "ə": "e", "ɐ": "a", "ʻ": "'", "ơ": "o", "ư": "u", "ȷ": "j", "ƒ": "f",
}  # fmt: skip
_MARKED: Final = regex.compile(r"[\p{Latin}--[A-Za-z]]\p{M}*|(?<=[A-Za-z])\p{M}+", flags=regex.VERSION1)
_OTHER_DIGIT: Final = regex.compile(r"[\p{Nd}--[0-9]]", flags=regex.VERSION1)
_READ: Final = regex.compile(r"[\p{Latin}\s.,!?;:…'\"“”„‟«»‹›()\[\]{}–—¿¡-]")


def normalised(text: str) -> str:
    """One form for what can be written in several: full-width and decorated letters, fractions, signs, white space.

    Raises:
        InvalidArgumentError: there is a digit in it whose value is not known.
    """
    text = _THIN_GROUPS.sub("", text)
    text = _SPACED_GROUPS.sub(lambda match: match[0].replace(" ", ""), text)
    text = _DOTTED_GROUPS.sub(lambda match: match[0].replace(".", ""), text)
    for written, sign in _OF_TWO_SIGNS:
        text = text.replace(written, sign)
    text = _MINUS.sub(lambda match: "-" if match[1] else " minus ", text).translate(_EARLY)
    text = _FRACTION.sub(lambda match: f"{match[1] + ' ' if match[1] else ''}{_FRACTIONS[match[2]]}", text)
    text = _FOOTNOTE.sub(lambda match: " " + match[0].translate(_SUPERSCRIPTS), text)
    text = _SUPERSCRIPT.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text)
    kept = [sign if sign == "…" else unicodedata.normalize("NFKC", sign) for sign in unicodedata.normalize("NFC", text)]
    text = regex.sub(r"[^\S\n]", " ", unicodedata.normalize("NFC", "".join(kept))).replace("⁄", "/")
    return _OTHER_DIGIT.sub(_digit, text)


def _digit(match: regex.Match[str]) -> str:
    """A digit of another script as ours; this library knows digits of a later Unicode than Python does."""
    value = unicodedata.decimal(match[0], None)
    return _refused(match[0]) if value is None else str(value)


def say_symbols(text: str) -> str:
    """Name the signs that have a name."""
    text = _GREEK_ALONE.sub(lambda match: f" {_GREEK.get(match[0], match[0])} ", text)
    return _NAMED.sub(lambda match: f" {_NAMES[match[0]]} ", text)


def only_read_letters(text: str) -> str:
    """Letters with marks that espeak-ng would spell out by their number become the letters under the marks."""
    return _MARKED.sub(_letter, text)


def check_all_is_read(text: str) -> None:
    """Refuse a text in which something is left that would be dropped.

    Raises:
        InvalidArgumentError: there is; the message shows the first.
    """
    for sign in text:
        if not _READ.match(sign):
            name = unicodedata.name(sign, f"U+{ord(sign):04X}").lower()
            raise InvalidArgumentError(
                Field.TEXT, f"has {sign!r} ({name}) in it, which this voice cannot read", "English, in Latin letters"
            )


def _letter(match: regex.Match[str]) -> str:
    sign = match[0]
    lower = sign.lower()
    if lower in _KNOWN_LETTERS or (not sign[0].isalpha() and not sign.strip()):
        return sign
    if lower[:1] in _OTHER_LETTERS:
        return _OTHER_LETTERS[lower[:1]]
    base = unicodedata.normalize("NFKD", sign)[0]
    if base.isascii() and base.isalpha():
        return base
    if unicodedata.category(sign[0]) == "Mn":
        return ""  # a mark on a letter that is read
    return sign if base in _KNOWN_LETTERS else _refused(sign[0])


def _refused(sign: str) -> str:
    name = unicodedata.name(sign, f"U+{ord(sign):04X}").lower()
    raise InvalidArgumentError(
        Field.TEXT, f"has {sign!r} ({name}) in it, which this voice cannot read", "English, in Latin letters"
    )


def said_letter(letter: str) -> str:
    """A letter that stands for itself: "a" would be taken for the article."""
    return LETTER_A if letter in "aA" else letter
