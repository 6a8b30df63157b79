"""Long texts are cut at sentences, short sentences stay together, and nothing is lost."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s1_protocol.text import sentences
from s1_protocol.text.sentences import split_text

# language, text, sentences that must be cut apart when the limit allows no two of them
BY_LANGUAGE = {
    "English": [
        "Dr. Smith paid $3.50 to J. R. R. Tolkien at 5 p.m. yesterday.",
        "He visited https://example.com/a.b?c=d!e today.",
        "The U.S. economy grew 2.5% in Q1, e.g. in No. 5.",
        "Write to bob.lee@mail.co.uk or call!",
        "Really?",
    ],
    "Chinese": ["今天天气很好。", "价格是3.5元。", "我们去公园吧！", "他说：“走吧。”"],
    "Japanese": ["今日は天気がいい。", "公園に行きましょう！", "「はい。そうです。」"],
    "German": ["Herr Dr. Müller kam am 3. Oktober um 9.30 Uhr, z. B. mit dem Zug.", "Das kostet ca. 3,50 Euro.", "Ja!"],
    "French": ["M. Dupont et Mme. Leroy sont là.", "C'est loin, p. ex. à Paris.", "Pourquoi ?", "Voilà !"],
    "Spanish": ["El Sr. García vive en la Av. Libertad n.º 5.", "¿Cómo está Ud.?", "Cuesta 3.500,75 euros."],
    "Korean": ["안녕하세요.", "가격은 3.5달러입니다.", "공원에 갈까요?"],
    "Arabic": ["مرحبا بك.", "كيف حالك؟", "السعر 3.5 دولار.", "د. أحمد هنا."],
    "Russian": ["Это А. С. Пушкин.", "Он родился в 1799 г. в Москве.", "См. рис. 3, т. е. ниже.", "Правда?"],
    "Dutch": ["Dhr. Jansen woont bijv. bij het station.", "Het kost 3,50 euro.", "Kom je?"],
    "Italian": ["Il Sig. Rossi abita in Via Roma n. 5.", "Costa 3,50 euro, ecc. e poi basta.", "Come sta?"],
    "Polish": ["Prof. Kowalski mieszka przy ul. Długiej 5.", "To kosztuje ok. 3,50 zł, np. tutaj.", "Jak się masz?"],
    "Portuguese": ["O Sr. Silva mora na Av. Paulista n.º 5.", "Custa R$ 3,50, p. ex. aqui.", "A Dra. Ana veio."],
}

TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            ["Dr.", "z. B.", "http://a.b/c?d", "3.5", "...", "走吧。", "“", "”", "\n\n", " ", "é\u0301", "क्‍ष"]
        ),
        max_size=30,
    ).map(" ".join),
    st.text(alphabet="aA.!?。！，,; \n\u0301\u200d\u3000\x85J", max_size=120),
)


def without_space(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_sentences_are_cut_apart_and_nothing_else_is(language: str) -> None:
    expected = BY_LANGUAGE[language]
    text = ("" if language in {"Chinese", "Japanese"} else " ").join(expected)
    limit = max(len(sentence) for sentence in expected)
    parts = split_text(text, limit)
    ends = {text.index(sentence) + len(sentence) for sentence in expected}
    position = 0
    for part in parts:
        position = text.index(part, position) + len(part)
        assert position in ends, parts


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_short_sentences_stay_together(language: str) -> None:
    text = " ".join(BY_LANGUAGE[language])
    assert split_text(text, len(text)) == [text]


def test_sentences_are_joined_up_to_the_limit() -> None:
    assert split_text("One two. Three four. Five six. Seven.", 21) == ["One two. Three four.", "Five six. Seven."]


def test_a_long_sentence_is_cut_after_clause_punctuation() -> None:
    text = "When the rain had stopped, the children, all of them, ran out: the street was theirs."
    assert split_text(text, 40) == [
        "When the rain had stopped, the children,",
        "all of them, ran out:",
        "the street was theirs.",
    ]
    assert split_text("雨停了以后，孩子们都跑了出来，街道是他们的。", 15) == [
        "雨停了以后，孩子们都跑了出来，",
        "街道是他们的。",
    ]


def test_without_clause_punctuation_white_space_is_next() -> None:
    assert split_text("aaaa bbbb cccc dddd", 10) == ["aaaa bbbb", "cccc dddd"]


def test_without_white_space_any_place_will_do() -> None:
    assert split_text("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_numbers_and_addresses_are_not_cut_as_clauses() -> None:
    address = "https://example.com/a,b;c:d?e=1,5"
    parts = split_text(f"It costs 1,000,000.50 euros and stands at {address} for everyone to read", 50)
    assert any(address in part for part in parts)
    assert any("1,000,000.50" in part for part in parts)


def test_a_letter_keeps_its_marks() -> None:
    assert split_text("e\u0301" * 5, 5) == ["e\u0301" * 2, "e\u0301" * 2, "e\u0301"]


@pytest.mark.parametrize("text", ["", " ", "\n\n\u3000"])
def test_nothing_gives_no_parts(text: str) -> None:
    assert split_text(text, 10) == []


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_characters is 0"):
        split_text("a", 0)


@settings(max_examples=300)
@given(TEXTS, st.integers(1, 60))
@example("J.\x85Smith", 5)
@example("J.\u3000Smith.\u2028Foo", 5)
@example("\u0301" * 9, 2)
def test_nothing_is_lost_and_no_part_is_too_long(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert without_space("".join(parts)) == without_space(text)
    assert all(0 < len(part) <= limit and part == part.strip() for part in parts)


@given(TEXTS)
def test_a_text_within_the_limit_stays_whole(text: str) -> None:
    assert split_text(text, 1000) == ([text.strip()] if text.strip() else [])


@pytest.mark.parametrize("text", ["J. " * 3333, "“" * 10_000, "[." * 5_000, " " * 9_999 + "a", "a" * 10_000])
def test_the_longest_text_allowed_is_taken_whatever_it_is(text: str) -> None:
    assert without_space("".join(split_text(text, 300))) == without_space(text)


def test_every_language_is_known_to_the_library() -> None:
    german = "Am 3. Oktober war es kalt."
    assert len(sentences.sentencex.segment("de", german)) < len(sentences.sentencex.segment("en", german))
    assert len(sentences.LANGUAGES) == len(BY_LANGUAGE)


QUOTED = [
    ('She said: "{}" Then she left.', '"'),
    ("She said: “{}” Then she left.", "”"),
    ("She said: «{}» Then she left.", "»"),
    ("She said nothing ({}) and left.", ")"),
]


@pytest.mark.parametrize(("frame", "closing"), QUOTED)
@pytest.mark.parametrize("limit", [60, 120, 200])
def test_sentence_ends_inside_a_quotation_come_before_clause_ends(frame: str, closing: str, limit: int) -> None:
    inner = ["I went there, alone, at night.", "It was cold, dark, and late!", "Who would come, I asked, and why?"] * 3
    parts = split_text(frame.format(" ".join(inner)), limit)
    assert len(parts) > 1
    for part in parts[:-1]:
        assert part[-1] in ".!?" or part.endswith(closing), parts


def test_a_sentence_ends_at_an_ellipsis_of_one_character() -> None:
    assert split_text("Wait… What? Yes.", 8) == ["Wait…", "What?", "Yes."]
    assert split_text("Wait… what? Yes.", 12) == ["Wait… what?", "Yes."]


@pytest.mark.parametrize(
    "whole", ["https://example.com/a,b;c:d?e=1,5", "v2.0.1", "3.14159", "1,000,000.50", "bob.lee@mail.co.uk", "10:30"]
)
@pytest.mark.parametrize("limit", range(40, 60))
def test_addresses_versions_and_numbers_stay_whole(whole: str, limit: int) -> None:
    text = f'He wrote, as everyone "knows, that {whole} is. The other {whole}" was, by far, {whole} and {whole}.'
    assert "".join(split_text(text, limit)).count(whole) == 4
    assert sum(part.count(whole) for part in split_text(text, limit)) == 4
