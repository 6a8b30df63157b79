"""A release of Triton behaves as the table says, where this project or its advice depends on it.

The models are a few lines each and know nothing of speech. Each server is a bare one.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.grpc.aio as grpcclient
from tritonclient.utils import InferenceServerException

from s1_protocol.coded_message import CodedMessage
from s1_tts.serving.distribution import find_distribution
from s1_tts.serving.ports import Ports, claim
from tests.triton.bare import BareServer, bare_process, listening_flags, status_of, wait_for_answer
from tests.triton.callers import inputs_of, post_json, request_http, until
from tests.triton.releases.table import RELEASE_24_10, RELEASE_26_07, Release, release_of

MODELS = Path(__file__).resolve().parent / "models"
READY = "/v2/health/ready"
LONG = 200
"""Numbers of a stream that lasts for 10 s, if nothing ends it."""


@contextlib.contextmanager
def running(folder: Path, *flags: str) -> Iterator[BareServer]:
    """A server with the models of this folder; it streams on SageMaker's port, where it can."""
    ports = claim("127.0.0.1", Ports(http=0, grpc=0, metrics=0, sagemaker=0))
    environment = {
        "RELUCTANT": str(folder / "unready"),
        "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "speaker",
        "SAGEMAKER_TRITON_INFERENCE_TYPE": "generate_stream",
    }
    more = (*listening_flags(ports), "--allow-sagemaker=true", f"--sagemaker-port={ports.sagemaker}", *flags)
    with bare_process(folder, MODELS, *more, environment=environment) as process:
        wait_for_answer(process, ports.http, READY, folder / "log.txt")
        yield BareServer(process, ports, folder / "log.txt")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareServer]:
    with running(tmp_path_factory.mktemp("release"), "--metrics-config=histogram_latencies=true") as started:
        yield started


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[BareServer]:
    """A server of the test's own, which may end it."""
    with running(tmp_path, "--exit-timeout-secs=30") as started:
        yield started


@pytest.fixture(scope="module")
def release(server: BareServer) -> Release:
    """The row of the server that runs."""
    return release_of(request_http(server.ports.http, "GET", "/v2").json["version"])


async def numbers(server: BareServer, model: str, **fields: int) -> AsyncIterator[int]:
    """What a stream of the speaker's numbers brings."""

    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield {
            "model_name": model,
            "inputs": inputs_of({name: np.array([value], np.int32) for name, value in fields.items()}),
        }

    async with grpcclient.InferenceServerClient(server.url) as client:
        count = 0
        async for result, error in client.stream_infer(requests()):
            if error is not None:
                raise error
            yield int(result.as_numpy("heard" if model == "talk" else "number").item())
            count += 1
            if count == fields["count"]:
                return


async def heard(server: BareServer, model: str, **fields: int) -> list[int]:
    return [number async for number in numbers(server, model, **fields)]


async def asked(server: BareServer, question: str) -> str:
    """What the model that calls another tells."""
    async with grpcclient.InferenceServerClient(server.url) as client:
        result = await client.infer("asker", inputs_of({"question": np.array([question.encode()], np.object_)}))
        return str(result.as_numpy("told").item().decode())


def metrics_of(server: BareServer) -> str:
    return request_http(server.ports.metrics, "GET", "/metrics").body.decode()


# --- the table ---


def test_a_version_is_found_in_the_table() -> None:
    assert release_of("2.51.0") is RELEASE_24_10
    assert release_of("2.71.0") is release_of("2.75.0") is release_of("3.0.1") is RELEASE_26_07


@pytest.mark.parametrize("version", ["2.50.0", "2.52.0", "2.70.1"])
def test_a_version_that_nobody_looked_at_is_told(version: str) -> None:
    with pytest.raises(LookupError, match=r"releases/table\.py"):
        release_of(version)


# --- errors ---


async def test_an_ensembles_error_has_its_prefix_once_or_again(server: BareServer, release: Release) -> None:
    """The client takes any number of them off."""
    with pytest.raises(InferenceServerException) as caught:
        await heard(server, "talk", count=3, fail_at=1)
    message = caught.value.message()
    assert (message.count("in ensemble 'talk', ") > 1) is release.prefix_is_repeated
    assert CodedMessage.read(message).message == "no more numbers"


async def test_the_code_of_an_error_reaches_a_model_that_called(server: BareServer, release: Release) -> None:
    """Ours write it into the message as well."""
    assert await asked(server, "code_of_an_error") == (
        "UNAVAILABLE" if release.code_survives_model_call else "INTERNAL"
    )


async def test_a_late_error_reaches_a_model_that_called(server: BareServer, release: Release) -> None:
    """Ours send none: a stream that fails ends with a tensor that says so."""
    told = await asked(server, "late_error")
    assert ("no more numbers" in told) is release.late_error_reaches_caller, told


# --- what a model may do ---


async def test_a_models_call_can_be_cancelled(server: BareServer, release: Release) -> None:
    assert await asked(server, "can_cancel") == str(release.model_call_can_be_cancelled)


async def test_a_response_may_have_parameters(server: BareServer, release: Release) -> None:
    assert await asked(server, "has_parameters") == str(release.response_has_parameters)


