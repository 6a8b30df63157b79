"""Take out of a text what cannot be spoken, before it is tokenized."""

import unicodedata

import regex

_SYMBOLS = str.maketrans(
    {"‘": "'", "’": "'", "❓": "?", "❔": "?", "❗": "!", "❕": "!", "\t": " ", "\u2028": "\n", "\u2029": "\n"}
)

# Forms that are the same letter or digit to a reader: full and half width, mathematical and Arabic presentation forms.
# Superscripts, fractions and what spells words in Thai, Lao or Korean have a meaning of their own and stay.
_FORMS_OF_LETTERS = frozenset(
    ["<font>", "<wide>", "<narrow>", "<initial>", "<medial>", "<final>", "<isolated>", "<circle>"]
)
_LIGATURES = range(0xFB00, 0xFE00)
_ROMAN_NUMERALS = range(0x2160, 0x2180)


class _PlainForms(dict[int, str]):
    """The plain form of each letter, digit and white space; filled as signs are met."""

    def __missing__(self, point: int) -> str:
        sign = chr(point)
        form = unicodedata.decomposition(sign).partition(" ")[0]
        is_other_form = form in _FORMS_OF_LETTERS and unicodedata.category(sign)[0] in "LN"
        if unicodedata.category(sign) == "Zs":
            plain = " "
        elif is_other_form or point in _LIGATURES or point in _ROMAN_NUMERALS:
            plain = unicodedata.normalize("NFKC", sign)
        else:
            plain = sign
        self[point] = plain
        return plain


_PLAIN_FORMS = _PlainForms()

# A pictograph is what Unicode calls one, or stands in its blocks of pictographs; but not what is also a letter, digit,
# punctuation mark, mathematical sign, or one of the three signs that have a spoken name.
_PICTOGRAPH = (
    r"[[\p{Emoji_Presentation}\p{Extended_Pictographic}\p{Regional_Indicator}\U0001F300-\U0001FAFF]"
    r"--[\p{L}\p{N}\p{P}\p{Sm}\N{COPYRIGHT SIGN}\N{REGISTERED SIGN}\N{TRADE MARK SIGN}]]"
)
_EMOJI_PART = r"[\p{Emoji_Modifier}\uFE00-\uFE0F\u200D\u20E3\U000E0020-\U000E007F]"
# The first look-behind tries a run of white space once, not once a character of it.
_EMOJIS = regex.compile(
    rf"(?<!\s)(?P<opening>(?<=[\p{{Ps}}\p{{Pi}}]))?\s*+{_PICTOGRAPH}(?:{_PICTOGRAPH}|{_EMOJI_PART}|\s)*+"
    rf"(?P<closing>$|(?=[\p{{P}}--[\p{{Ps}}\p{{Pi}}\"']]))?",
    flags=regex.VERSION1,
)

# a line feed stays: two of them part paragraphs
_CONTROL = regex.compile(r"[\p{Cc}--[\n]]", flags=regex.VERSION1)

# Marks that only steer how text is drawn: selectors, keycap, tags, soft hyphen, direction marks, zero-width spaces.
_INVISIBLE = regex.compile(
    r"[\uFE00-\uFE0F\u20E3\U000E0000-\U000E01EF\u00AD\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF]"
)

# Zero-width joiners spell words in the scripts of India and in Arabic, and mean nothing elsewhere.
_STRAY_JOINER = regex.compile(
    r"(?<![[\p{L}\p{M}]--[\p{Latin}\p{Greek}\p{Cyrillic}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]])[\u200C\u200D]+",
    flags=regex.VERSION1,
)
_COMMAS = regex.compile(r",{2,}")
_SPEAKABLE = regex.compile(r"[\p{L}\p{N}]")


def is_speakable(text: str) -> bool:
    """Whether a text holds something to say: a letter or a digit of any script."""
    return _SPEAKABLE.search(text) is not None


def clean_text(text: str) -> str:
    """Take out what cannot be spoken: emoji, control characters, marks for drawing only.

    Follows ``fish_speech/text/clean.py`` of fish-speech 0.1.0 (trim, straight apostrophes, no emoji, one comma for
    many) with every emoji of Unicode instead of four blocks. Where an emoji stood between two words a space is
    left. Letters and digits are never removed, so a speakable text stays speakable; cleaning twice changes nothing.
    Before that, full-width, decorated and joined forms of letters and digits become the plain ones, and every white
    space but line feeds a space.

    Args:
        text: Valid Unicode text.
    """
    text = text.replace("\r\n", "\n").translate(_SYMBOLS).translate(_PLAIN_FORMS)
    text = _CONTROL.sub(" ", text)
    text = _EMOJIS.sub(_space_left_by_emoji, text)
    text = _INVISIBLE.sub("", text)
    text = _STRAY_JOINER.sub("", text)
    return _COMMAS.sub(",", text).strip()


def _space_left_by_emoji(match: regex.Match[str]) -> str:
    is_at_edge = match.start() == 0 or match["opening"] is not None or match["closing"] is not None
    if is_at_edge:
        return ""
    return "\n" if "\n" in match.group() else " "
