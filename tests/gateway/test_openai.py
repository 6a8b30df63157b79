"""OpenAI's own SDK against the gateway."""

import base64
import json

import httpx2
import openai
import pytest

from s1_protocol.names import Field
from s1_protocol.voice_record import VoiceRecord
from tests.gateway.callers import sdk_of
from tests.gateway.hearing import assert_said, hear_file, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble, running

TEXT = "Hello there, this is what I have to say to you today."
LONG_TEXT = "This sentence is said, and so is the next one, and all that follow. " * 20

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm;rate=24000;channels=1",
}


def say(sdk: openai.OpenAI, text: str = TEXT, **options) -> openai.HttpxBinaryResponseContent:
    return sdk.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": text, **options})


# sound


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav"])
def test_every_format_is_a_whole_file_of_the_right_length_and_pitch(sdk, form):
    answer = say(sdk, response_format=form)
    assert answer.response.headers["content-type"] == MEDIA_TYPES[form]
    assert answer.response.headers["x-request-id"]
    heard = hear_file(answer.content)
    assert_said(heard, TEXT)
    assert heard.rate_hz == (48_000 if form == "opus" else 44_100)


def test_mp3_is_what_comes_without_a_word(sdk):
    assert say(sdk).response.headers["content-type"] == "audio/mpeg"


def test_pcm_is_24_khz(sdk):
    answer = say(sdk, response_format="pcm")
    assert answer.response.headers["content-type"] == MEDIA_TYPES["pcm"]
    assert_said(hear_pcm(answer.content, 24_000), TEXT)
    wrong = hear_pcm(answer.content, 44_100)
    with pytest.raises(AssertionError):
        assert_said(wrong, TEXT)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_a_rate_can_be_asked_for(sdk, rate_hz):
    answer = say(sdk, response_format="pcm", extra_body={"sample_rate": rate_hz})
    assert_said(hear_pcm(answer.content, rate_hz), TEXT)


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.5, 4.0])
def test_speed_changes_the_length_and_not_the_pitch(sdk, speed):
    answer = say(sdk, response_format="wav", speed=speed)
    assert_said(hear_file(answer.content), TEXT, speed=speed, within_s=0.15)


def test_streamed_sound_is_the_same_as_in_one_piece(sdk):
    whole = say(sdk, response_format="pcm", extra_body={"seed": 1}).content
    request = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "pcm", "extra_body": {"seed": 1}}
    with sdk.audio.speech.with_streaming_response.create(**request) as answer:
        pieces = list(answer.iter_bytes())
    assert len(pieces) > 1
    assert b"".join(pieces) == whole


def test_first_sound_comes_while_the_rest_is_made(sdk, stand_in):
    stand_in.speedup = 1.0
    request = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "pcm"}
    with sdk.audio.speech.with_streaming_response.create(**request) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        assert stand_in.num_open == 1


def test_no_event_is_over_64_kib(sdk):
    answer = say(sdk, TEXT * 3, stream_format="sse", response_format="wav", extra_body={"sample_rate": 48_000})
    lines = answer.content.split(b"\n")
    assert max(len(line) for line in lines) < 65_536
    assert sum(len(line) for line in lines) > 3 * 65_536


