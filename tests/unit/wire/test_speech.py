"""Every field of a request is checked before it costs anything, and the message says what is allowed."""

import contextlib
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1_protocol.errors import ErrorCode, InvalidArgumentError, UnavailableError
from s1_protocol.limits import MAX_SEED, MAX_TEXT_CHARACTERS
from s1_protocol.names import Field, ServiceClass
from s1_protocol.option_kinds import FloatOption, IntegerOption
from s1_protocol.request_options import NUMBERS, SOUND_OPTIONS
from s1_tts.speech_task import CodesFormat, SpeechTask, VoicePrompt
from s1_tts.wire.arrays import Tensors
from s1_tts.wire.fields import read_number
from s1_tts.wire.speech import read_speech, write_speech

INT32 = {Field.MAX_FRAMES, Field.CHUNK_FRAMES, Field.DEADLINE_MS}


def strings(*values: str | bytes) -> np.ndarray:
    data = [value.encode() if isinstance(value, str) else value for value in values]
    return np.array(data, dtype=object).reshape(-1, 1)


def number(name: Field, value: float) -> np.ndarray:
    return np.array([[value]], dtype=np.int32 if name in INT32 else np.float32)


def request_of(text: str | bytes = "Hello.", **tensors: np.ndarray) -> SpeechTask:
    given: Tensors = {Field.TEXT: strings(text), **{Field(name): tensor for name, tensor in tensors.items()}}
    return read_speech(given)


def refusal(tensors: Tensors) -> InvalidArgumentError:
    with pytest.raises(InvalidArgumentError) as caught:
        read_speech(tensors)
    assert caught.value.code is ErrorCode.INVALID_ARG
    assert str(caught.value).startswith(f"{caught.value.field}: ")
    assert "; allowed: " in str(caught.value)
    return caught.value


def test_what_is_left_out_has_the_defaults_of_the_wire() -> None:
    request = request_of()
    assert (request.sampling.temperature, request.sampling.top_p) == (0.8, 0.8)
    assert request.sampling.repetition_penalty == 1.1
    assert (request.max_frames, request.chunk_frames, request.deadline_ms) == (0, 0, 0)
    assert request.service is ServiceClass.NOTE
    assert request.normalize is True
    assert request.prompts == ()


def test_what_is_given_is_taken() -> None:
    request = request_of(
        seed=np.array([[7]], np.int64),
        temperature=number(Field.TEMPERATURE, 0.5),
        top_p=number(Field.TOP_P, 1),
        repetition_penalty=number(Field.REPETITION_PENALTY, 2),
        max_frames=number(Field.MAX_FRAMES, 10),
        chunk_frames=number(Field.CHUNK_FRAMES, 4),
        deadline_ms=number(Field.DEADLINE_MS, 900),
        service=strings("call"),
    )
    assert (request.sampling.seed, request.sampling.temperature, request.sampling.top_p) == (7, 0.5, 1)
    assert (request.sampling.repetition_penalty, request.max_frames, request.chunk_frames) == (2, 10, 4)
    assert (request.deadline_ms, request.service) == (900, ServiceClass.CALL)
    assert isinstance(request.max_frames, int)


# text


@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        "  padded\n",
        "你好",
        "مرحبا",
        "नमस्ते क्‍ष",
        "e\u0301",
        "5",
        "½",
        "🙂 with words",
        "NUL \x00 inside",
        "<|im_end|>",
        "<|semantic:5|> and <|begin_of_text|>",
        "a" * MAX_TEXT_CHARACTERS,
        "字" * MAX_TEXT_CHARACTERS,
    ],
)
def test_speakable_texts_are_taken_as_they_are(text: str) -> None:
    assert request_of(text).text == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty"),
        (" \t\n\u3000", "is empty"),
        ("🙂👍🏽", "has nothing to say"),
        ("?!…", "has nothing to say"),
        ("\u200d\u200b", "has nothing to say"),
        ("a" * (MAX_TEXT_CHARACTERS + 1), "has 10001 characters"),
        (b"caf\xe9 au lait", "byte 3 of 12 is not valid UTF-8"),
        (b"\xed\xa0\x80", "byte 0 of 3 is not valid UTF-8"),
    ],
    ids=["empty", "white space", "emoji", "punctuation", "invisible", "too long", "latin-1", "surrogate"],
)
def test_other_texts_are_refused(text: str | bytes, fault: str) -> None:
    error = refusal({Field.TEXT: strings(text)})
    assert error.field == "text"
    assert fault in str(error)
    assert "at most 10000 characters" in str(error) or "UTF-8 text" in str(error)


