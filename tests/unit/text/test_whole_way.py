"""The whole way of a text: what is spoken and what is refused are together all of it."""

import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.text.cleaning import clean_text, is_speakable
from s1_protocol.text.sentences import split_text
from s1_tts.text.english.spelling import spell_out
from tests.unit.text.written_forms import SAID

WORDS = ("Monday", "house", "river", "stone", "quick", "letters")
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from([written for written, _ in SAID]),
    st.text(max_size=8),
    st.sampled_from(["\n\n", "…", "“", "”", " (", ") ", "!?", "😊", "。", "“Yes. No!”"]),
)


def speakable(text: str) -> list[str]:
    return [sign for sign in text if is_speakable(sign)]


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12), st.integers(20, 300))
def test_the_parts_of_a_text_hold_every_letter_and_digit_of_it_in_order(pieces: list[str], limit: int) -> None:
    """What a model that reads letters is given; the rest of a cleaned text is marks."""
    cleaned = clean_text(" ".join(pieces))
    assert speakable("".join(split_text(cleaned, limit))) == speakable(cleaned)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12), st.integers(40, 300))
def test_every_word_is_said_in_its_part_or_its_part_is_refused(pieces: list[str], limit: int) -> None:
    """What a voice that reads English is given: a refusal names what it refuses, and nothing is dropped in silence."""
    for part in split_text(clean_text(" ".join(pieces)), limit):
        said = said_or_refused(part)
        for word in WORDS:
            written = regex.findall(rf"(?<![\p{{L}}\p{{N}}]){word}(?![\p{{L}}\p{{N}}])", part)
            assert said is None or len(regex.findall(rf"(?i){word}", said)) >= len(written), (part, said)


def said_or_refused(part: str) -> str | None:
    """What is said; none where the part is refused."""
    try:
        return spell_out(part)
    except InvalidArgumentError as error:
        if "cannot read" not in str(error):
            raise
        return None
