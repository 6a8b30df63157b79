#!/usr/bin/env bash
# Pipecat's MarkdownTextFilter: "It costs 100000 euros." is spoken as "It costs 1 euros."
#
# One would guess that a filter that takes Markdown out of a language model's text before it is spoken changes Markdown only. By
# default it also takes out every sign that stands five times or more in a row, all of them, digits and letters included: 100000 is 1,
# the code 55555 is nothing, "Goooooal" is "Gal". An address in angle brackets becomes a row of HTML entities, each of which a voice
# reads as a number, "2*y*z" is "2yz", and what stands between "<" and ">" without spaces is gone. Nothing tells. Set
# filter_repeated_sequences=False, and look at what arrives at the speech server.
#
# pipecat-ai 1.14.0. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pipecat-ai==1.14.0
"$folder/venv/bin/python" -W ignore - 2> /dev/null <<'PYTHON'
import asyncio
import sys

from pipecat.utils.text.markdown_text_filter import MarkdownTextFilter

EXPECTED = {
    "It costs 100000 euros.": "It costs 1 euros.",
    "It costs 100,000 euros.": "It costs 100,000 euros.",
    "Your code is 55555.": "Your code is .",
    "Goooooal!": "Gal!",
    "The area is 2*y*z.": "The area is 2yz.",
    "Stop if a<b and c>d.": "Stop if ad.",
}
MAIL = "Write to <anna@example.com>."


async def filtered(texts: list[str], **settings: bool) -> dict[str, str]:
    text_filter = MarkdownTextFilter(MarkdownTextFilter.InputParams(**settings))
    return {text: await text_filter.filter(text) for text in texts}


said = asyncio.run(filtered([*EXPECTED, MAIL]))
for text, words in said.items():
    print(f"{text} -> {words}")
without = asyncio.run(filtered(["It costs 100000 euros."], filter_repeated_sequences=False))
print(f"filter_repeated_sequences=False: {without}")
holds = (
    all(said[text] == words for text, words in EXPECTED.items())
    and said[MAIL].startswith("Write to &#97;")
    and without["It costs 100000 euros."] == "It costs 100000 euros."
)
print("as described" if holds else "the behaviour has changed")
sys.exit(0 if holds else 1)
PYTHON
