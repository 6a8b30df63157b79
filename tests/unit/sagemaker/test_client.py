"""The client of endpoints: every kind gives the same speech, every failure its own words. AWS is a stand-in."""

import base64
import io
import json
import struct
import wave
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from s1_client import (
    DeadlineError,
    EarlyEndError,
    EndpointError,
    ErrorCode,
    OptionError,
    S1ClientError,
    ServerError,
    SpeechOptions,
    StreamGapError,
    UnexpectedAnswerError,
)
from s1_client.cli import app
from s1_client.sagemaker import SageMakerClient
from s1_client.sagemaker_wire import EventJoiner, make_binary_request, make_stream_request, read_binary_answer
from s1_protocol.sagemaker import EndpointKind
from tests.sagemaker_cloud import BUCKET, Answer, Cloud, Container, Runtime, running_runtime
from tests.unit.sagemaker.conftest import Deploy

BINARY = "application/vnd.sagemaker-triton.binary+json;json-header-size="
SOUND = np.arange(-3000, 3000, dtype=np.int16)
RATE_HZ = 44_100
CHUNKS = (SOUND[:1], SOUND[1:2500], SOUND[2500:])


def binary_answer(samples: np.ndarray) -> Answer:
    tensors = {"audio": ("INT16", [1, samples.size], samples.tobytes()), "sample_rate": ("INT32", [1, 1], b"D\xac\0\0")}
    header = json.dumps(
        {
            "outputs": [
                {"name": name, "datatype": dtype, "shape": shape, "parameters": {"binary_data_size": len(data)}}
                for name, (dtype, shape, data) in tensors.items()
            ]
        }
    ).encode()
    return Answer(200, f"{BINARY}{len(header)}", header + b"".join(data for _, _, data in tensors.values()))


def wav_answer(samples: np.ndarray, rate_hz: int = RATE_HZ) -> Answer:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(samples.tobytes())
    data = [base64.b64encode(file.getvalue()).decode()]
    outputs = [{"name": "audio_base64", "datatype": "BYTES", "shape": [1, 1], "data": data}]
    return Answer(200, "application/json", json.dumps({"outputs": outputs}).encode())


def event(index: int, samples: np.ndarray, is_last: bool) -> bytes:
    audio = samples.tolist() if samples.size != 1 else samples.item()  # as Triton writes a lone element
    chunk = {"audio": audio, "chunk_index": index, "is_last": is_last, "sample_rate": RATE_HZ, "audio_base64": ""}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def events(chunks: tuple[np.ndarray, ...] = CHUNKS) -> bytes:
    return b"".join(event(index, chunk, index == len(chunks) - 1) for index, chunk in enumerate(chunks))


def speaking(body: bytes, content_type: str) -> Answer:
    """A container of any kind that says the same."""
    if content_type == "application/json":
        return Answer(200, "text/event-stream", events())
    header = json.loads(body[: int(content_type.rpartition("=")[2])])
    wants_wav = header["outputs"][0]["name"] == "audio_base64"
    return wav_answer(SOUND) if wants_wav else binary_answer(SOUND)


def refusing(message: str, status: int = 400) -> Container:
    return lambda _body, _type: Answer(status, "application/json", json.dumps({"error": message}).encode())


@pytest.fixture
def runtime(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    with running_runtime(Runtime(speaking), monkeypatch) as running:
        yield running


Connect = Callable[..., SageMakerClient]


@pytest.fixture
def connect(runtime: Runtime) -> Connect:
    """A client that knows what kind of endpoint it asks."""

    def make(kind: str, **options: Any) -> SageMakerClient:
        upload_to = f"s3://{BUCKET}/voice/requests"
        return SageMakerClient("voice", kind=EndpointKind(kind), upload_to=upload_to, poll_s=0.01, **options)

    return make


@pytest.mark.parametrize("kind", EndpointKind)
def test_every_kind_is_recognised_and_speaks(runtime: Runtime, deploy: Deploy, kind: EndpointKind) -> None:
    """What the deployment script has made tells the client how it is to be asked."""
    assert deploy(kind).exit_code == 0
    with SageMakerClient("voice", poll_s=0.01) as client:
        speech = client.speak("Hello.", SpeechOptions(seed=1))
        assert client.kind is kind
        np.testing.assert_array_equal(speech.samples, SOUND)
        assert speech.sample_rate_hz == RATE_HZ


@pytest.mark.parametrize("kind", EndpointKind)
def test_every_kind_gives_chunks(connect: Connect, kind: EndpointKind) -> None:
    with connect(kind) as client:
        chunks = list(client.stream("Hello."))
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), SOUND)
    assert [chunk.index for chunk in chunks] == list(range(3 if kind is EndpointKind.STREAMING else 1))
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