def test_a_missing_text_is_refused() -> None:
    assert "is missing" in str(refusal({}))


# numbers


@pytest.mark.parametrize("rule", NUMBERS, ids=lambda rule: rule.field)
def test_the_ends_of_each_range_are_in_and_what_is_past_them_is_out(rule: FloatOption | IntegerOption) -> None:
    def read(value: float) -> float:
        return read_number({rule.field: number(rule.field, value)}, rule)

    step = 1 if rule.field in INT32 else 0.001
    assert read(rule.high) == rule.high
    assert read(rule.low + step) == pytest.approx(rule.low + step)
    past = [rule.low - step] + ([rule.high + step] if rule.high < 2**31 - 1 else [])
    if rule.is_low_allowed:
        assert read(rule.low) == rule.low
    else:
        past.append(rule.low)
    for value in past:
        with pytest.raises(InvalidArgumentError) as caught:
            read(value)
        assert caught.value.field == rule.field
        assert rule.allowed in str(caught.value)


@pytest.mark.parametrize("rule", [rule for rule in NUMBERS if rule.field not in INT32], ids=lambda rule: rule.field)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(rule: FloatOption | IntegerOption, value: float) -> None:
    error = refusal({Field.TEXT: strings("a"), rule.field: number(rule.field, value)})
    assert (error.field, f"got {value:g}" in str(error)) == (rule.field, True)


@given(st.floats(width=32))
def test_any_temperature_is_taken_within_its_range_or_refused(value: float) -> None:
    if 0 <= value <= 2:
        assert request_of(temperature=number(Field.TEMPERATURE, value)).sampling.temperature == value
    else:
        error = refusal({Field.TEXT: strings("a"), Field.TEMPERATURE: number(Field.TEMPERATURE, value)})
        assert error.field == "temperature"


def test_the_message_shows_the_value_and_the_range() -> None:
    error = refusal({Field.TEXT: strings("a"), Field.TOP_P: number(Field.TOP_P, 0)})
    assert str(error) == "top_p: got 0; allowed: over 0, to 1"
    error = refusal({Field.TEXT: strings("a"), Field.MAX_FRAMES: number(Field.MAX_FRAMES, 100_000)})
    assert str(error) == "max_frames: got 100000; allowed: 0 to 65536"
    error = refusal({Field.TEXT: strings("a"), Field.MAX_FRAMES: number(Field.MAX_FRAMES, -300_000_000)})
    assert str(error) == "max_frames: got -300000000; allowed: 0 to 65536"


# seed


@pytest.mark.parametrize("seed", [0, 1, MAX_SEED])
def test_a_seed_is_taken(seed: int) -> None:
    assert request_of(seed=np.array([[seed]], np.int64)).sampling.seed == seed


def test_a_negative_seed_is_refused() -> None:
    error = refusal({Field.TEXT: strings("a"), Field.SEED: np.array([[-1]], np.int64)})
    assert str(error) == f"seed: got -1; allowed: 0 to {MAX_SEED}"


def test_without_a_seed_each_request_draws_its_own() -> None:
    seeds = {request_of().sampling.seed for _ in range(8)}
    assert len(seeds) == 8
    assert all(0 <= seed <= MAX_SEED for seed in seeds)


# service, shapes


@pytest.mark.parametrize("service", ["", "Call", "call ", "voice note"])
def test_other_services_are_refused(service: str) -> None:
    error = refusal({Field.TEXT: strings("a"), Field.SERVICE: strings(service)})
    assert str(error) == f"service: got {service!r}; allowed: call or note"


TWO_VALUES = {
    Field.TEXT: strings("one", "two"),
    Field.SEED: np.array([[1, 2]], np.int64),
    Field.SERVICE: strings("call", "note"),
    **{rule.field: np.full((1, 2), rule.default, np.int32 if rule.field in INT32 else np.float32) for rule in NUMBERS},
}


