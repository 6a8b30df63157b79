"""The front end that a checkpoint declares: espeak-ng's phonemes, or nothing at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s1_protocol.errors import CheckpointError, InvalidArgumentError
from s1_tts.text.english.spelling import spell_out
from s1_tts.text.espeak import Espeak
from s1_tts.text.front_end import (
    ESPEAK_PHONEMES_EN,
    EspeakPhonemes,
    clauses,
    load_text_front_end,
    plain_text,
    save_text_front_end,
)


@pytest.fixture(scope="module")
def phonemes() -> EspeakPhonemes:
    return EspeakPhonemes()


def test_a_checkpoint_without_the_file_reads_the_text_itself(tmp_path: Path) -> None:
    assert load_text_front_end(tmp_path)("Any 5 – Ж text.") == "Any 5 – Ж text."


def test_a_checkpoint_gets_the_front_end_it_declares(tmp_path: Path) -> None:
    save_text_front_end(tmp_path, ESPEAK_PHONEMES_EN)
    assert load_text_front_end(tmp_path)("hello") == "həlˈoʊ."
    save_text_front_end(tmp_path, "plain")
    assert load_text_front_end(tmp_path)("hello") == "hello"


@pytest.mark.parametrize("content", ["{", "[]", '{"front_end": "klingon"}', '{"other": 1}', '{"front_end": []}'])
def test_a_wrong_declaration_is_a_fault_of_the_checkpoint(tmp_path: Path, content: str) -> None:
    (tmp_path / "text.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"text\.json"):
        load_text_front_end(tmp_path)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("It costs $12.50.", "It costs twelve dollars and fifty cents."),
        ("$1, £2 and €1,000", "one dollar, two pounds and one thousand euros"),
        ("at 10:30 or 9:05", "at ten thirty or nine oh five"),
        ("at 7:00", "at seven o'clock"),
        ("at 7:00 p.m. sharp", "at seven pee em sharp"),
        ("on the 3rd and 21st", "on the third and twenty first"),
        ("in 1999 and 2024", "in nineteen ninety nine and twenty twenty four"),
        ("1,200 people, 2024.5", "one thousand two hundred people, two thousand twenty four point five"),
        ("Dr. Smith met Mr. Jones etc.", "doctor Smith met mister Jones et cetera."),
        ("20% & more", "twenty percent and more"),
        ("STOP THE CAR NOW", "stop the car now"),
        ("NASA", "NASA"),
    ],
)
def test_abbreviations_are_spelled_out(text: str, spelled: str) -> None:
    assert spell_out(text) == spelled


def test_clauses_end_at_marks_but_not_inside_numbers_and_words() -> None:
    found = clauses('Pi is 3.14, "you" know: well-known! Is it – yes… Right?')
    assert found == [
        ("Pi is three point one four", ","),
        ("you know", ","),
        ("well-known", "!"),
        ("Is it", ","),
        ("yes", "."),
        ("Right", "?"),
    ]


def test_a_text_without_a_last_mark_gets_one(phonemes: EspeakPhonemes) -> None:
    assert phonemes("see you, bye") == phonemes("see you, bye.")


def test_capitals_do_not_change_the_phonemes(phonemes: EspeakPhonemes) -> None:
    assert phonemes("Good morning, my friend!") == phonemes("GOOD MORNING, MY FRIEND!")


@pytest.mark.parametrize("text", ["Привет", "hello 世界", "عالم"])
def test_other_scripts_are_refused_by_name(phonemes: EspeakPhonemes, text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="which this voice cannot read; allowed: English"):
        phonemes(text)


def test_a_text_of_marks_only_is_refused(phonemes: EspeakPhonemes) -> None:
    with pytest.raises(InvalidArgumentError, match="nothing that this voice can say"):
        phonemes("...!?")


def test_what_is_not_normalized_is_read_as_it_is_written(phonemes: EspeakPhonemes) -> None:
    assert phonemes("It costs $5.") == phonemes("It costs five dollars.")
    assert phonemes("It costs $5.", normalize=False) == phonemes("It costs dollars five.")
    assert phonemes("Well-known words.", normalize=False) == phonemes("Well-known words.")
    assert plain_text("It costs $5.", normalize=False) == "It costs $5."


def test_threads_get_the_phonemes_of_their_own_texts(phonemes: EspeakPhonemes) -> None:
    texts = [f"The number {number} is not the number {number + 1}." for number in range(40)]
    expected = [phonemes(text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            assert list(threads.map(phonemes, texts)) == expected


def test_marks_of_a_changed_language_are_no_phonemes() -> None:
    said = Espeak().phonemes("hello 안녕 hello")
    assert "(" not in said
    assert said.startswith("həlˈoʊ")
