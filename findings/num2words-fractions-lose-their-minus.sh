#!/usr/bin/env bash
# num2words: -0.5 is "zero point five"; a number between minus one and zero loses its sign.
#
# One would guess that a library that says "minus one point five" says "minus zero point five". The sign is said with the whole
# part, and the whole part of -0.5 is 0, which has none: from -0.999 to -0.001 the words are those of the positive
# number, as float, Decimal and text, in English and most of its other languages. Temperatures, changes of a share, and balances are
# read aloud as their opposite. Say the minus yourself, and give it abs(number).
#
# num2words 0.5.14. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q num2words==0.5.14
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from decimal import Decimal

from num2words import CONVERTER_CLASSES, num2words

for number in (-1.5, -1, -0.999, -0.5, Decimal("-0.5"), "-0.5", -0.05, 0.5):
    print(f"{number!r:>16}: {num2words(number)}")

lost, kept = [], []
for language in sorted(CONVERTER_CLASSES):
    try:
        words = num2words(-0.5, lang=language), num2words(0.5, lang=language)
    except Exception:
        continue  # five of them cannot say 0.5 at all
    (lost if words[0] == words[1] else kept).append(language)
print(f"the minus is lost in {len(lost)} languages: {' '.join(lost)}")
print(f"it is kept in {len(kept)}: {' '.join(kept)}")
holds = (
    num2words(-1.5) == "minus one point five"
    and num2words(-0.5) == num2words("-0.5") == num2words(Decimal("-0.5")) == "zero point five"
    and {"en", "de", "es", "fr", "ja", "ko", "pt", "ru"} <= set(lost)
    and "it" in kept
)
sys.exit(0 if holds else "the behaviour has changed")
PYTHON
