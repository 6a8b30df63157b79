"""Amounts of money: signs before and after, currencies before and behind, magnitudes, ranges and rates."""

from dataclasses import dataclass
from typing import Final

import regex

from s1_tts.text.english.numbers import NUMBER, cardinal, is_one, spoken


@dataclass(frozen=True)
class Currency:
    """Names of a currency: one, several, and its hundredth; none where it has none in use."""

    one: str
    many: str
    cent: str = ""
    cents: str = ""


_SIGNS: Final = {
    "$": Currency("dollar", "dollars", "cent", "cents"),
    "€": Currency("euro", "euros", "cent", "cents"),
    "£": Currency("pound", "pounds", "penny", "pence"),
    "¥": Currency("yen", "yen"),
    "₩": Currency("won", "won"),
    "₹": Currency("rupee", "rupees", "paisa", "paise"),
    "₽": Currency("ruble", "rubles", "kopeck", "kopecks"),
    "₺": Currency("lira", "lira", "kurush", "kurush"),
    "₪": Currency("shekel", "shekels"),
    "₫": Currency("dong", "dong"),
    "₱": Currency("peso", "pesos", "centavo", "centavos"),
    "฿": Currency("baht", "baht"),
    "₴": Currency("hryvnia", "hryvnias"),
    "₦": Currency("naira", "naira"),
    "₿": Currency("bitcoin", "bitcoins"),
    "₣": Currency("franc", "francs"),
}
_OF_COUNTRIES: Final = {
    "US$": "U S ",
    "A$": "Australian ",
    "AU$": "Australian ",
    "C$": "Canadian ",
    "CA$": "Canadian ",
    "HK$": "Hong Kong ",
    "NZ$": "New Zealand ",
    "S$": "Singapore ",
}
_CODES: Final = {
    "USD": Currency("U S dollar", "U S dollars", "cent", "cents"),
    "EUR": _SIGNS["€"],
    "GBP": _SIGNS["£"],
    "JPY": _SIGNS["¥"],
    "CNY": Currency("yuan", "yuan"),
    "RMB": Currency("yuan", "yuan"),
    "CHF": Currency("Swiss franc", "Swiss francs", "centime", "centimes"),
    "CAD": Currency("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": Currency("Australian dollar", "Australian dollars", "cent", "cents"),
    "NZD": Currency("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "HKD": Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "INR": _SIGNS["₹"],
    "KRW": _SIGNS["₩"],
    "RUB": _SIGNS["₽"],
    "SEK": Currency("Swedish krona", "Swedish kronor"),
    "NOK": Currency("Norwegian krone", "Norwegian kroner"),
    "DKK": Currency("Danish krone", "Danish kroner"),
    "PLN": Currency("zloty", "zlotys"),
    "BRL": Currency("Brazilian real", "Brazilian reals"),
    "MXN": Currency("Mexican peso", "Mexican pesos"),
    "BTC": _SIGNS["₿"],
}
CURRENCIES: Final = {
    **_SIGNS,
    **{
        sign: Currency(f"{country}dollar", f"{country}dollars", "cent", "cents")
        for sign, country in _OF_COUNTRIES.items()
    },
    **_CODES,
}
_MAGNITUDES: Final = {
    "k": "thousand",
    "K": "thousand",
    "thousand": "thousand",
    "m": "million",
    "M": "million",
    "mm": "million",
    "MM": "million",
    "mn": "million",
    "mil": "million",
    "million": "million",
    "b": "billion",
    "B": "billion",
    "bn": "billion",
    "Bn": "billion",
    "billion": "billion",
    "t": "trillion",
    "T": "trillion",
    "tn": "trillion",
    "trn": "trillion",
    "trillion": "trillion",
}
_RATES: Final = {"mo": "month", "yr": "year", "hr": "hour", "h": "hour", "wk": "week", "kg": "kilogram", "lb": "pound"}

_SIGN: Final = "|".join(map(regex.escape, _SIGNS))
_NAME: Final = "|".join(sorted(map(regex.escape, CURRENCIES), key=len, reverse=True))
_MAGNITUDE: Final = "|".join(sorted(_MAGNITUDES, key=len, reverse=True))
# "1,50" and "1.234,50": the comma of most of Europe, only beside a currency and before two digits
_AMOUNT: Final = rf"(?:\d{{1,3}}(?:\.\d{{3}})+|\d+),\d{{2}}(?!\d)|{NUMBER}"
_TAIL: Final = (
    rf"(?:(?P<short>(?:{_MAGNITUDE}))\b|\s(?P<long>(?:thousand|million|billion|trillion|bn|mn))\b)?"
    rf"(?:\s?[-–]\s?(?:{_NAME})?(?P<to>{NUMBER})(?:(?P<short2>{_MAGNITUDE})\b|\s(?P<long2>thousand|million|billion|trillion)\b)?)?"
)
_BEFORE: Final = regex.compile(
    rf"(?<![\p{{L}}\p{{N}}])(?P<minus>[-+])?(?P<name>{_NAME})\s?(?P<minus2>[-+])?(?P<amount>{_AMOUNT}){_TAIL}"
    rf"(?:/(?P<rate>\p{{L}}+))?(?![\p{{N}}])"
)
_BEHIND: Final = regex.compile(
    rf"(?<![\p{{L}}\p{{N}}.,])(?P<minus>[-+])?(?P<amount>{_AMOUNT})(?:(?P<short>{_MAGNITUDE})(?=\s?(?:{_NAME}))|\s(?P<long>thousand|million|billion|trillion))?"
    rf"\s?(?P<name>{_NAME})(?:/(?P<rate>\p{{L}}+))?(?![\p{{L}}\p{{N}}])"
)
_BEHIND_RANGE: Final = regex.compile(
    rf"(?<=(?<![\p{{L}}\p{{N}}.,])(?:{_AMOUNT})\s?(?:{_SIGN}))\s?[-–—]\s?(?=(?:{_AMOUNT})\s?(?:{_SIGN}))"
)
_NO_WHOLE: Final = regex.compile(rf"(?<![\p{{L}}\p{{N}}])({_SIGN})(?=\.\d)")
_ABOUT: Final = regex.compile(rf"[~≈]\s?(?=(?:{_NAME})\s?\d)")
_CENTS: Final = regex.compile(rf"(?<![\p{{L}}\p{{N}}.,])({NUMBER})\s?¢")


def say_money(text: str) -> str:
    """Word all amounts of money in a text."""
    text = _NO_WHOLE.sub(lambda match: f"{match[1]}0", _ABOUT.sub("about ", text))
    text = _BEHIND_RANGE.sub(" to ", text)
    text = _BEFORE.sub(_amount, text)
    text = _BEHIND.sub(_amount, text)
    return _CENTS.sub(lambda match: f"{spoken(match[1])} {'cent' if is_one(match[1]) else 'cents'}", text)


def _amount(match: regex.Match[str]) -> str:
    groups = match.groupdict()
    currency = CURRENCIES[match["name"]]
    signs = {"-": "minus ", "+": "plus ", None: ""}
    sign = signs[match["minus"]] + signs[groups.get("minus2")]
    magnitude = _magnitude(groups.get("short"), groups.get("long"))
    words = sign + _sum(_decimal(match["amount"]), currency, magnitude, groups)
    if groups.get("rate"):
        words += f" per {_RATES.get(match['rate'], match['rate'])}"
    return f" {words} " if match.end() < len(match.string) and match.string[match.end()].isalpha() else words


def _sum(amount: str, currency: Currency, magnitude: str, groups: dict[str, str | None]) -> str:
    upper = groups.get("to")
    if upper is not None:
        other = _magnitude(groups.get("short2"), groups.get("long2"))
        return f"{_with(spoken(amount), magnitude)} to {_with(spoken(upper), other)} {currency.many}"
    if magnitude:
        return f"{spoken(amount)} {magnitude} {currency.many}"
    whole, _, cents = amount.partition(".")
    if len(cents) == 2 and currency.cent:
        return _with_cents(whole, int(cents), currency)
    return f"{spoken(amount)} {currency.one if is_one(amount) else currency.many}"


def _with_cents(whole: str, cents: int, currency: Currency) -> str:
    small = f"{cardinal(cents)} {currency.cent if cents == 1 else currency.cents}"
    if not whole.strip("0,") and cents:
        return small
    large = f"{spoken(whole)} {currency.one if is_one(whole) else currency.many}"
    return f"{large} and {small}" if cents else large


def _decimal(amount: str) -> str:
    """An amount with a decimal point, whichever mark it came with."""
    if regex.fullmatch(r"(?:\d{1,3}(?:\.\d{3})+|\d+),\d{2}", amount):
        return amount.replace(".", "").replace(",", ".")
    return amount


def _magnitude(short: str | None, long: str | None) -> str:
    return _MAGNITUDES.get(short or long or "", "")


def _with(words: str, magnitude: str) -> str:
    return f"{words} {magnitude}" if magnitude else words