@pytest.mark.parametrize(
    ("kind", "limit", "told"),
    [
        (EndpointKind.REALTIME, "believing.MAX_FRAMES", "sound without end"),
        (EndpointKind.REALTIME, "sagemaker.MAX_ANSWER_BYTES", "more than 2 bytes"),
        (EndpointKind.ASYNC, "believing.MAX_FRAMES", "sound without end"),
        (EndpointKind.ASYNC, "sagemaker.MAX_TEXT_BYTES", "more than 2 bytes"),
        (EndpointKind.STREAMING, "believing.MAX_FRAMES", "sound without end"),
    ],
)
def test_an_answer_without_end_is_not_believed(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, kind: EndpointKind, limit: str, told: str
) -> None:
    """What ends one, made small: two frames are shorter than this sound."""
    monkeypatch.setattr(f"s1_client.{limit}", 2)
    with connect(kind) as client, pytest.raises(UnexpectedAnswerError, match=told):
        client.speak("Hello.")


@pytest.mark.parametrize("part", [b": nothing\n", b"data: so far no end"])
def test_a_stream_of_nothing_is_not_believed(part: bytes) -> None:
    joiner = EventJoiner(max_bytes=1000)
    with pytest.raises(UnexpectedAnswerError, match="more than 1000 bytes"):
        list(chain.from_iterable(map(joiner.feed, [part] * 1000)))


@pytest.mark.parametrize("kind", EndpointKind)
def test_a_rate_that_the_model_does_not_have_is_not_believed(
    connect: Connect, runtime: Runtime, kind: EndpointKind
) -> None:
    def lying(body: bytes, content_type: str) -> Answer:
        told = speaking(body, content_type)
        if kind is EndpointKind.ASYNC:
            return wav_answer(SOUND, 48_000)
        content = told.body.replace(b"D\xac\0\0", b"\x80\xbb\0\0").replace(b"44100", b"48000")
        return Answer(told.status, told.content_type, content)

    runtime.container = lying
    with connect(kind) as client, pytest.raises(UnexpectedAnswerError, match="48000 samples a second; known: 44100"):
        client.speak("Hello.")


@pytest.mark.parametrize("part_sizes", [(1,), (7, 1, 100), (10**6,)])
def test_parts_of_any_size(connect: Connect, runtime: Runtime, part_sizes: tuple[int, ...]) -> None:
    runtime.part_sizes = part_sizes
    if part_sizes == (1,):
        runtime.container = lambda _body, _type: Answer(200, "text/event-stream", events((SOUND[:3], SOUND[3:40])))
    with connect("streaming") as client:
        assert sum(len(chunk.samples) for chunk in client.stream("Hello.")) == (
            40 if part_sizes == (1,) else SOUND.size
        )


@pytest.mark.parametrize("kind", EndpointKind)
def test_refusal_is_told_in_the_models_own_words(connect: Connect, runtime: Runtime, kind: EndpointKind) -> None:
    runtime.container = refusing("text: is empty; allowed: UTF-8 text")
    with connect(kind) as client, pytest.raises(ServerError) as caught:
        client.speak(" ")
    assert str(caught.value) == "text: is empty; allowed: UTF-8 text"
    assert caught.value.code is None  # Triton's SageMaker port says 400 whatever happened


def test_refusal_of_a_stream_comes_as_an_event(connect: Connect, runtime: Runtime) -> None:
    told = b"""data: {"error":"in ensemble 's1_mini_stream', text: is empty"}\n\n"""
    runtime.container = lambda _body, _type: Answer(400, "text/event-stream", told)
    with connect("streaming") as client, pytest.raises(ServerError, match=r"^text: is empty$"):
        client.speak(" ")


