"""The packed model behind Triton's own SageMaker port, started as Triton's container starts it and as our image does.

AWS is a stand-in (``tests/sagemaker_cloud.py``); the server, the archive and the speech are real. What cannot be
tested here is ``generate_stream`` on the SageMaker port, which needs Triton 25.03; the HTTP port's ``/generate_stream``
takes its place.
"""

import asyncio
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from s1_client import ServerError, SpeechOptions
from s1_client.cli import app
from s1_client.sagemaker import SageMakerClient
from s1_client.sagemaker_wire import EventJoiner, make_stream_request
from s1_protocol.sagemaker import EndpointKind
from s1_tts.serving.server import TritonServer
from tests.sagemaker_cloud import Answer, Cloud, Container, Runtime, mocked_cloud, running_runtime
from tests.sagemaker_container import STOP_TIMEOUT_S, free_port, listening, serving
from tests.triton.bare import bare_process, status_of, wait_for_answer
from tests.triton.callers import HttpAnswer, kserve_json, post_json, request_http, until

ROOT = Path(__file__).resolve().parents[2]
TEXT = "Hello there."
OPTIONS = SpeechOptions(seed=7, max_frames=12)
INFER = "/v2/models/s1_mini/infer"
STREAM = "/v2/models/s1_mini_stream/generate_stream"


@pytest.fixture(scope="module")
def model_folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What SageMaker makes of ``model.tar.gz`` at ``/opt/ml/model``."""
    folder = tmp_path_factory.mktemp("sagemaker")
    command = [sys.executable, ROOT / "scripts" / "package_sagemaker.py", "--checkpoint", checkpoint]
    subprocess.run([*command, "--output", folder / "model.tar.gz"], check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(folder / "model.tar.gz") as archive:
        archive.extractall(folder / "model", filter="data")
    return folder / "model"


@pytest.fixture(scope="module")
def stock(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psutil.Process]:
    """A bare server with the arguments that ``serve`` of Triton's container makes of its environment.

    They are those of docker/sagemaker/serve in triton-inference-server/server at e1db8a6, for
    SAGEMAKER_TRITON_DEFAULT_MODEL_NAME=s1_mini and SAGEMAKER_TRITON_ADDITIONAL_ARGS=--load-model=s1_mini_stream. Only
    the port, where the wheel's backend lies, and names for what a crash leaves behind are ours.
    """
    folder = tmp_path_factory.mktemp("stock")
    port = free_port()
    flags = (
        "--allow-sagemaker=true",
        "--allow-http=false",
        "--model-control-mode=explicit",
        "--model-namespacing=true",
        "--allow-grpc=false",
        "--allow-metrics=false",
        "--log-verbose=true",
        "--backend-config=python,shm-default-byte-size=16777216",
        "--backend-config=python,shm-growth-byte-size=1048576",
        "--load-model=s1_mini_stream",
        "--load-model=s1_mini",
        f"--sagemaker-port={port}",
    )
    environment = {
        "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "s1_mini",
        "S1_CHECKPOINT": str(model_folder / "checkpoint"),
        "S1_DEVICE": "cpu",
        "S1_DTYPE": "float32",
    }
    with bare_process(folder, model_folder, *flags, environment=environment) as process:
        wait_for_answer(process, port, "/ping", folder / "log.txt")
        yield process


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with mocked_cloud(monkeypatch) as mocked:
        yield mocked


def port_of(stock: psutil.Process) -> int:
    (port,) = listening(stock)
    return port


def forwarding(port: int, path: str) -> Container:
    """A container that is a real server."""

    def ask(body: bytes, content_type: str) -> Answer:
        answer = request_http(port, "POST", path, body, {"Content-Type": content_type})
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, headers["content-type"], answer.body)

    return ask


def samples_over_http(server: TritonServer) -> np.ndarray:
    """What a caller of the ordinary server hears."""
    outputs = post_json(server.ports.http, INFER, kserve_json(TEXT)).json["outputs"]
    return np.array(next(output["data"] for output in outputs if output["name"] == "audio"), dtype=np.int16)


def test_only_the_sagemaker_port_is_open_and_on_every_address(stock: psutil.Process) -> None:
    assert list(listening(stock).values()) == ["0.0.0.0"]
    assert status_of(port_of(stock), "/ping") == 200


def test_json(stock: psutil.Process) -> None:
    response = post_json(port_of(stock), "/invocations", kserve_json(TEXT, parameters={"audio_base64": True}))
    assert response.status == 200
    outputs = {output["name"]: output for output in response.json["outputs"]}
    assert outputs["audio_base64"]["data"][0].startswith("UklGR")  # RIFF
    assert len(outputs["audio"]["data"]) == 12 * 2048


@pytest.mark.parametrize("kind", [EndpointKind.REALTIME, EndpointKind.ASYNC])
def test_client_gets_the_same_speech_from_the_packed_model(
    stock: psutil.Process, server: TritonServer, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, kind: EndpointKind
) -> None:
    """Real-time is asked in the binary form; asynchronous from S3 to S3."""
    runtime = Runtime(forwarding(port_of(stock), "/invocations"))
    with (
        running_runtime(runtime, monkeypatch),
        SageMakerClient("voice", kind=kind, upload_to="s3://speech/voice/requests", poll_s=0.05) as client,
    ):
        speech = client.speak(TEXT, OPTIONS)
    np.testing.assert_array_equal(speech.samples, samples_over_http(server))


@pytest.mark.parametrize("kind", [EndpointKind.REALTIME, EndpointKind.ASYNC])
def test_bad_input_is_told_in_the_models_own_words(
    stock: psutil.Process, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, kind: EndpointKind
) -> None:
    runtime = Runtime(forwarding(port_of(stock), "/invocations"))
    with (
        running_runtime(runtime, monkeypatch),
        SageMakerClient("voice", kind=kind, upload_to="s3://speech/voice/requests", poll_s=0.05) as client,
    ):
        with pytest.raises(ServerError, match=r"^text: is empty; allowed: "):
            client.speak("  ")
        with pytest.raises(ServerError, match=r"^temperature: .*allowed: 0"):
            client.speak("Hello.", SpeechOptions(temperature=7))
        with pytest.raises(ServerError, match=r"anna"):
            client.speak("Hello.", SpeechOptions(voice="anna"))


def test_body_that_is_no_request_is_refused(stock: psutil.Process) -> None:
    for body in (b"", b"{}", b"no json"):
        response = request_http(port_of(stock), "POST", "/invocations", body)
        assert response.status >= 400
        assert response.json["error"]


def test_deployed_endpoint_is_heard_by_the_command(
    stock: psutil.Process, server: TritonServer, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From ``deploy_sagemaker.py`` to a file, for every kind, with AWS as the only stand-in."""
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/s1-tts:1"
    containers = {
        EndpointKind.REALTIME: forwarding(port_of(stock), "/invocations"),
        EndpointKind.ASYNC: forwarding(port_of(stock), "/invocations"),
        EndpointKind.STREAMING: forwarding(server.ports.http, STREAM),
    }
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    deploy = __import__("deploy_sagemaker").app
    for kind, container in containers.items():
        options = ["--image", image, "--role", "arn:aws:iam::123456789012:role/s1", "--s3", "s3://speech/tts"]
        made = CliRunner().invoke(deploy, [kind, f"voice-{kind}", *options, "--model-data", "s3://speech/m.tar.gz"])
        assert made.exit_code == 0, made.output
        output = tmp_path / f"{kind}.wav"
        with running_runtime(Runtime(container), monkeypatch):
            arguments = ["say", TEXT, "-o", str(output), "--sagemaker", f"voice-{kind}", "--seed", "7"]
            said = CliRunner().invoke(app, [*arguments, "--max-frames", "12"])
        assert said.exit_code == 4, said.output  # cut, as asked
        np.testing.assert_array_equal(soundfile.read(output, dtype="int16")[0], samples_over_http(server))


