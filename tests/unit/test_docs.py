"""docs/api.md says what the code says, and no page links to what is not there."""

import ast
import re
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import annotated_types
import numpy as np
import pytest
from pydantic.fields import FieldInfo

from s1_client.stream_call import STREAM_PARAMETERS
from s1_protocol.checks import check_transcript
from s1_protocol.errors import ErrorCode, InternalError, InvalidArgumentError, new_error_id
from s1_protocol.names import Field, Parameter, VoiceOperation
from s1_protocol.request_options import NUMBERS
from s1_protocol.sagemaker import SAGEMAKER_BINARY_TYPE
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_protocol.tensors import AUDIO_OUTPUTS, CHUNK_OUTPUTS, SPEECH_INPUTS, VOICE_INPUTS, TensorSpec
from s1_tts.settings import CLIENT_VARIABLES, ENV_PREFIX, OTHERS_PREFIXES, Settings
from s1_tts.voices.audio import read_recording
from s1_tts.voices.voice_ask import VoiceAsk
from s1_tts.wire.speech import read_speech
from s1_tts.wire.voice_fields import read_voice_ask
from tests.doc_pages import PAGES, ROOT, anchors_of, links_of, tables_under

API = ROOT / "docs" / "api.md"
VOICES = ROOT / "docs" / "voices.md"
TEXT = {Field.TEXT: np.array([[b"Hello."]], dtype=object)}
DEVICES = {r"^(auto|cpu|cuda(:\d+)?)$": "auto, cpu, cuda, cuda:N"}
"""Patterns of settings, in words."""


def wire_type(spec: TensorSpec) -> str:
    return "BYTES" if spec.dtype == "STRING" else spec.dtype


def quoted(names: Any) -> list[str]:
    return [f"`{name}`" for name in names]


# inputs and outputs


def test_every_input_is_listed_with_its_type_and_no_other() -> None:
    (table,) = tables_under(API, "Inputs")
    assert [row[:2] for row in table] == [(f"`{spec.name}`", wire_type(spec)) for spec in SPEECH_INPUTS]
    several = {spec.name for spec in SPEECH_INPUTS if spec.dims != (1,)}
    assert several == {Field.REFERENCE_AUDIO, Field.REFERENCE_TEXT}, "the page says that every other input is [1, 1]"


def test_defaults_are_the_codes() -> None:
    (table,) = tables_under(API, "Inputs")
    expected = {f"`{rule.field}`": f"{rule.default:g}" for rule in NUMBERS}
    expected["`normalize`"] = str(read_speech(TEXT).normalize).lower()
    request = read_speech(TEXT)
    expected |= {"`text`": "required", "`service`": request.service.value, "`seed`": "drawn"}
    expected |= dict.fromkeys(quoted([Field.VOICE, Field.REFERENCE_AUDIO, Field.REFERENCE_TEXT]), "none")
    assert {row[0]: row[2] for row in table} == expected
    assert request.sampling.seed != read_speech(TEXT).sampling.seed
    ask = read_voice_ask(TEXT)
    assert (ask.voice, ask.recordings) == (VoiceAsk().voice, ())


def refuse(name: Field, value: Any, dtype: Any) -> None:
    """Send a request one field of which is wrong."""
    recording = {} if name is not Field.REFERENCE_AUDIO else {Field.REFERENCE_TEXT: np.array([[b"Hi."]], dtype=object)}
    tensors = {**TEXT, name: np.array([[value]], dtype=dtype), **recording}
    read_speech(tensors)
    if name is Field.REFERENCE_TEXT:
        check_transcript(value.decode())
    read_voice_ask(tensors)


