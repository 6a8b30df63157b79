"""Dates, times of day, years and decades."""

from typing import Final

import regex

from s1_tts.text.english.numbers import cardinal, ordinal, plural, year

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SHORT_MONTHS: Final = {
    **{month[:3].lower(): number for number, month in enumerate(MONTHS, 1)},
    "sept": 9,
    **{month.lower(): number for number, month in enumerate(MONTHS, 1)},
}
_MONTH: Final = "|".join(sorted(_SHORT_MONTHS, key=len, reverse=True))
_WEEKDAYS: Final = {
    "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday",
    "thur": "Thursday", "thurs": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday",
}  # fmt: skip

_EDGE: Final = r"(?<![\p{L}\p{N}/.-])"
_END: Final = r"(?![\p{L}\p{N}]|[/-]\d|\.\d)"
_ISO_DATE: Final = regex.compile(rf"{_EDGE}(\d{{4}})-(\d\d)-(\d\d)(?:T(?=\d)|(?![\p{{L}}\p{{N}}]|-\d))")
_SLASH_DATE: Final = regex.compile(rf"{_EDGE}(\d{{1,2}})/(\d{{1,2}})/(\d{{4}}|\d{{2}}){_END}")
_DASH_DATE: Final = regex.compile(rf"{_EDGE}(\d{{1,2}})-(\d{{1,2}})-(\d{{4}}){_END}")
_YEAR_FIRST: Final = regex.compile(rf"{_EDGE}(\d{{4}})/(\d{{1,2}})/(\d{{1,2}}){_END}")
_DOT_DATE: Final = regex.compile(rf"{_EDGE}(\d{{1,2}})\.(\d{{1,2}})\.(\d{{4}}){_END}")
_MONTH_DAY: Final = regex.compile(
    rf"(?i)\b({_MONTH})\b\.?\s(\d{{1,2}})(?:st|nd|rd|th)?(?:(?:,\s?|\s)(\d{{4}}))?(?![\p{{L}}\p{{N}}:/%]|[.,]\d|\s?[ap]\.?m\b)"
)
_DAY_MONTH: Final = regex.compile(
    rf"(?i){_EDGE}(\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?({_MONTH})\b(?:\.(?=,?\s\d))?(?:,?\s(\d{{4}}))?(?![\p{{N}}])"
)
_WEEKDAY: Final = regex.compile(
    rf"(?i)(?<![\p{{L}}\p{{N}}])({'|'.join(_WEEKDAYS)})(?:\.|(?=,\s(?:{_MONTH}|\d)))(?=,?\s)"
)
_SHORT_WEEKDAY: Final = "Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun"
_WEEKDAYS_RANGE: Final = regex.compile(rf"\b({_SHORT_WEEKDAY})\.?\s?[-–—]\s?({_SHORT_WEEKDAY})\b\.?")
_SHORT_MONTH: Final = "|".join([*(month[:3] for month in MONTHS), "Sept"])
_MONTHS_RANGE: Final = regex.compile(rf"\b({_SHORT_MONTH})\.?\s?[-–—]\s?({_SHORT_MONTH})\b\.?")
_HALF: Final = r"(?:\s?([AaPp])(?:\.\s?[Mm](?:\.|(?![\p{L}\p{N}]))|[Mm]\b))"
_TIME_RANGE: Final = regex.compile(
    r"(?i)(?<=\d:\d\d|\d\s?[ap]m|\d\s?[ap]\.m\.|(?<![\d:.,/-])\d{1,2})\s?[-–—]\s?(?=\d{1,2}(?::\d\d)?\s?[ap]\.?m\b)"
    r"|(?<=\d:\d\d)\s?[-–—]\s?(?=\d{1,2}:\d\d)"
)
_DAYS_OF_MONTH: Final = regex.compile(
    rf"(?i)\b((?:{_MONTH})\b\.?\s\d{{1,2}}(?:st|nd|rd|th)?)\s?[-–—]\s?(\d{{1,2}})(?:st|nd|rd|th)?(?![\p{{L}}\p{{N}}:/%–-]|[.,]\d)"
)
_DAYS_BEFORE_MONTH: Final = regex.compile(
    rf"(?i){_EDGE}(\d{{1,2}})(?:st|nd|rd|th)?\s?[-–—]\s?(?=\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?(?:{_MONTH})\b)"
)
_HOURS: Final = regex.compile(
    r"(?<![\p{L}\p{N}.,:])(\d{1,3})(?:h([0-5]\d)|\s?(?:h|hrs?)\s?([0-5]?\d)\s?m(?:ins?)?)(?:\s([0-5]?\d)\s?s(?:ecs?)?)?(?![\p{L}\p{N}])"
)
_MINUTES: Final = regex.compile(r"(?<![\p{L}\p{N}.,:])(\d{1,3})\s?m\s?([0-5]?\d)\s?s(?:ecs?)?(?![\p{L}\p{N}])")
_CLOCK: Final = regex.compile(
    rf"(?<![\p{{L}}\p{{N}}:.])(\d{{1,2}}):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?(?![\p{{N}}:]){_HALF}?(Z\b)?"
)
_HOUR: Final = regex.compile(rf"(?<![\p{{L}}\p{{N}}:.,$€£])(1[0-2]|0?[1-9]){_HALF}")
_DECADE: Final = regex.compile(r"(?<![\p{L}\p{N}])(?:(1\d|20)(\d0)|'?([2-9]0))'?s\b")
_YEAR: Final = regex.compile(r"(?<![\p{L}\d.,#/:+-])(1[1-9]\d\d|20\d\d)(?![\p{L}\d%°]|[.,:]\d)")
_YEARS: Final = regex.compile(
    r"(?<![\p{L}\d.,#/:+-])(1[1-9]\d\d|20\d\d)\s?[-–/]\s?(1[1-9]\d\d|20\d\d|\d\d)(?![\p{L}\d%°]|[.,:/-]\d)"
)
_LAST_HOUR = 24