def test_status_that_tells_something(connect: Connect, runtime: Runtime) -> None:
    runtime.container = refusing("the queue is full", status=503)
    with connect("realtime") as client, pytest.raises(ServerError) as caught:
        client.speak("Hello.")
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_error_within_a_stream(connect: Connect, runtime: Runtime) -> None:
    body = event(0, SOUND, False) + b'data: {"error": "the server is shutting down"}\n\n'
    runtime.container = lambda _body, _type: Answer(200, "text/event-stream", body)
    with connect("streaming") as client:
        chunks = client.stream("Hello.")
        next(chunks)
        with pytest.raises(ServerError, match=r"^the server is shutting down$"):
            next(chunks)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (event(0, SOUND, False), EarlyEndError),
        (b"", EarlyEndError),
        (event(1, SOUND, True), StreamGapError),
        (event(0, SOUND, True) * 2, StreamGapError),
        (b"data: nothing\n\n", UnexpectedAnswerError),
        (b'data: {"text": "x"}\n\n', UnexpectedAnswerError),
        (b"data: [1]\n\n", UnexpectedAnswerError),
    ],
)
def test_streams_that_are_none(connect: Connect, runtime: Runtime, body: bytes, error: type[Exception]) -> None:
    runtime.container = lambda _body, _type: Answer(200, "text/event-stream", body)
    with connect("streaming") as client, pytest.raises(error):
        client.speak("Hello.")


def test_stream_that_breaks_off_on_the_way(connect: Connect, runtime: Runtime) -> None:
    runtime.breaks_after = 2
    with connect("streaming") as client, pytest.raises(ServerError, match="the container broke off"):
        client.speak("Hello.")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "application/json", b"{}"),
        Answer(200, f"{BINARY}2", b"{}"),
        Answer(200, f"{BINARY}14", b'{"outputs":[]}'),
    ],
)
def test_answers_that_are_none(connect: Connect, runtime: Runtime, answer: Answer) -> None:
    runtime.container = lambda _body, _type: answer
    with connect("realtime") as client, pytest.raises(UnexpectedAnswerError):
        client.speak("Hello.")


def test_async_result_that_is_late(connect: Connect, runtime: Runtime) -> None:
    runtime.async_delay_s = 0.3
    with connect("async") as client:
        np.testing.assert_array_equal(client.speak("Hello.").samples, SOUND)


def test_async_result_that_never_comes(connect: Connect, runtime: Runtime) -> None:
    runtime.async_delay_s = 2
    with connect("async", timeout_s=0.05) as client, pytest.raises(DeadlineError):
        client.speak("Hello.")


def test_closing_ends_the_wait_for_a_result(connect: Connect, runtime: Runtime) -> None:
    runtime.async_delay_s = 1
    client = connect("async")
    client.close()
    with pytest.raises(S1ClientError, match="closed"):
        client.speak("Hello.")


def test_async_request_is_put_below_the_endpoints_own_place(runtime: Runtime, cloud: Cloud, deploy: Deploy) -> None:
    assert deploy("async").exit_code == 0
    with SageMakerClient("voice", poll_s=0.01) as client:
        client.speak("Hello.")
    assert [key for key in cloud.objects() if key.startswith("tts/voice/requests/")]
    with SageMakerClient("voice", upload_to=f"s3://{BUCKET}/mine", poll_s=0.01) as client:
        client.speak("Hello.")
    assert [key for key in cloud.objects() if key.startswith("mine/")]


def test_an_endpoint_that_is_called_asynchronous_but_is_not(runtime: Runtime, deploy: Deploy) -> None:
    assert deploy("realtime").exit_code == 0
    with (
        SageMakerClient("voice", kind=EndpointKind.ASYNC) as client,
        pytest.raises(EndpointError, match="it is not asynchronous"),
    ):
        client.speak("Hello.")


@pytest.mark.parametrize("kind", [None, EndpointKind.REALTIME])
def test_endpoint_that_is_not_there(runtime: Runtime, kind: EndpointKind | None) -> None:
    with (
        SageMakerClient("nowhere", kind=kind) as client,
        pytest.raises(EndpointError, match="the SageMaker endpoint nowhere cannot be asked: "),
    ):
        client.speak("Hello.")


