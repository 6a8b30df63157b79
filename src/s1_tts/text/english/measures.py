"""Units, percentages, fractions, ranges, signs of numbers, ordinals, and all numbers that are left."""

from typing import Final

import regex

from s1_tts.text.english.numbers import NUMBER, cardinal, is_one, ordinal, plural, spoken

_UNITS: Final = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "nm": "nanometer", "μm": "micrometer",
    "mi": "mile", "yd": "yard", "ft": "foot", "lb": "pound", "lbs": "pound", "oz": "ounce", "kg": "kilogram",
    "g": "gram", "mg": "milligram", "μg": "microgram", "t": "ton", "l": "liter", "L": "liter", "dl": "deciliter",
    "cl": "centiliter", "ml": "milliliter", "mL": "milliliter", "h": "hour", "hr": "hour", "hrs": "hour",
    "min": "minute", "mins": "minute", "s": "second", "sec": "second", "secs": "second", "ms": "millisecond",
    "μs": "microsecond", "ns": "nanosecond", "ha": "hectare", "GB": "gigabyte", "MB": "megabyte", "KB": "kilobyte",
    "kB": "kilobyte", "TB": "terabyte", "PB": "petabyte", "GiB": "gibibyte", "MiB": "mebibyte", "KiB": "kibibyte",
    "Gb": "gigabit", "Mb": "megabit", "kb": "kilobit", "W": "watt", "kW": "kilowatt", "MW": "megawatt",
    "GW": "gigawatt", "kWh": "kilowatt hour", "MWh": "megawatt hour", "Wh": "watt hour", "V": "volt",
    "kV": "kilovolt", "mV": "millivolt", "mA": "milliampere", "mAh": "milliampere hour", "Ω": "ohm", "J": "joule",
    "kJ": "kilojoule", "N": "newton", "kN": "kilonewton", "Pa": "pascal", "hPa": "hectopascal", "kPa": "kilopascal",
    "cal": "calorie", "kcal": "kilocalorie", "px": "pixel", "in": "inch", "acre": "acre",
}  # fmt: skip
_UNCHANGED: Final = {
    "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "dB": "decibels", "mph":
    "miles per hour", "kph": "kilometers per hour", "kmh": "kilometers per hour", "fps": "frames per second",
    "bpm": "beats per minute", "rpm": "revolutions per minute", "psi": "pounds per square inch", "ppm":
    "parts per million", "dpi": "dots per inch", "kbps": "kilobits per second", "Mbps": "megabits per second",
    "Gbps": "gigabits per second", "°C": "degrees Celsius", "°F": "degrees Fahrenheit", "%": "percent",
    "‰": "per mille", "cc": "c c", "hp": "horsepower", "sqft": "square feet", "sq ft": "square feet",
}  # fmt: skip
_IRREGULAR: Final = {"foot": "feet", "inch": "inches"}
_ANY_UNIT: Final = "|".join(sorted(map(regex.escape, {**_UNITS, **_UNCHANGED}), key=len, reverse=True))
_PER: Final = {"h": "hour", "s": "second", "min": "minute", "day": "day", "m": "meter", **_UNITS}
_PER_UNIT: Final = "|".join(sorted(map(regex.escape, _PER), key=len, reverse=True))