def test_events_carry_the_format_that_was_asked_for(sdk):
    answer = say(sdk, stream_format="sse")
    assert answer.response.headers["content-type"] == "text/event-stream"
    lines = [line for line in answer.content.decode().split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [event["type"] for event in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1)
    assert events[-1]["type"] == "speech.audio.done"
    assert set(events[-1]["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}
    assert_said(hear_file(b"".join(base64.b64decode(event["audio"]) for event in events[:-1])), TEXT)


def test_a_long_text_is_said_whole_sentence_by_sentence(sdk, stand_in):
    answer = say(sdk, LONG_TEXT, response_format="pcm")
    assert "".join("".join(stand_in.texts).split()) == "".join(LONG_TEXT.split())
    assert all(request[Field.MAX_FRAMES] == 4096 for request in stand_in.requests)
    heard = hear_pcm(answer.content, 24_000)
    assert heard.duration_s > 60
    assert abs(heard.pitch_hz - 440) < 2


def test_a_lone_full_stop_is_a_short_silence(sdk, stand_in):
    """Home Assistant tries a server with it and takes a refusal as a failure."""
    heard = hear_file(say(sdk, ".").content)
    assert 0.1 < heard.duration_s < 0.3
    assert stand_in.texts == []


# options


def test_options_reach_the_server(sdk, stand_in):
    say(sdk, extra_body={"seed": 7, "temperature": 0.5, "top_p": 0.25, "repetition_penalty": 1.5})
    (request,) = stand_in.requests
    assert request[Field.SEED] == 7
    assert request[Field.TEMPERATURE] == 0.5
    assert request[Field.TOP_P] == 0.25
    assert request[Field.REPETITION_PENALTY] == 1.5


def test_unknown_fields_and_nulls_are_taken(sdk, stand_in):
    say(sdk, extra_body={"some_new_field": 1, "seed": None, "speed": None, "stream_format": None})
    assert Field.SEED in stand_in.requests[0]


def test_whoever_streams_is_a_call_and_has_the_patience_that_the_sdk_tells(sdk, stand_in):
    request = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "pcm", "timeout": 30.0}
    with sdk.audio.speech.with_streaming_response.create(**request) as answer:
        answer.read()
    say(sdk)
    assert [request[Field.SERVICE] for request in stand_in.requests] == ["call", "note"]
    assert stand_in.requests[0][Field.DEADLINE_MS] == 30_000
    assert Field.DEADLINE_MS not in stand_in.requests[1]


@pytest.mark.parametrize("voice", ["anna", {"id": "anna"}])
def test_a_stored_voice_is_asked_for_by_name_or_object(sdk, stand_in, voice):
    stand_in.voices["anna"] = VoiceRecord("anna", ())
    say(sdk, voice=voice)
    assert stand_in.requests[0][Field.VOICE] == "anna"


def test_openai_names_are_the_own_voice_each_with_a_seed_of_its_own(sdk, stand_in):
    for voice in ("alloy", "nova", "alloy"):
        say(sdk, voice=voice)
    first, second, third = (request[Field.SEED] for request in stand_in.requests)
    assert first == third != second
    assert all(Field.VOICE not in request for request in stand_in.requests)


def test_names_mean_what_the_operator_says(shared_stand_in, stand_in):
    stand_in.voices["anna"] = VoiceRecord("anna", ())
    with running_gateway(shared_stand_in[1], voices={"alloy": "anna"}) as other, sdk_of(other) as sdk:
        say(sdk)
    assert stand_in.requests[0][Field.VOICE] == "anna"


def test_strict_names(shared_stand_in, stand_in):
    with running_gateway(shared_stand_in[1], strict=True) as other, sdk_of(other) as sdk:
        say(sdk, model="s1-mini", voice="default")
        with pytest.raises(openai.NotFoundError) as refused:
            say(sdk, model="tts-1", voice="default")
        assert refused.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError):
            say(sdk, model="s1-mini", voice="alloy")


# errors


@pytest.mark.parametrize(
    ("options", "param", "told"),
    [
        ({"input": ""}, "input", "1 to 10000 characters"),
        ({"input": "x" * 10_001}, "input", "got 10001"),
        ({"speed": 9}, "speed", "less than or equal to 4"),
        ({"response_format": "midi"}, "response_format", "'mp3', 'opus'"),
        ({"extra_body": {"sample_rate": 12_345}}, "sample_rate", "allowed: 8000"),
        ({"extra_body": {"seed": -1}}, "seed", "greater than or equal to 0"),
        ({"input": Trouble.INVALID}, "temperature", "allowed: 0 to 2"),
        ({"voice": ""}, "voice", "1 to 255 characters"),
    ],
)
def test_what_is_wrong_is_named(sdk, options, param, told):
    with pytest.raises(openai.BadRequestError) as refused:
        say(sdk, **{"text": options.pop("input", TEXT), **options})
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert told in refused.value.message, refused.value.message
    assert refused.value.request_id


def test_a_voice_that_is_not_there_is_a_wrong_field(sdk):
    with pytest.raises(openai.BadRequestError) as refused:  # 404 means to LiteLLM that the server lacks the model
        say(sdk, voice="nobody")
    assert refused.value.param == "voice"
    assert refused.value.code == "not_found"
    assert "nobody" in refused.value.message


def test_a_full_queue_is_tried_again_in_a_second(sdk, stand_in):
    with pytest.raises(openai.InternalServerError) as refused:
        say(sdk, Trouble.BUSY)
    assert refused.value.status_code == 503
    assert refused.value.code == "busy"
    assert refused.value.response.headers["retry-after"] == "1"


def test_the_sdk_rides_over_a_full_queue(gateway, stand_in):
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused") as sdk:
        answer = say(sdk, f"{TEXT} {Trouble.BUSY_ONCE}", response_format="pcm")
    assert_said(hear_pcm(answer.content, 24_000), f"{TEXT} {Trouble.BUSY_ONCE}")
    assert stand_in.num_refused >= 1


def test_a_server_that_fails_before_the_first_sound_is_a_status(sdk):
    with pytest.raises(openai.InternalServerError) as failed:
        say(sdk, Trouble.INTERNAL)
    assert failed.value.status_code == 500
    assert "0123456789ab" in failed.value.message


def test_sound_that_breaks_off_does_not_end_well(sdk):
    with pytest.raises(openai.APIConnectionError):
        say(sdk, f"{TEXT} {Trouble.BREAK}")


def test_events_that_break_off_say_so(sdk):
    answer = say(sdk, f"{TEXT} {Trouble.BREAK}", stream_format="sse")
    last = json.loads(answer.content.decode().strip().split("\n")[-1].removeprefix("data: "))
    assert last["type"] == "speech.audio.error"
    assert last["error"]["type"] == "server_error"


def test_speech_cut_by_the_longest_length_does_not_end_well(sdk, monkeypatch):
    monkeypatch.setattr("s1_gateway.speech.WHOLE_FRAMES", 10)
    with pytest.raises(openai.APIConnectionError):
        say(sdk, TEXT)


def test_a_length_that_the_caller_chose_ends_well_and_events_mark_it(sdk):
    heard = hear_file(say(sdk, response_format="wav", extra_body={"max_frames": 20}).content)
    assert abs(heard.duration_s - 20 * 2048 / 44_100) < 0.01
    answer = say(sdk, stream_format="sse", extra_body={"max_frames": 20})
    assert json.loads(answer.content.decode().strip().split("\n")[-1].removeprefix("data: "))["cut"] is True


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": "m", "voice": "alloy", "input": "\\ud83d"}',
        b'{"model": "m", "voice": "alloy", "input": "\xff"}',
        b'{"model": "m", "voice": "alloy", "input": 5}',
        b'{"model": "m", "voice": "alloy", "input": "a", "temperature": NaN}',
        b"[" * 5000,
        b'{"model": "m", "voice": {"id": 5}, "input": "a"}',
    ],
)
def test_malformed_bodies_are_400_in_openais_shape(gateway, stand_in, body):
    answer = httpx2.post(f"{gateway.url}/v1/audio/speech", content=body)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert stand_in.requests == []