async def test_a_model_may_say_that_it_is_not_ready(server: BareServer, release: Release) -> None:
    """Ours do not: the gateway and the launcher look at other signs."""
    unready = server.log.parent / "unready"
    unready.touch()
    try:
        assert status_of(server.ports.http, READY) == (400 if release.model_may_be_unready else 200)
    finally:
        unready.unlink()
    assert status_of(server.ports.http, READY) == 200


def test_an_ensembles_requests_in_flight_can_be_bounded(release: Release, tmp_path: Path) -> None:
    """Ours are not: the bound is one for all streams together."""
    models = tmp_path / "models"
    for model in ("speaker", "listener", "talk"):
        (models / model).mkdir(parents=True)
        (models / model / "1").symlink_to(MODELS / model / "1")
        config = (MODELS / model / "config.pbtxt").read_text()
        (models / model / "config.pbtxt").write_text(
            config.replace("ensemble_scheduling {", "ensemble_scheduling {\n  max_inflight_requests: 4")
        )
    ports = claim("127.0.0.1", Ports(http=0, grpc=0, metrics=0))
    with bare_process(tmp_path, models, *listening_flags(ports)) as process:
        if release.requests_in_flight_can_be_bounded:
            wait_for_answer(process, ports.http, READY, tmp_path / "log.txt")
        else:
            assert process.wait(60) != 0
            assert "max_inflight_requests" in (tmp_path / "log.txt").read_text()


# --- what is seen from outside ---


def test_a_body_of_json_is_bounded(server: BareServer, release: Release) -> None:
    """A request with a voice of several large recordings goes over gRPC or binary HTTP."""
    text = {"name": "question", "shape": [1], "datatype": "BYTES", "data": ["can_cancel"]}
    padded = post_json(server.ports.http, "/v2/models/asker/infer", {"inputs": [text], "id": " " * (65 * 2**20)})
    assert padded.status == (400 if release.json_body_is_bounded else 200)
    assert ("--http-max-input-size" in padded.body[:1000].decode()) is release.json_body_is_bounded


async def test_times_to_the_first_response_are_a_metric(server: BareServer, release: Release) -> None:
    await heard(server, "talk", count=1)
    assert ("nv_inference_first_response_histogram_ms" in metrics_of(server)) is release.has_first_response_histogram


def test_the_time_that_a_model_took_to_load_is_a_metric(server: BareServer, release: Release) -> None:
    assert ("nv_model_load_duration_secs" in metrics_of(server)) is release.has_load_time_metric


def test_sagemakers_port_streams_where_it_is_asked_to(server: BareServer, release: Release) -> None:
    assert server.ports.sagemaker is not None
    answer = post_json(server.ports.sagemaker, "/invocations", {"count": 2})
    assert (answer.status == 200 and answer.body.count(b"data: ") == 2) is release.sagemaker_streams, answer


# --- ends ---


async def test_a_models_dead_process_is_seen_by_the_health_check(mortal: BareServer, release: Release) -> None:
    """Our launcher looks at the processes by itself, on every release."""
    victim = mortal.model_process("reluctant")
    victim.kill()
    assert await until(lambda: victim.status() == psutil.STATUS_ZOMBIE)  # nobody waits for it
    if release.dying_model_is_seen:
        assert await until(lambda: status_of(mortal.ports.http, READY) == 400)
    else:
        assert await heard(mortal, "speaker", count=3) == [0, 1, 2]  # in its time the death would have been seen
        assert status_of(mortal.ports.http, READY) == 200


async def test_an_error_of_a_later_step_waits_for_the_earlier_one(mortal: BareServer, release: Release) -> None:
    """So the codec answers with silence, and never with an error, before a stream's last chunk."""
    said, alone = [], numbers(mortal, "talk", count=LONG)
    clock = asyncio.create_task(count_in(said, numbers(mortal, "speaker", count=LONG)))
    assert await anext(alone) == 0
    mortal.model_process("listener").kill()
    with pytest.raises(InferenceServerException):
        async for _ in alone:
            pass
    assert (len(said) > LONG * 0.9) is release.downstream_error_waits
    clock.cancel()


async def test_sigterm_breaks_a_stream_or_lets_it_end(mortal: BareServer, release: Release) -> None:
    """Under our launcher streams are drained first. A stream of one model comes to its end in any case."""
    direct, through = [], []
    tasks = [
        asyncio.create_task(count_in(direct, numbers(mortal, "speaker", count=40))),
        asyncio.create_task(count_in(through, numbers(mortal, "talk", count=20))),
    ]
    assert await until(lambda: bool(direct) and bool(through))
    mortal.process.send_signal(signal.SIGTERM)
    await tasks[0]
    assert direct == list(range(40))
    assert (through == list(range(20))) is release.streams_outlive_sigterm
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)


async def count_in(said: list[int], stream: AsyncIterator[int]) -> None:
    """Write down what a stream says while it says it."""
    async for number in stream:
        said += [number]


def test_an_idle_server_ends_cleanly_and_loudly_or_quietly(mortal: BareServer, release: Release) -> None:
    mortal.process.terminate()
    assert mortal.process.wait(60) == 0
    log = mortal.log.read_text()
    assert "Exit timeout expired" not in log
    assert ("PyThreadState_Get" in log) is release.model_process_dies_noisily


def test_our_launcher_gives_a_stop_the_time_that_it_takes(release: Release) -> None:
    assert find_distribution().exit_timeout_s > release.idle_stop_s