def say_calendar(text: str) -> str:
    """Word all dates, times and years in a text."""
    text = _ISO_DATE.sub(lambda match: _date(match, match[1], match[2], match[3]), text)
    text = _SLASH_DATE.sub(_american_date, text)
    text = _DASH_DATE.sub(_american_date, text)
    text = _YEAR_FIRST.sub(lambda match: _date(match, match[1], match[2], match[3]), text)
    text = _DOT_DATE.sub(lambda match: _date(match, match[3], match[2], match[1]), text)
    text = _DAYS_OF_MONTH.sub(_days, text)
    text = _DAYS_BEFORE_MONTH.sub(lambda match: f"{ordinal(int(match[1]))} to ", text)
    text = _TIME_RANGE.sub(" to ", text)
    text = _HOURS.sub(
        lambda match: _length(match[1], "hour", match[2] or match[3], "minute", match[4] or "", "second"), text
    )
    text = _MINUTES.sub(lambda match: _length(match[1], "minute", match[2], "second"), text)
    text = _WEEKDAYS_RANGE.sub(lambda match: f"{_WEEKDAYS[match[1].lower()]} to {_WEEKDAYS[match[2].lower()]}", text)
    text = _MONTHS_RANGE.sub(lambda match: f"{_month(match[1])} to {_month(match[2])}", text)
    text = _WEEKDAY.sub(lambda match: _WEEKDAYS[match[1].lower()], text)
    text = _MONTH_DAY.sub(lambda match: _named_date(match, match[1], match[2], match[3]), text)
    text = _DAY_MONTH.sub(lambda match: _named_date(match, match[2], match[1], match[3]), text)
    text = _CLOCK.sub(_clock, text)
    text = _HOUR.sub(lambda match: f"{cardinal(int(match[1]))} {_half(match, match[2])}", text)
    text = _DECADE.sub(_decade, text)
    text = _YEARS.sub(_span, text)
    return _YEAR.sub(lambda match: year(int(match[1])), text)


def _date(match: regex.Match[str], of_year: str, month: str, day: str) -> str:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match[0]
    since = int(of_year) + (0 if len(of_year) == 4 else 2000 if int(of_year) < 70 else 1900)
    separator = ", " if match[0].endswith("T") else ""
    return f"{MONTHS[int(month) - 1]} {ordinal(int(day))}, {year(since)}{separator}"


def _american_date(match: regex.Match[str]) -> str:
    """Month first, as in the United States; day first where the month would be none."""
    first, second, of_year = match[1], match[2], match[3]
    if int(first) > 12:
        first, second = second, first
    return _date(match, of_year, first, second)


def _named_date(match: regex.Match[str], month: str, day: str, of_year: str | None) -> str:
    number = _SHORT_MONTHS[month.lower()]
    is_a_verb = month == "may" or (month == "march" and of_year is None)
    if not 1 <= int(day) <= 31 or is_a_verb:
        return match[0]
    since = f", {year(int(of_year))}" if of_year else ""
    if regex.search(r"(?i)\bthe\s$", match.string[: match.start()]):
        return f"{ordinal(int(day))} of {MONTHS[number - 1]}{since}"
    return f"{MONTHS[number - 1]} {ordinal(int(day))}{since}"


def _month(short: str) -> str:
    return MONTHS[_SHORT_MONTHS[short.lower()] - 1]


def _days(match: regex.Match[str]) -> str:
    """Days of one month, from the first to the last; ``May 5-7`` but not ``may 5-7``."""
    return match[0] if match[0].startswith("may ") else f"{match[1]} to {ordinal(int(match[2]))}"


def _length(*numbers_and_units: str) -> str:
    """A length of time: numbers, each with its unit behind it; an empty number is left out."""
    pairs = zip(numbers_and_units[::2], numbers_and_units[1::2], strict=True)
    words = [f"{cardinal(int(number))} {unit}{'' if int(number) == 1 else 's'}" for number, unit in pairs if number]
    return " ".join(words)


def _clock(match: regex.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if hour > _LAST_HOUR:
        return match[0]
    words = [cardinal(hour)]
    half = match[4]
    if minute:
        words.append(("oh " if minute < 10 else "") + cardinal(minute))
    elif half is None:
        words.append("o'clock" if 1 <= hour <= 12 else "hundred")
    if match[3] is not None and int(match[3]):
        words.append(f"and {cardinal(int(match[3]))} second{'' if int(match[3]) == 1 else 's'}")
    if half is not None:
        words.append(_half(match, half))
    if match[5]:
        words.append("U T C")
    return " ".join(words)


def _half(match: regex.Match[str], letter: str) -> str:
    """Before or after noon, with the full stop that ended the sentence too."""
    rest = match.string[match.end() :].lstrip()
    ends = match[0].endswith(".") and (not rest or (rest[0].isupper() and match.string[match.end()].isspace()))
    return ("eh em" if letter in "aA" else "pee em") + ("." if ends else "")


def _decade(match: regex.Match[str]) -> str:
    if match[3]:
        return plural(cardinal(int(match[3])))
    if match[2] == "00":
        return plural(year(int(match[1] + match[2])))
    return f"{cardinal(int(match[1]))} {plural(cardinal(int(match[2])))}"


def _span(match: regex.Match[str]) -> str:
    last = match[2]
    end = year(int(last)) if len(last) == 4 else cardinal(int(last)) if last[0] != "0" else f"oh {cardinal(int(last))}"
    return f"{year(int(match[1]))} to {end}"
