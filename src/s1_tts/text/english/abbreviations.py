"""Abbreviations, numbers with a name in front, and Roman numerals."""

from typing import Final

import regex

from s1_tts.text.english.numbers import cardinal, ordinal

_WITH_DOT: Final = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor", "jr": "junior", "sr": "senior",
    "vs": "versus", "etc": "et cetera", "e.g": "for example", "i.e": "that is", "approx": "approximately",
    "ca": "circa", "cf": "compare", "et al": "and others", "dept": "department", "inc": "incorporated",
    "ltd": "limited", "corp": "corporation", "co": "company", "ave": "avenue", "blvd": "boulevard", "rd": "road",
    "mt": "mount", "gov": "governor", "sen": "senator", "rep": "representative", "gen": "general", "col": "colonel",
    "lt": "lieutenant", "sgt": "sergeant", "capt": "captain", "rev": "reverend", "hon": "honorable",
    "est": "established", "apt": "apartment", "misc": "miscellaneous", "tel": "telephone", "ext": "extension",
    "min": "minimum", "max": "maximum", "avg": "average", "gal": "gallons", "in": "inches", "lbs": "pounds",
    "a.m": "eh em", "p.m": "pee em", "ph.d": "p h d", "m.d": "m d", "b.a": "b eh", "m.a": "m eh", "d.c": "d c",
    "a.k.a": "also known as", "p.s": "p s", "r.i.p": "r i p", "u.s.a": "u s eh", "u.s": "u s", "u.k": "u k",
    "u.n": "u n", "e.u": "e u",
}  # fmt: skip
_ENDING_WORDS: Final = frozenset(
    {"in", "co", "min", "max", "gal", "est", "hon", "rev", "gen", "rep", "col", "apt", "misc"}
)
"""Abbreviations that are words too: taken as such only before a name or number, or after a number."""
_NUMBERED: Final = {
    "no": "number", "nos": "numbers", "nr": "number", "p": "page", "pp": "pages", "fig": "figure", "figs": "figures",
    "vol": "volume", "ch": "chapter", "sec": "section", "eq": "equation", "art": "article", "ver": "version",
    "rev": "revision",
}  # fmt: skip
_WITH_SLASH: Final = {"w/o": "without", "w/": "with", "c/o": "care of", "n/a": "not applicable", "b/c": "because"}
_HEADS: Final = (
    "chapter|part|act|scene|volume|section|article|book|level|episode|figure|phase|type|class|grade|round|"
    "stage|step|appendix|annex|title|table|unit|mark|season|war|bowl|apollo|rocky|henri|saturn|schedule|"
    "quarter|tier"
)
_RULERS: Final = (
    "henry|louis|elizabeth|charles|george|edward|william|richard|james|philip|francis|benedict|pius|leo|"
    "nicholas|catherine|alexander|frederick|mary|ivan|wilhelm|paul|john|peter|napoleon|gregory|innocent|"
    "clement|urban|ramses|ptolemy|margaret|harald|olaf|gustav|carl|christian|juan|carlos|ferdinand|alfonso|"
    "felipe|rama|victor|otto|stephen"
)

_ANY_WITH_DOT: Final = "|".join(sorted(map(regex.escape, _WITH_DOT), key=len, reverse=True))
_ABBREVIATION: Final = regex.compile(rf"(?i)(?<![\p{{L}}\p{{N}}.])({_ANY_WITH_DOT})\.(?![\p{{L}}\p{{N}}])")
_NUMBER_OF: Final = regex.compile(rf"(?i)(?<![\p{{L}}\p{{N}}.])({'|'.join(_NUMBERED)})\.\s*(?=\d)")
_SLASHED: Final = regex.compile(r"(?i)(?<![\p{L}\p{N}/])(w/o|w/(?=\s?\p{L})|c/o|n/a|b/c)(?![/\p{N}])")
_HASH_NUMBER: Final = regex.compile(r"(?<![\p{L}\p{N}#&])#\s?(?=\d)")
_SAINT: Final = regex.compile(r"\bSt\.?\s(?=\p{Lu})")
_STREET: Final = regex.compile(r"(?<=\p{L}\s)St\.(?=\s*$|[\s,;]+)")
_DRIVE: Final = regex.compile(r"(?<=\p{Lu}\p{Ll}+\s)Dr\.(?=\s*(?:$|[,;!?]))")
_ROMAN: Final = r"(?=[IVXLCM])(?:M{0,3})(?:C[MD]|D?C{0,3})(?:X[CL]|L?X{0,3})(?:I[XV]|V?I{0,3})"
_RULER: Final = regex.compile(rf"(?i:\b({_RULERS}))\s({_ROMAN})(?![\p{{L}}\p{{N}}'])")
_HEADED: Final = regex.compile(rf"(?i:\b({_HEADS}))\s({_ROMAN})(?![\p{{L}}\p{{N}}'])")
_CENTURY: Final = regex.compile(r"(?<![\p{L}\p{N}'.-])([IVX]+)(?:th)?(?=\s(?i:centur(?:y|ies))\b)")
_ALONE: Final = regex.compile(r"(?<![\p{L}\p{N}'.-])([IVX]{2,6})(?![\p{L}\p{N}'])")
_VALID: Final = regex.compile(_ROMAN)
_VALUES: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def say_abbreviations(text: str) -> str:
    """Write abbreviations in full, and Roman numerals as numbers."""
    text = _SLASHED.sub(lambda match: _WITH_SLASH[match[1].lower()], text)
    text = _NUMBER_OF.sub(lambda match: _NUMBERED[match[1].lower()] + " ", text)
    text = _HASH_NUMBER.sub("number ", text)
    text = _SAINT.sub("Saint ", text)
    text = _STREET.sub("street", text)
    text = _DRIVE.sub("drive", text)
    text = _ABBREVIATION.sub(_abbreviation, text)
    text = _RULER.sub(lambda match: f"{match[1]} the {ordinal(roman(match[2]))}", text)
    text = _HEADED.sub(lambda match: f"{match[1]} {cardinal(roman(match[2]))}", text)
    text = _CENTURY.sub(lambda match: ordinal(roman(match[1])) if _VALID.fullmatch(match[1]) else match[0], text)
    return _ALONE.sub(lambda match: cardinal(roman(match[1])) if _VALID.fullmatch(match[1]) else match[0], text)


def roman(numeral: str) -> int:
    """The value of a Roman numeral."""
    values = [_VALUES[letter] for letter in numeral]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))


def _abbreviation(match: regex.Match[str]) -> str:
    key = match[1].lower()
    rest = match.string[match.end() :].lstrip()
    before = match.string[: match.start()].rstrip()
    if key in _ENDING_WORDS and not (
        before[-1:].isdigit() or ((rest[:1].isupper() or rest[:1].isdigit()) and match[1][0].isupper())
    ):
        return match[0]
    ends = not rest or (key in ("etc", "inc", "ltd", "corp", "a.m", "p.m") and rest[0].isupper())
    return _WITH_DOT[key] + ("." if ends else "")