WRONG: dict[Field, tuple[Any, Any]] = {
    Field.TEXT: (b"", object),
    Field.VOICE: (b"No Voice!", object),
    Field.REFERENCE_TEXT: (b"", object),
    Field.SEED: (-1, np.int64),
    Field.SERVICE: (b"friend", object),
    **{rule.field: (rule.low - 1, np.float32 if isinstance(rule.low, float) else np.int32) for rule in NUMBERS},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_allowed_is_what_a_refusal_says(name: Field) -> None:
    (table,) = tables_under(API, "Inputs")
    (allowed,) = [row[3] for row in table if row[0] == f"`{name}`"]
    with pytest.raises(InvalidArgumentError) as caught:
        refuse(name, *WRONG[name])
    assert str(caught.value).endswith(f"; allowed: {allowed}")


def test_what_is_allowed_of_a_recording_is_what_a_refusal_says() -> None:
    (table,) = tables_under(API, "Inputs")
    (allowed,) = [row[3] for row in table if row[0] == "`reference_audio`"]
    with pytest.raises(InvalidArgumentError) as caught:
        read_recording(b"no sound")
    assert str(caught.value).endswith(f"; allowed: {allowed}")


def test_every_input_has_been_compared_with_its_refusal() -> None:
    flags = {spec.name for spec in SPEECH_INPUTS if spec.dtype == "BOOL"}  # a value of the right type cannot be wrong
    assert {*WRONG, Field.REFERENCE_AUDIO, *flags} == {spec.name for spec in SPEECH_INPUTS}


def test_every_output_is_listed_with_its_models_and_no_other() -> None:
    (table,) = tables_under(API, "Outputs")
    answers = {spec.name for spec in AUDIO_OUTPUTS}
    assert [row[:5] for row in table] == [
        (
            f"`{spec.name}`",
            wire_type(spec),
            "[1, N]" if spec.dims == (-1,) else "[1, 1]",
            "yes" if spec.name in answers else "no",
            "yes",
        )
        for spec in CHUNK_OUTPUTS
    ]
    (rate,) = [row[5] for row in table if row[0] == "`sample_rate`"]
    assert rate == f"{SAMPLE_RATE_HZ}, samples a second"


def test_every_parameter_is_listed_and_no_other() -> None:
    (table,) = tables_under(API, "Parameters")
    assert [row[0] for row in table] == quoted(each for each in Parameter if each is not Parameter.TICKET)


def test_what_voices_are_managed_with_is_listed() -> None:
    (table,) = tables_under(VOICES, "On the wire")
    assert [row[0] for row in table] == quoted(VoiceOperation)
    of_models = {Field.VOICE_KNOCK, Field.ABORT_TICKETS, Field.SEAL}  # which callers have no use for
    further = {spec.name for spec in VOICE_INPUTS} - {spec.name for spec in SPEECH_INPUTS} - of_models
    named = set(re.findall(r"`(\w+)`", VOICES.read_text()))
    assert further == {Field.OPERATION, Field.METADATA, Field.NEW_ID} <= named


def test_parameters_and_content_types_are_the_codes() -> None:
    page = API.read_text()
    (parameter,) = STREAM_PARAMETERS
    assert f"| `{parameter}` | bool | false |" in page
    assert f"`{SAGEMAKER_BINARY_TYPE}`" in page


# errors


def test_every_code_is_listed_with_its_status_and_no_other() -> None:
    codes, _ = tables_under(API, "Errors")
    assert [(row[0], row[1], row[3]) for row in codes] == [
        (f"`{code.name}`", str(code.http_status), code.grpc_status) for code in ErrorCode
    ]


RAISED = {"UnavailableError": ErrorCode.UNAVAILABLE, "NotFoundError": ErrorCode.NOT_FOUND}


def pattern_of(message: ast.expr) -> str:
    """What matches a message as the code writes it, whatever is put in."""
    parts = message.values if isinstance(message, ast.JoinedStr) else [message]
    return "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in parts)


def raised_messages() -> set[tuple[str, str]]:
    """Code and pattern of every message with one of these codes in the code."""
    calls = [
        node
        for source in (ROOT / "src" / "s1_tts").rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED
    ]
    return {(RAISED[call.func.id].name, pattern_of(call.args[0])) for call in calls}


def test_every_message_is_listed_with_its_code_and_no_other() -> None:
    _, messages = tables_under(API, "Errors")
    listed = {(code.strip("`"), message.strip("`")) for message, code, _ in messages}
    internal = {row for row in listed if row[0] == ErrorCode.INTERNAL.name}
    patterns = raised_messages()
    assert len(patterns) > 5
    for code, pattern in patterns:
        assert any(row[0] == code and re.fullmatch(pattern, row[1]) for row in listed), f"not listed: {pattern}"
    for code, message in listed - internal:
        assert any(known == code and re.fullmatch(pattern, message) for known, pattern in patterns), message
    ((_, message),) = internal
    error_id = new_error_id()
    assert re.sub(r"[0-9a-f]{12}", error_id, message) == str(InternalError(error_id))


# settings


def default_of(field: FieldInfo) -> str:
    if field.default is None:
        return "none"
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def allowed_of(field: FieldInfo) -> str:
    """What a setting may be, in the page's words."""
    kinds = get_args(field.annotation) if isinstance(field.annotation, UnionType) else (field.annotation,)
    (kind,) = [kind for kind in kinds if kind is not NoneType]
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    if kind is bool:
        return "true, false"
    for rule in field.metadata:
        if pattern := getattr(rule, "pattern", None):
            return DEVICES[pattern]
        if isinstance(rule, annotated_types.Gt):
            return f"over {rule.gt:g}"
    lows = [rule.ge for rule in field.metadata if isinstance(rule, annotated_types.Ge)]
    highs = [rule.le for rule in field.metadata if isinstance(rule, annotated_types.Le)]
    if lows:
        return f"{lows[0]} to {highs[0]}" if highs else f"{lows[0]} or more"
    return {Path: "a folder", str: "text"}[kind]


def test_every_setting_is_listed_with_default_range_and_meaning_and_no_other() -> None:
    (table,) = tables_under(API, "Settings")
    assert table == [
        (f"`{ENV_PREFIX}{name.upper()}`", default_of(field), allowed_of(field), field.description)
        for name, field in Settings.model_fields.items()
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_a_page_names_exist(page: Path) -> None:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields} | CLIENT_VARIABLES
    named = {
        name for name in re.findall(r"\bS1_[A-Z][A-Z_]+\b", page.read_text()) if not name.startswith(OTHERS_PREFIXES)
    }
    assert named <= known


# links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links_of(page):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link