_EDGE: Final = r"(?<![\p{L}\p{N}.,])"
_SIGN: Final = r"(?<![\p{L}\p{N})\]])([-+±~≈])\s?(?=\d|\.\d)"
_FEET: Final = regex.compile(
    rf"{_EDGE}(\d+)\s?['′](?:\s?(\d+(?:\.\d+)?)\s?(?:[\"″]|'')|(?<=\b\d')(\d\d?)\b)?(?![\p{{L}}\p{{N}}])"
)
_INCHES: Final = regex.compile(rf"{_EDGE}({NUMBER})\s?[\"″](?=[\s.,;:!?)]|$)(?<=\d[\"″])")
_RANGE: Final = regex.compile(rf"(?<![\p{{L}}\p{{N}}.,:/-])({NUMBER})\s?[-–—]\s?({NUMBER})(?![\p{{N}}:/-]|[.,]\d)")
_MIXED: Final = regex.compile(r"(?<![\p{L}\p{N}.,/])(?:(\d+)[ -])?(\d+)/(\d+)(?![\p{N}/]|[.,]\d)")
_DEGREES: Final = regex.compile(rf"{_EDGE}({NUMBER})\s?°\s?(?![CF]\b)")
_AREA: Final = regex.compile(rf"{_EDGE}({NUMBER})\s?(km|m|cm|mm|ft|mi|in|yd)(?:\^?([23])|([²³]))(?![\p{{L}}\p{{N}}])")
_RATE: Final = regex.compile(rf"{_EDGE}({NUMBER})\s?({_ANY_UNIT})\s?/\s?({_PER_UNIT})(?![\p{{L}}\p{{N}}])")
_UNIT: Final = regex.compile(rf"{_EDGE}({NUMBER})(\s?)({_ANY_UNIT})(?![\p{{L}}\p{{N}}'])")
_TIMES: Final = regex.compile(r"(?<=\d)\s?[x×]\s?(?=\d)")
_TIMES_AS: Final = regex.compile(rf"{_EDGE}({NUMBER})x(?![\p{{L}}\p{{N}}])")
_POWER: Final = regex.compile(r"(?<=[\p{L}\p{N})])\^\s?(-?)(\d+|\p{L})")
_SCIENTIFIC: Final = regex.compile(r"(?<![\p{L}\p{N}.,])(\d+(?:\.\d+)?)[eE]([-+]?)(\d{1,3})(?![\p{L}\p{N}])")
_ORDINAL: Final = regex.compile(r"(?<![\p{L}\p{N}.,])(\d{1,3}(?:,\d{3})+|\d{1,6})(?:st|nd|rd|th)(?![\p{L}\p{N}])")
_NUMBER: Final = regex.compile(rf"({NUMBER})")
_BARE_FRACTION: Final = regex.compile(r"(?<![\p{L}\p{N}.])\.(\d+)")
_HEX: Final = regex.compile(r"(?<![\p{L}\p{N}])0[xX](?=[0-9a-fA-F]+(?![\p{L}\p{N}]))")
_UNIT_RANGE: Final = regex.compile(
    rf"(?<={_EDGE}(?:{NUMBER})\s?(?:{_ANY_UNIT}))\s?[-–—]\s?(?=(?:{NUMBER})\s?(?:{_ANY_UNIT})(?![\p{{L}}\p{{N}}']))"
)
_MAGNITUDE_RANGE: Final = regex.compile(
    rf"(?<={_EDGE}(?:{NUMBER})\s?(?:k|K|M|bn|mn|tn))\s?[-–—]\s?(?=(?:{NUMBER})\s?(?:k|K|M|bn|mn|tn)(?![\p{{L}}\p{{N}}]))"
)
_FEET_RANGE: Final = regex.compile(r"(?<=(?<![\p{L}\p{N}.,])\d+['′])\s?[-–—]\s?(?=\d+['′])")
_ORDINAL_RANGE: Final = regex.compile(r"(?<=\d(?:st|nd|rd|th))\s?[-–—]\s?(?=\d+(?:st|nd|rd|th)\b)")
_FEET_AND_INCHES: Final = regex.compile(rf"{_EDGE}({NUMBER})\s?ft\.?\s({NUMBER})\s?in\b\.?(?=[\s.,;:!?)]|$)")
_MERCURY: Final = regex.compile(r"(?<=\d\s?)mmHg\b")
_RATIO: Final = regex.compile(r"(?<![\p{L}\p{N}:.])(\d+):(\d+)(?![\p{N}:])")
_SIGNS: Final = {"-": "minus ", "+": "plus ", "±": "plus or minus ", "~": "about ", "≈": "about "}
_SPOKEN_AS_IS: Final = {"24/7": "twenty four seven", "9/11": "nine eleven", "50/50": "fifty fifty"}
_MAGNITUDE: Final = regex.compile(rf"{_EDGE}({NUMBER})\s?(k|K|M|bn|mn|tn)(?![\p{{L}}\p{{N}}/])")
_MAGNITUDES: Final = {
    "k": "thousand",
    "K": "thousand",
    "M": "million",
    "bn": "billion",
    "mn": "million",
    "tn": "trillion",
}