@pytest.mark.parametrize("name", TWO_VALUES)
def test_two_values_in_one_request_are_refused(name: Field) -> None:
    error = refusal({Field.TEXT: strings("a"), name: TWO_VALUES[name]})
    assert error.field == name
    assert "got 2 values" in str(error)
    assert "one value a request" in str(error)


@pytest.mark.parametrize("name", [name for name in TWO_VALUES if name is not Field.TEXT])
def test_no_value_at_all_is_refused(name: Field) -> None:
    assert "got 0 values" in str(refusal({Field.TEXT: strings("a"), name: TWO_VALUES[name][:0]}))


WRONG_TYPES = {
    Field.TEXT: np.array([[5]], np.int32),
    Field.SERVICE: np.array([[1.5]], np.float32),
    Field.SEED: np.array([[1.5]], np.float32),
    Field.TEMPERATURE: strings("0.5"),
    Field.TOP_P: np.array([[True]]),
    Field.MAX_FRAMES: np.array([[1.5]], np.float32),
    Field.DEADLINE_MS: strings("soon"),
    Field.NORMALIZE: strings("no"),
}


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_tensor_of_the_wrong_type_is_refused(name: Field) -> None:
    # Triton refuses these before the model sees them; a caller of the engine has no Triton before it
    assert refusal({Field.TEXT: strings("a"), name: WRONG_TYPES[name]}).field == name


@given(st.binary(max_size=50), st.floats(width=32), st.integers(-(2**31), 2**31 - 1))
def test_whatever_comes_gives_a_request_or_an_error_that_names_a_field(text: bytes, real: float, integer: int) -> None:
    tensors = {
        Field.TEXT: strings(text),
        Field.TEMPERATURE: number(Field.TEMPERATURE, real),
        Field.CHUNK_FRAMES: number(Field.CHUNK_FRAMES, integer),
    }
    with contextlib.suppress(InvalidArgumentError):
        read_speech(tensors)


# prompts, and the whole request as tensors

FORMAT = CodesFormat(num_codebooks=3, codebook_size=8)


def prompt(transcript: str, num_frames: int) -> VoicePrompt:
    return VoicePrompt(transcript, np.arange(3 * num_frames, dtype=np.int32).reshape(3, num_frames) % 8)


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_flag_goes_there_and_back(is_wanted: bool) -> None:
    before = request_of(normalize=np.array([[is_wanted]]))
    assert before.normalize is is_wanted
    tensors = {each.name: each.values for each in write_speech(before)}
    assert (tensors[Field.NORMALIZE].dtype, tensors[Field.NORMALIZE].shape) == (np.bool_, (1, 1))
    assert read_speech(tensors).normalize is is_wanted


def test_every_option_of_the_table_is_written() -> None:
    assert {option.field for option in SOUND_OPTIONS} < {each.name for each in write_speech(request_of())}


@pytest.mark.parametrize("prompts", [(), (prompt("One.", 4),), (prompt("One.", 4), prompt("zwei é", 1))])
def test_a_request_comes_back_from_its_tensors(prompts: tuple[VoicePrompt, ...]) -> None:
    before = request_of("Hé.", service=strings("call"), deadline_ms=number(Field.DEADLINE_MS, 900))
    tensors = {each.name: each.values for each in write_speech(before.with_voice(prompts, waited_s=0))}
    after = read_speech(tensors, FORMAT)
    assert [each.transcript for each in after.prompts] == [each.transcript for each in prompts]
    for one, other in zip(after.prompts, prompts, strict=True):
        np.testing.assert_array_equal(one.codes, other.codes)
    assert replace(after, prompts=(), sampling=before.sampling) == before
    assert after.sampling.seed == before.sampling.seed
    assert after.sampling.temperature == pytest.approx(0.8)


def test_time_spent_on_the_voice_is_taken_off_the_deadline() -> None:
    request = request_of(deadline_ms=number(Field.DEADLINE_MS, 900))
    assert request.with_voice((), waited_s=0.25).deadline_ms == 650
    assert request_of().with_voice((), waited_s=5).deadline_ms == 0
    for waited_s in (0.9, 2.0):
        with pytest.raises(UnavailableError, match="deadline_ms: 900"):
            request.with_voice((), waited_s)
