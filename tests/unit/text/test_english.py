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

SAID = [
    ("It costs $12.50.", "It costs twelve dollars and fifty cents."),
    ("$1, £2 and €1,000", "one dollar, two pounds and one thousand euros"),
    ("$5.3 billion", "five point three billion dollars"),
    ("$50M", "fifty million dollars"),
    ("$50M-$60M", "fifty million to sixty million dollars"),
    ("$5-10", "five to ten dollars"),
    ("-$5", "minus five dollars"),
    ("−$5", "minus five dollars"),
    ("$-5", "minus five dollars"),
    ("¥500", "five hundred yen"),
    ("100€", "one hundred euros"),
    ("100 €", "one hundred euros"),
    ("5,00 €", "five euros"),
    ("€1.234,50", "one thousand two hundred thirty four euros and fifty cents"),
    ("£5.50", "five pounds and fifty pence"),
    ("$0.99", "ninety nine cents"),
    ("50¢", "fifty cents"),
    ("USD 5", "five U S dollars"),
    ("5 USD", "five U S dollars"),
    ("$1,234.56", "one thousand two hundred thirty four dollars and fifty six cents"),
    ("US$5", "five U S dollars"),
    ("$5/month", "five dollars per month"),
    ("$1.5bn", "one point five billion dollars"),
    ("a $1 million house", "a one million dollars house"),
    ("£5k", "five thousand pounds"),
    ("9 a.m.", "nine eh em."),
    ("10:30 AM", "ten thirty eh em"),
    ("12:00:30", "twelve o'clock and thirty seconds"),
    ("9am to 5pm", "nine eh em to five pee em"),
    ("at 7:00 p.m. sharp", "at seven pee em sharp"),
    ("at 9 a.m. We left.", "at nine eh em. We left."),
    ("14:00", "fourteen hundred"),
    ("2024-10-01", "October first, twenty twenty four"),
    ("2024-10-01T10:30", "October first, twenty twenty four, ten thirty"),
    ("10/11/2026", "October eleventh, twenty twenty six"),
    ("31/12/2026", "December thirty first, twenty twenty six"),
    ("01.10.2024", "October first, twenty twenty four"),
    ("Oct 1, 2024", "October first, twenty twenty four"),
    ("October 1", "October first"),
    ("1 October 2024", "October first, twenty twenty four"),
    ("the 3rd of May", "the third of May"),
    ("May 5", "May fifth"),
    ("1990s", "nineteen nineties"),
    ("'90s", "nineties"),
    ("in 1999 and 2024", "in nineteen ninety nine and twenty twenty four"),
    ("2019-2021", "twenty nineteen to twenty twenty one"),
    ("+1 (555) 010-0000", "plus one, five five five, zero one zero, zero zero zero zero"),
    ("555-010-1234", "five five five, zero one zero, one two three four"),
    ("(555) 010-0000", "five five five, zero one zero, zero zero zero zero"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("user@example.com", "user at example dot com"),
    ("https://example.com/a?b=c", "https colon slash slash example dot com slash eh question mark b equals c"),
    ("www.example.com", "www dot example dot com"),
    ("example.com/pricing.", "example dot com slash pricing."),
    ("v2.0.1", "version two point zero point one"),
    ("version 3.11.7", "version three point eleven point seven"),
    ("192.168.0.1", "one hundred ninety two dot one hundred sixty eight dot zero dot one"),
    ("report.pdf", "report dot pdf"),
    ("/etc/passwd", "slash etc slash passwd"),
    ("@anna_b", "at anna underscore b"),
    ("#OpenAI", "hashtag Open AI"),
    ("#1", "number one"),
    ("No. 7", "number seven"),
    ("A/B", "eh slash B"),
    ("and/or", "and or"),
    ("w/o sugar", "without sugar"),
    ("24/7", "twenty four seven"),
    ("1/2", "one half"),
    ("3/4 cup", "three quarters cup"),
    ("2 1/2", "two and a half"),
    ("2½ cups", "two and a half cups"),
    ("½", "one half"),
    ("10 km/h", "ten kilometers per hour"),
    ("5 m", "five meters"),
    ("5 m in length", "five meters in length"),
    ("−5 degrees", "minus five degrees"),
    ("-5°C", "minus five degrees Celsius"),
    ("72°F", "seventy two degrees Fahrenheit"),
    ("98.6 °F", "ninety eight point six degrees Fahrenheit"),
    ("45°", "forty five degrees"),
    ("20%", "twenty percent"),
    ("3.5%", "three point five percent"),
    ("5'10\"", "five foot ten"),
    ("6'2", "six foot two"),
    ("6 ft", "six feet"),
    ("m²", "m squared"),
    ("25 m²", "twenty five square meters"),
    ("10⁵", "ten to the power of five"),
    ("x²", "x squared"),
    ("1e5", "one times ten to the five"),
    ("1.5e-3", "one point five times ten to the minus three"),
    ("1,234,567.89", "one million two hundred thirty four thousand five hundred sixty seven point eight nine"),
    ("0.5", "zero point five"),
    (".5", "zero point five"),
    ("007", "zero zero seven"),
    (
        "12345678901234567890",
        "one two three four five six seven eight nine zero one two three four five six seven eight nine zero",
    ),
    ("3:1", "three to one"),
    ("John 3:16", "John three sixteen"),
    ("Chapter II", "Chapter two"),
    ("World War II", "World War two"),
    ("Henry VIII", "Henry the eighth"),
    ("Louis XIV", "Louis the fourteenth"),
    ("XII", "twelve"),
    ("Type I", "Type one"),
    ("I said I", "I said I"),
    ("pp. 5-10", "pages five to ten"),
    ("p. 5", "page five"),
    ("fig. 3", "figure three"),
    ("Dr. Smith met Mr. Jones etc.", "doctor Smith met mister Jones et cetera."),
    ("St. Mary lives on Main St.", "Saint Mary lives on Main street"),
    ("e.g. this", "for example this"),
    ("i.e. that", "that is that"),
    ("J. R. R. Tolkien", "J R R Tolkien"),
    ("U.S. Army", "u s Army"),
    ("Ph.D. student", "p h d student"),
    ("A.M.", "eh em."),
    ("**bold** and *it* and `code`", "bold and it and code"),
    ("# Heading", "Heading."),
    ("- item one\n- item two", "item one. item two."),
    ("1. first\n2. second", "one, first. two, second."),
    ("[our site](https://example.com)", "our site"),
    ("<b>bold</b> &amp; more", "bold and more"),
    ("a | b", "a bar b"),
    ("x < 5 && y >= 3", "x less than five and y is at least three"),
    ("2 + 2 = 4", "two plus two equals four"),
    ("2 × 3", "two times three"),
    ("10 ÷ 2", "ten divided by two"),
    ("~5", "about five"),
    ("±5", "plus or minus five"),
    ("α and β", "alpha and beta"),
    ("3 μm", "three micrometers"),
    ("5 kg", "five kilograms"),
    ("1 kg", "one kilogram"),
    ("16GB", "sixteen gigabytes"),
    ("2.4 GHz", "two point four gigahertz"),
    ("100 mph", "one hundred miles per hour"),
    ("COVID-19", "COVID-nineteen"),
    ("MP3", "MP three"),
    ("B2B", "B two B"),
    ("4K", "four K"),
    ("5G", "five G"),
    ("iPhone15", "iPhone fifteen"),
    ("ＦＵＬＬ width １２３", "FULL width one hundred twenty three"),
    ("𝐛𝐨𝐥𝐝", "bold"),
    ("ﬁne", "fine"),
    ("№ 5", "number five"),
    ("™", "trademark"),
    ("©  2024 Acme™", "copyright twenty twenty four Acme trademark"),
    ("→", "to"),
    ("☃", "snowman"),
    ("π", "pi"),
    ("Ω", "omega"),
    ("café naïve Dvořák Phở", "café naïve Dvorák Pho"),
    ("5 × 10", "five times ten"),
    ("100-200 people", "one hundred to two hundred people"),
    ("5–10", "five to ten"),
    ("(5)", "(five)"),
    ("a - b", "a - b"),
    ("well-known", "well-known"),
    ("pre- and post-war", "pre- and post-war"),
    ("'tis", "'tis"),
    ('"quoted"', '"quoted"'),
    ("it's 5", "it's five"),
    ("C++ and C#", "C plus plus and C hash"),
    ("AT&T", "AT and T"),
    ("R&D", "R and D"),
    ("Q1", "Q one"),
    ("1st 2nd 3rd 21st 1,000th", "first second third twenty first one thousandth"),
    ("€5 million", "five million euros"),
    ("1 000 000", "one million"),
    ("1'000'000", "one million"),
    ("12-hour", "twelve-hour"),
    ("3-2", "three to two"),
    ("1.", "one."),
    ("tel. 555-0100", "telephone five five five, zero one zero zero"),
    ("e-mail", "e-mail"),
    ("$", "dollars"),
    ("100k", "one hundred thousand"),
    ("5M people", "five million people"),
    ("3x", "three times"),
    ("3x4", "three times four"),
    ("1920x1080", "one thousand nine hundred twenty times one thousand eighty"),
    ("x^2 + y^3", "x squared plus y cubed"),
    ("50/50", "fifty fifty"),
    ("5 min", "five minutes"),
    ("3 hrs", "three hours"),
    ("9:05", "nine oh five"),
    ("0:30", "zero thirty"),
    ("00:00", "zero hundred"),
    ("24:00", "twenty four hundred"),
    ("5:75", "five to seventy five"),
    ("A4 paper", "eh four paper"),
    ("A 5 year old", "A five year old"),
    ("an A-level", "an eh-level"),
    ("the price is 5 % higher", "the price is five percent higher"),
    ("x <= 5 and y != 3", "x is at most five and y is not equal to three"),
    ("a -> b", "a to b"),
    ("5 kW", "five kilowatts"),
    ("it's -5 outside", "it's minus five outside"),
    ("(-3)", "(minus three)"),
    ("I'm 6'2\" tall", "I'm six foot two tall"),
    ("rock 'n' roll", "rock 'n' roll"),
    ("Mr. O'Neil's 3rd-grade class", "mister O'Neil's third-grade class"),
    ("1/2/2024", "January second, twenty twenty four"),
    ("2024/25", "twenty twenty four to twenty five"),
    ("in '99", "in 'ninety nine"),
    ("at 5 p.m.", "at five pee em."),
    ("5 p.m. is late", "five pee em is late"),
    ("10:30a.m.", "ten thirty eh em."),
    ("Fri, Oct 3", "Friday, October third"),
    ("Jan. 5th, 2021", "January fifth, twenty twenty one"),
    ("The meeting is on 5 May.", "The meeting is on May fifth."),
    ("You may 5 times", "You may five times"),
    ("$1M-2M", "one million to two million dollars"),
    ("between $5 and $10 million", "between five dollars and ten million dollars"),
    ("£1,000.00", "one thousand pounds"),
    ("$100.5", "one hundred point five dollars"),
    ("$-5.3 billion", "minus five point three billion dollars"),
    ("€0.05", "five cents"),
    ("₹500", "five hundred rupees"),
    ("5.000,50 EUR", "five thousand euros and fifty cents"),
    ("3 GB/s", "three gigabytes per second"),
    ("5 °", "five degrees"),
    ("100 m/s²", "one hundred meters per second squared"),
    ("9.8 m/s^2", "nine point eight meters per second squared"),
    ("-40 °F", "minus forty degrees Fahrenheit"),
    ("H₂O and CO₂", "H two O and CO two"),
    ("e = mc²", "e equals mc squared"),
    ("10^-5", "ten to the power of minus five"),
    ("5!", "five!"),
    ("50+ people", "fifty plus people"),
    ("18+", "eighteen plus"),
    ("#5 pencil", "number five pencil"),
    ("Room #101", "Room number one hundred one"),
    ("C-3PO", "C-three PO"),
    ("R2-D2", "R two-D two"),
    ("F-16", "F-sixteen"),
    ("the 1800s", "the eighteen hundreds"),
    ("2000s", "two thousands"),
    ("7-Eleven", "seven-Eleven"),
    ("10-year-old", "ten-year-old"),
    ("2-3 days", "two to three days"),
    ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
    ("call 911", "call nine hundred eleven"),
    ("4111 1111 1111 1111", "four one one one, one one one one, one one one one, one one one one"),
    ("k8s", "k eight s"),
    ("3D", "three D"),
    ("2nd", "second"),
    ("1.0", "one point zero"),
    ("v2", "version two"),
    ("iOS 17.1.2", "iOS seventeen point one point two"),
    ("foo_bar(baz)", "foo underscore bar(baz)"),
    ("if (x > 0) { return 1; }", "if (x greater than zero) { return one; }"),
    ("a&b", "a and b"),
    ('"Is it 5?" she asked.', '"Is it five?" she asked.'),
    ("50 % off!!!", "fifty percent off!!!"),
    ("~10%", "about ten percent"),
    ("£3m", "three million pounds"),
    ("US$ 3.2 trillion", "three point two trillion U S dollars"),
    ("3 x 4", "three times four"),
    ("5x5", "five times five"),
    ("St. Patrick's Day", "Saint Patrick's Day"),
    ("Main St. is long", "Main street is long"),
    ("Mt. Everest", "mount Everest"),
    ("Prof. Lee, Ph.D.", "professor Lee, p h d."),
    ("vs. them", "versus them"),
    ("approx. 5", "approximately five"),
    ("max. 5", "max. five"),
    ("etc. Then", "et cetera. Then"),
    ("A. B. Smith", "eh B Smith"),
    ("1,5", "one, five"),
    ("1.234.567", "one million two hundred thirty four thousand five hundred sixty seven"),
]


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
