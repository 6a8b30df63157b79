#!/usr/bin/env bash
# inflect: number_to_words("1/2") is "twelve", and other things that are no number are other numbers.
#
# One would guess that number_to_words, by which the text cleaners of many speech models say numbers, refuses a text that is no
# number, as num2words does, or leaves it alone. It takes out every sign that is neither a digit nor a point and reads
# what is left: "1/2" is twelve, "12:30" is one thousand, two hundred and thirty, "1e-5" is fifteen, "3-4" thirty-four, "½" and
# "n/a" are zero. Only signs at the front count. So a cleaner whose pattern lets one of these through says a wrong number, and
# nothing tells it. Match digits strictly before the call.
#
# inflect 7.6.0, num2words 0.5.14 beside it. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q inflect==7.6.0 num2words==0.5.14
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import inflect
from num2words import num2words

EXPECTED = {
    "12": "twelve",
    "-5": "minus five",
    "1/2": "twelve",
    "12:30": "one thousand, two hundred and thirty",
    "3-4": "thirty-four",
    "1e-5": "fifteen",
    "½": "zero",
    "n/a": "zero",
}
engine = inflect.engine()


def other(text: str) -> str:
    try:
        return num2words(text)
    except Exception as error:
        return type(error).__name__


said = {text: engine.number_to_words(text) for text in EXPECTED}
for text, words in said.items():
    print(f"{text:>6}: inflect says {words!r}; num2words: {other(text)}")
sys.exit(0 if said == EXPECTED else "the behaviour has changed")
PYTHON