@pytest.fixture(scope="module")
def streamed(server: TritonServer) -> HttpAnswer:
    """The bytes of a real stream of events, with a text that has characters of several bytes."""
    body = make_stream_request(TEXT, SpeechOptions(seed=7, max_frames=6, chunk_frames=2)).content
    return request_http(server.ports.http, "POST", STREAM, body)


def test_real_events_are_whole_byte_by_byte(streamed: HttpAnswer) -> None:
    assert streamed.status == 200
    joiner = EventJoiner()
    events = [event for byte in streamed.body for event in joiner.feed(bytes([byte]))]
    assert [event["chunk_index"] for event in events] == [0, 1, 2]
    assert [event["is_last"] for event in events] == [False, False, True]
    assert sum(len(event["audio"]) for event in events) == 6 * 2048


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_real_events_are_whole_wherever_they_are_cut(streamed: HttpAnswer, data: st.DataObject) -> None:
    body = streamed.body
    whole = list(EventJoiner().feed(body))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1), max_size=20)))
    joiner = EventJoiner()
    parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert [event for part in parts for event in joiner.feed(part)] == whole


def test_stream_through_the_client(server: TritonServer, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running_runtime(Runtime(forwarding(server.ports.http, STREAM)), monkeypatch),
        SageMakerClient("voice", kind=EndpointKind.STREAMING) as client,
    ):
        chunks = list(client.stream(TEXT, OPTIONS))
        with pytest.raises(ServerError, match=r"^text: is empty; allowed: "):
            client.speak("  ")
    assert len(chunks) > 1
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), samples_over_http(server))


def test_serve_of_our_image_drains_when_sagemaker_stops_it(model_folder: Path, tmp_path: Path) -> None:
    """The SageMaker port alone is reached from outside, and a caller under way gets an answer, not a broken line."""
    with serving(model_folder, {**os.environ, "S1_DEVICE": "cpu"}, tmp_path / "log.txt") as served:
        assert "noise, not words" in served.output
        port = served.sagemaker_port
        open_to_all = [at for at, ip in listening(served.server()).items() if not ip.endswith("127.0.0.1")]
        assert open_to_all == [port]
        assert status_of(port, "/ping") == 200
        answers: list[HttpAnswer] = []
        long = kserve_json("This sentence is said again and again. " * 40, max_frames=4000)
        caller = threading.Thread(target=lambda: answers.append(post_json(port, "/invocations", long)))
        caller.start()
        wait_until_running(served.metrics_port)
        assert served.stop() == 0
        caller.join(STOP_TIMEOUT_S)
        assert answers[0].json == {"error": "the server is shutting down"}


def wait_until_running(metrics_port: int) -> None:
    def is_running() -> bool:
        metrics = request_http(metrics_port, "GET", "/metrics").body.decode()
        return any(
            float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if line.startswith("s1_lm_active_sequences")
        )

    assert asyncio.run(until(is_running, timeout_s=30))