def test_json_is_read_whatever_its_content_type_says(gateway):
    body = json.dumps({"model": "m", "voice": "alloy", "input": TEXT, "response_format": "wav"})
    answer = httpx2.post(
        f"{gateway.url}/v1/audio/speech", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert_said(hear_file(answer.content), TEXT)


@pytest.mark.parametrize(("path", "method", "status"), [("/v1/nothing", "GET", 404), ("/v1/audio/speech", "GET", 405)])
def test_strange_paths_and_methods_are_told_in_openais_shape(gateway, path, method, status):
    answer = httpx2.request(method, f"{gateway.url}{path}")
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert answer.headers["x-request-id"]


# hanging up


def test_whoever_leaves_while_it_is_said_stops_the_server(gateway, stand_in):
    stand_in.speedup = 1.0
    request = {"model": "m", "voice": "alloy", "input": LONG_TEXT[:250], "response_format": "pcm"}
    with httpx2.stream("POST", f"{gateway.url}/v1/audio/speech", json=request) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        assert stand_in.num_open == 1
    until(lambda: stand_in.num_open == 0 and gateway.num_open == 0)
    assert stand_in.num_cancelled == 1


def test_whoever_leaves_before_the_first_sound_stops_the_server(gateway, stand_in):
    stand_in.first_s = 3600.0
    request = {"model": "m", "voice": "alloy", "input": TEXT}
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{gateway.url}/v1/audio/speech", json=request, timeout=0.5)
    until(lambda: stand_in.num_open == 0 and gateway.num_open == 0)
    assert stand_in.num_cancelled == 1


# lists


def test_models(sdk, gateway):
    assert {model.id for model in sdk.models.list()} >= {"s1-mini", "tts-1", "gpt-4o-mini-tts"}
    assert sdk.models.retrieve("s1-mini").object == "model"
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("whisper-1")
    assert {"id": "s1-mini", "name": "s1-mini"} in httpx2.get(f"{gateway.url}/v1/audio/models").json()["models"]
    assert httpx2.get(f"{gateway.url}/v1/test").json() == {"status": "ok"}
    assert httpx2.get(f"{gateway.url}/v1/").status_code == 200
    assert httpx2.get(f"{gateway.url}/v1/readyz").status_code == 404


def test_voices_are_listed_added_and_removed(sdk, gateway, stand_in):
    url = f"{gateway.url}/v1/audio/voices"
    files = {"audio_sample": ("a.wav", b"RIFF....", "audio/wav")}
    made = httpx2.post(url, data={"name": "anna", "ref_text": "Hello."}, files=files)
    assert made.json()["id"] == "anna"
    assert made.json()["object"] == "audio.voice"
    assert httpx2.post(url, data={"name": "anna", "ref_text": "Hello."}, files=files).status_code == 409
    listed = httpx2.get(url).json()["voices"]
    assert {"anna", "alloy", "default"} <= {voice["id"] for voice in listed}
    say(sdk, voice="anna")
    assert stand_in.requests[0][Field.VOICE] == "anna"
    assert httpx2.delete(f"{url}/anna").json() == {"id": "anna", "object": "audio.voice.deleted", "deleted": True}
    assert httpx2.delete(f"{url}/anna").status_code == 404


def test_a_recording_without_its_words_is_refused(gateway):
    files = {"audio_sample": ("a.wav", b"RIFF....", "audio/wav")}
    answer = httpx2.post(f"{gateway.url}/v1/audio/voices", data={"name": "anna"}, files=files)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "ref_text"


def test_no_server_is_503(stand_in):
    with running(StandIn()) as address:
        pass
    with (
        running_gateway(address) as other,
        openai.OpenAI(base_url=f"{other.url}/v1", api_key="u", max_retries=0) as sdk,
    ):
        with pytest.raises(openai.InternalServerError) as failed:
            say(sdk)
        assert failed.value.status_code == 503
        assert failed.value.code == "unreachable"
        assert httpx2.get(f"{other.url}/readyz").status_code == 503
        assert httpx2.get(f"{other.url}/healthz").status_code == 200


def test_nothing_of_a_callers_headers_reaches_the_server(gateway: RunningGateway, stand_in: StandIn):
    headers = {"x-of-the-caller": "true", "authorization": "Bearer secret"}
    request = {"model": "m", "voice": "alloy", "input": TEXT}
    httpx2.post(f"{gateway.url}/v1/audio/speech", json=request, headers=headers)
    assert stand_in.metadata
    assert all("x-of-the-caller" not in each and "authorization" not in each for each in stand_in.metadata)