def test_runtime_that_is_not_reached(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:1")
    with SageMakerClient("voice", kind=EndpointKind.REALTIME) as client, pytest.raises(EndpointError):
        client.speak("Hello.")


def test_every_option_is_sent_with_its_type() -> None:
    options = SpeechOptions(
        voice="anna", seed=3, temperature=0.5, max_frames=9, reference_audio=b"\xff\0RIFF", reference_text="Grüße"
    )
    body = make_binary_request("Hi", options, want_wav=False)
    size = int(body.content_type.removeprefix(BINARY))
    header, data = json.loads(body.content[:size]), body.content[size:]
    sent, start = {}, 0
    for tensor in header["inputs"]:
        end = start + tensor["parameters"]["binary_data_size"]
        sent[tensor["name"]] = (tensor["datatype"], data[start:end])
        assert tensor["shape"] == [1, 1]
        start = end
    assert start == len(data)
    assert sent == {
        "text": ("BYTES", b"\2\0\0\0Hi"),
        "voice": ("BYTES", b"\4\0\0\0anna"),
        "reference_audio": ("BYTES", b"\6\0\0\0\xff\0RIFF"),
        "reference_text": ("BYTES", struct.pack("<I", 7) + "Grüße".encode()),
        "seed": ("INT64", struct.pack("<q", 3)),
        "temperature": ("FP32", struct.pack("<f", 0.5)),
        "max_frames": ("INT32", struct.pack("<i", 9)),
    }
    streamed = json.loads(make_stream_request("Grüße", SpeechOptions(seed=3, temperature=0.5)).content)
    assert streamed == {"text": "Grüße", "seed": 3, "temperature": 0.5}


def test_recording_cannot_be_streamed() -> None:
    with pytest.raises(OptionError, match=r"reference_audio: .*stored as a voice"):
        make_stream_request("Hi", SpeechOptions(reference_audio=b"\xff", reference_text="x"))


def test_binary_answer_is_read_back() -> None:
    answer = binary_answer(SOUND)
    np.testing.assert_array_equal(read_binary_answer(answer.body, answer.content_type).samples, SOUND)


WHOLE = [{"a": "ä\n\r", "n": [1, 2]}, {}, {"chunk_index": 1}]
ENDS = st.sampled_from([b"\n", b"\r\n"])


@given(st.data())
def test_events_are_whole_wherever_they_are_cut(data: st.DataObject) -> None:
    body = b""
    for each in WHOLE:
        end = data.draw(ENDS)
        noise = data.draw(st.sampled_from([b"", b": comment" + end, b"event: chunk" + end]))
        body += noise + b"data: " + json.dumps(each, ensure_ascii=False).encode() + end * 2
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1))))
    parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    joiner = EventJoiner()
    assert [found for part in parts for found in joiner.feed(part)] == WHOLE


@pytest.mark.parametrize("kind", EndpointKind)
def test_say_writes_the_file(runtime: Runtime, deploy: Deploy, tmp_path: Path, kind: EndpointKind) -> None:
    assert deploy(kind).exit_code == 0
    for flag in ("--stream", "--no-stream"):
        output = tmp_path / f"out{flag}.wav"
        said = CliRunner().invoke(app, ["say", "Hello.", "-o", str(output), "--sagemaker", "voice", flag])
        assert said.exit_code == 0, said.output
        np.testing.assert_array_equal(soundfile.read(output, dtype="int16")[0], SOUND)


def test_say_tells_the_models_own_words(runtime: Runtime, deploy: Deploy, tmp_path: Path) -> None:
    runtime.container = refusing("no voice anna")
    assert deploy("realtime").exit_code == 0
    said = CliRunner().invoke(app, ["say", "Hello.", "-o", str(tmp_path / "out.wav"), "--sagemaker", "voice"])
    assert said.exit_code == 1
    assert said.stderr == "error: no voice anna\n"


def test_say_without_such_an_endpoint(runtime: Runtime, tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["say", "Hello.", "-o", str(tmp_path / "out.wav"), "--sagemaker", "nowhere"])
    assert said.exit_code == 3
    assert said.stderr.startswith("error: the SageMaker endpoint nowhere cannot be asked: ")
    assert "doctor" not in said.stderr


def test_say_without_boto3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    monkeypatch.delitem(__import__("sys").modules, "s1_client.sagemaker")
    said = CliRunner().invoke(app, ["say", "Hello.", "-o", str(tmp_path / "out.wav"), "--sagemaker", "voice"])
    assert said.exit_code == 1
    assert said.stderr == "error: a SageMaker endpoint needs boto3: pip install 's1-tts[sagemaker]'\n"
