"""How written forms are said: the table that the demo voice's front end is held to."""

import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from s1_protocol.errors import InvalidArgumentError
from s1_tts.text.english.numbers import spoken
from s1_tts.text.english.spelling import spell_out
from s1_tts.text.espeak import Espeak
from s1_tts.text.front_end import clauses
from tests.unit.text.written_forms import SAID


@pytest.mark.parametrize(("written", "said"), SAID)
def test_a_written_form_is_said_as_people_say_it(written: str, said: str) -> None:
    assert spell_out(written) == said


def is_the_same_anywhere(written: str) -> bool:
    """Whether the form does not depend on where in a line it stands."""
    of_lines = written.startswith(("#", "'90s", "**")) or "\n" in written
    return not of_lines and written[-1] not in ".$" and written not in ("½", "5'10\"", "18+", "50+ people")


@pytest.mark.parametrize(("written", "said"), [row for row in SAID if is_the_same_anywhere(row[0])])
def test_a_form_is_said_the_same_inside_a_sentence(written: str, said: str) -> None:
    assert said.rstrip(".") in spell_out(f"We saw {written} there, once.")


def test_there_are_enough_of_them() -> None:
    assert len({written for written, _ in SAID}) >= 150


# --- nothing is left out in silence ---

MARKS_OF_WRITING = set(".,!?;:…'\"“”„‟«»‹›()[]{}–—-¿¡`´‘’‚‐‑‒―⁓~*_")
"""Marks that part words or clauses, or set them off; they are heard as pauses or not at all."""


def is_shown(sign: str) -> bool:
    """Whether a sign is something that a reader sees and would expect to hear."""
    category = unicodedata.category(sign)
    return category[0] in "LNS" or (category[0] == "P" and sign not in MARKS_OF_WRITING)


def all_signs() -> list[str]:
    """Signs of every script and block, all of those that are Latin, Greek, digits, symbols or punctuation."""
    signs = []
    for point in range(0x20, 0x20000):
        sign = chr(point)
        if is_shown(sign) and (not unicodedata.category(sign).startswith("L") or point < 0x500 or point % 37 == 0):
            signs.append(sign)
    return signs


def test_every_sign_is_said_or_refused() -> None:
    lost = []
    for sign in all_signs():
        try:
            said = spell_out(f"one {sign} two")
        except InvalidArgumentError as error:
            if "cannot read" not in str(error):
                lost.append(sign)
            continue
        between = said.removeprefix("one").removesuffix("two").strip()
        pause_signs = "•·`¨¯¸ʼ"
        if not regex.search(r"[\p{L}]", between) and not (
            sign in pause_signs or unicodedata.normalize("NFKC", sign) != sign
        ):
            lost.append(sign)
    assert [f"{sign} {unicodedata.name(sign, '?')}" for sign in lost] == []


@pytest.mark.parametrize("digit", "0123456789")
def test_every_digit_of_a_number_of_any_form_is_said(digit: str) -> None:
    for form in (
        "{}",
        "x{}",
        "{}x",
        "1.{}",
        "1,{}",
        "-{}",
        "#{}",
        "({})",
        "v{}",
        "a{}b",
        "{}:{}",
        "{}/7",
        "1{}%",
        "3-{}",
    ):
        assert not regex.search(r"\d", spell_out(form.format(digit, digit)))


PIECES = st.one_of(
    st.sampled_from([written for written, _ in SAID]),
    st.text(alphabet="abcABC 0123456789.,:;-/$€%#@&*_()'\"+=<>", max_size=12),
    st.sampled_from(["Monday", "house", "river", "stone", "quick", "letters"]),
    st.text(max_size=6),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=8))
def test_of_any_text_all_words_are_said_and_nothing_unread_is_left(pieces: list[str]) -> None:
    text = " ".join(pieces)
    try:
        found = clauses(text)
    except InvalidArgumentError:
        return
    said = " ".join(words for words, _ in found)
    assert not regex.search(r"[^\p{Latin}\s'.,-]", said)
    for word in ("Monday", "house", "river", "stone", "quick", "letters"):
        if word in pieces:
            assert regex.search(rf"(?i)\b{word}", said)


def test_a_digit_of_an_alphabet_newer_than_python_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match=r"\(u\+11bf0\) in it, which this voice cannot read"):
        spell_out("room \U00011bf0")


@given(st.integers(0, 10**15))
def test_any_number_has_words(number: int) -> None:
    assert regex.fullmatch(r"[a-z ]+", spoken(str(number)))
    assert spoken(f"{number:,}") == spoken(str(number))


def test_every_letter_that_passes_has_a_sound() -> None:
    espeak = Espeak()
    silent = []
    for point in range(0x41, 0x1F00):
        sign = chr(point)
        if not regex.match(r"\p{Latin}", sign):
            continue
        try:
            said = spell_out(f"o{sign}o")
        except InvalidArgumentError:
            continue
        sounds = espeak.phonemes(said)
        if not sounds or "lˌɛɾɚ" in sounds:  # espeak-ng's "letter", before a number in place of a name
            silent.append(sign)
    assert silent == []