def say_measures(text: str) -> str:
    """Word all numbers of a text that nothing else took, with what belongs to them."""
    text = _SCIENTIFIC.sub(_scientific, _HEX.sub("zero x ", text))
    text = _MERCURY.sub(" millimeters of mercury", text)
    text = _FEET_AND_INCHES.sub(
        lambda match: f"{match[1]} ft {spoken(match[2])} {'inch' if is_one(match[2]) else 'inches'}", text
    )
    text = _ORDINAL_RANGE.sub(" to ", _UNIT_RANGE.sub(" to ", text))
    text = _FEET_RANGE.sub(" to ", _MAGNITUDE_RANGE.sub(" to ", text))
    text = _FEET.sub(_feet, text)
    text = _INCHES.sub(lambda match: f"{spoken(match[1])} {'inch' if is_one(match[1]) else 'inches'}", text)
    text = _BARE_FRACTION.sub(lambda match: f"0.{match[1]}", text)
    text = regex.sub(_SIGN, lambda match: _SIGNS[match[1]], text)
    text = _RANGE.sub(lambda match: f"{match[1]} to {match[2]}", text)
    text = _MIXED.sub(_fraction, text)
    text = _RATIO.sub(lambda match: f"{spoken(match[1])} to {spoken(match[2])}", text)
    text = _AREA.sub(_area, text)
    text = _POWER.sub(_power, text)
    text = _RATE.sub(_rate, text)
    text = _MAGNITUDE.sub(_magnitude, text)
    text = _UNIT.sub(_unit, text)
    text = _DEGREES.sub(lambda match: f"{spoken(match[1])} {'degree' if is_one(match[1]) else 'degrees'} ", text)
    text = _TIMES.sub(" times ", text)
    text = _TIMES_AS.sub(lambda match: f"{spoken(match[1])} times", text)
    text = _ORDINAL.sub(lambda match: ordinal(int(match[1].replace(",", ""))), text)
    return _NUMBER.sub(_number, text)


def fraction(numerator: int, denominator: int) -> str:
    """A fraction in words: one half, three quarters, five over thirteen."""
    if denominator == 2:
        part = "half" if numerator == 1 else "halves"
    elif denominator == 4:
        part = "quarter" if numerator == 1 else "quarters"
    elif 3 <= denominator <= 10 or denominator in (12, 16, 20, 32, 64, 100, 1000):
        part = ordinal(denominator) if numerator == 1 else plural(ordinal(denominator))
    else:
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    return f"{cardinal(numerator)} {part}"


def _number(match: regex.Match[str]) -> str:
    """A number, parted from letters that it touches."""
    text, (start, end) = match.string, match.span()
    before = " " if start and text[start - 1].isalpha() else ""
    after = " " if end < len(text) and text[end].isalpha() else ""
    return before + spoken(match[1]) + after


def _scientific(match: regex.Match[str]) -> str:
    sign = "minus " if match[2] == "-" else ""
    return f"{spoken(match[1])} times ten to the {sign}{cardinal(int(match[3]))}"


def _feet(match: regex.Match[str]) -> str:
    inches = match[2] or match[3]
    feet = f"{spoken(match[1])} {'foot' if is_one(match[1]) or inches else 'feet'}"
    return f"{feet} {spoken(inches)}" if inches else feet


def _fraction(match: regex.Match[str]) -> str:
    whole, numerator, denominator = match[1], int(match[2]), int(match[3])
    if match[0] in _SPOKEN_AS_IS:
        return _SPOKEN_AS_IS[match[0]]
    if denominator == 0 or numerator >= 1000 or denominator > 1000:
        return f"{spoken(match[1]) + ' ' if match[1] else ''}{spoken(match[2])} slash {spoken(match[3])}"
    words = fraction(numerator, denominator)
    if whole is None and numerator + denominator == 100 and numerator > denominator:  # shares of a hundred
        return f"{cardinal(numerator)} {cardinal(denominator)}"
    if whole is None:
        return words
    return f"{spoken(whole)} and {'a ' + words[4:] if words.startswith('one ') else words}"


def _power(match: regex.Match[str]) -> str:
    if not match[1] and match[2] in ("2", "3"):
        return " squared" if match[2] == "2" else " cubed"
    exponent = spoken(match[2]) if match[2].isdigit() else match[2]
    return f" to the power of {'minus ' if match[1] else ''}{exponent}"


def _area(match: regex.Match[str]) -> str:
    is_square = (match[3] or match[4]) in ("2", "²")
    return f"{spoken(match[1])} {'square' if is_square else 'cubic'} {_named(match[2], is_one(match[1]))}"


def _rate(match: regex.Match[str]) -> str:
    return f"{spoken(match[1])} {_named(match[2], is_one(match[1]))} per {_PER[match[3]]}"


def _unit(match: regex.Match[str]) -> str:
    if match[3] == "in" and match[2]:  # a word
        return match[0]
    return f"{spoken(match[1])} {_named(match[3], is_one(match[1]))}"


def _magnitude(match: regex.Match[str]) -> str:
    is_letter = match[2] == "K" and len(match[1]) == 1  # a 4K screen
    return match[0] if is_letter else f"{spoken(match[1])} {_MAGNITUDES[match[2]]}"


def _named(unit: str, is_singular: bool) -> str:
    if unit in _UNCHANGED:
        return _UNCHANGED[unit]
    name = _UNITS[unit]
    return name if is_singular else _IRREGULAR.get(name, name + "s")
