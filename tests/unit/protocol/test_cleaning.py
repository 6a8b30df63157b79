"""What cannot be spoken is taken out, what can be is kept."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s1_protocol.text.cleaning import clean_text, is_speakable


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  Hello there.\n", "Hello there."),
        ("It‘s Anna’s", "It's Anna's"),
        ("one,, two,,,three", "one, two,three"),
        ("Hi 🙂 there", "Hi there"),
        ("Hi🙂there", "Hi there"),
        ("Well done 🎉🎉!", "Well done!"),
        ("🙂 Hello", "Hello"),
        ("(🙂 aside)", "(aside)"),
        ("family 👨‍👩‍👧‍👦 trip", "family trip"),
        ("wave 👋🏽 back", "wave back"),
        ("flags 🇩🇪🇫🇷 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿 end", "flags and end"),
        ("I ❤️ it, I ❤ it", "I it, I it"),
        ("press 1️⃣ then #️⃣", "press 1 then #"),
        ("really❓ yes❗", "really? yes!"),
        ("© 2024 Acme™ ©️", "© 2024 Acme™ ©"),
        ("ℹ️ desk", "i desk"),
        ("first\n\nsecond", "first\n\nsecond"),
        ("first 🙂\n\nsecond", "first\nsecond"),
        ("a\r\nb\tc\x00d\x1be\x7ff", "a\nb c d e f"),
        ("soft\u00adhyphen zero\u200bwidth \u202bright\u202c \ufeffbom", "softhyphen zerowidth right bom"),
        ("plain\u200d joiner", "plain joiner"),
        ("他🙂说", "他 说"),
        ("2 < 3 ± 1 → 4", "2 < 3 ± 1 → 4"),
        ("ＦＵＬＬ　ｗｉｄｔｈ １２３", "FULL width 123"),
        ("𝐁𝐨𝐥𝐝 𝓼𝓬𝓻𝓲𝓹𝓽 𝟙𝟚", "Bold script 12"),
        ("ﬁne oﬃce", "fine office"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("a\u00a0b\u2009c\u202fd", "a b c d"),
        ("m² and ½ stay，all", "m² and ½ stay，all"),
        ("ﷲ", "الله"),
    ],
)
def test_what_becomes_of_a_text(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@pytest.mark.parametrize("text", ["क्‍ष", "ന്‍", "می‌خواهم", "ශ්‍රී", "नमस्ते", "ประเทศไทย", "안녕하세요", "čeština", "e\u0301"])
def test_letters_marks_and_joiners_of_every_script_stay(text: str) -> None:
    assert clean_text(text) == text


# fish_speech/text/clean.py of fish-speech 0.1.0
TAKEN_OUT_BY_THE_REFERENCE = [range(0x1F300, 0x1F650), range(0x1F680, 0x1F700), range(0x1F1E0, 0x1F200)]


def test_what_the_reference_takes_out_is_taken_out() -> None:
    code_points = [code_point for block in TAKEN_OUT_BY_THE_REFERENCE for code_point in block]
    assert [f"{point:x}" for point in code_points if clean_text(f"a{chr(point)}") != "a"] == []


@given(st.text())
@example("\u200d🙂a")
@example(",🙂,")
@example("©\u200b\ufe0f")
@example(" \x1c 🙂 . 🙂")
def test_cleaning_twice_changes_nothing(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned


@given(st.text())
def test_letters_and_digits_are_never_removed(text: str) -> None:
    plain = unicodedata.normalize("NFKC", text)
    assert speakable(unicodedata.normalize("NFKC", clean_text(text))) == speakable(plain)


def speakable(text: str) -> list[str]:
    return [sign for sign in text if is_speakable(sign)]


@given(st.text(alphabet=st.sampled_from("🙂👍🏽‍️ 🇩🇪❤🏴⃣\U000e0067\n!")))
def test_emoji_leave_nothing_to_say(text: str) -> None:
    assert not is_speakable(clean_text(text))
    assert set(clean_text(text)) <= set("! \n")


@pytest.mark.parametrize(("text", "expected"), [("a", True), ("字", True), ("½", True), ("…!", False), ("🙂", False)])
def test_is_speakable(text: str, expected: bool) -> None:
    assert is_speakable(text) is expected
