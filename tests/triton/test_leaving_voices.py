"""Callers who leave while their voice is encoded free their places at once, whatever the encoder is at."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import pytest_asyncio
import tritonclient.grpc.aio as grpcclient
from tritonclient.utils import InferenceServerException

from s1_protocol.names import ModelName
from s1_tts.serving.server import ServerOptions, TritonServer
from s1_tts.voices.folder import FolderStore
from s1_tts.voices.voice import Recording, Voice
from tests.triton.callers import answer, collect, inputs_of, joined, read_metrics, until
from tests.triton.conftest import EXACT, FREE_PORTS, HERE, MODEL_REPOSITORY, started
from tests.unit.voices.sounds import recording

PLACES = 3
SPOKEN = {"text": "Hello there.", "seed": 4, "max_frames": 12}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("leaving")


@pytest.fixture(scope="module")
def gated_server(checkpoint, folder) -> Iterator[TritonServer]:
    """A server whose encoder can be held, with few places for those who wait for it."""
    repository = folder / "models"
    shutil.copytree(MODEL_REPOSITORY, repository, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "faulty" / "s1_voice.py", repository / "s1_voice" / "1" / "model.py")
    settings = {**EXACT, "S1_MAX_WAITING_VOICES": str(PLACES), "S1_VOICES": str(folder / "voices")}
    options = ServerOptions(checkpoint, repository, ports=FREE_PORTS, device="cpu", settings=settings)
    with started(options, folder / "log.txt") as running:
        yield running


@pytest_asyncio.fixture
async def gated(gated_server) -> AsyncIterator[grpcclient.InferenceServerClient]:
    """A connection, once the server shows that nobody waits; its metrics are a second old at most."""
    assert await until(lambda: waiting(gated_server) == 0)
    async with grpcclient.InferenceServerClient(f"127.0.0.1:{gated_server.ports.grpc}") as client:
        yield client


@pytest.fixture
def gate(folder):
    """While it is there, the encoder waits."""
    path = folder / "encoder-waits"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def with_voice(hz):
    """Fields of a request whose voice nobody else asks for."""
    return {**SPOKEN, "reference_audio": np.array([[recording(hz)]], dtype=np.object_), "reference_text": "Some words."}


def waiting(server):
    return read_metrics(server)["s1_voice_waiting_requests"]


async def add(client, hz):
    fields = with_voice(hz)
    fields = {"operation": np.array([[b"add"]], dtype=np.object_), "voice": f"v{hz}"} | {
        name: fields[name] for name in ("reference_audio", "reference_text")
    }

    async def requests():
        yield {"model_name": ModelName.VOICE.value, "inputs": inputs_of(fields)}

    answers = client.stream_infer(requests())
    try:
        async for _result, error in answers:
            if error is not None:
                raise error
            return
    finally:
        answers.cancel()


@pytest.mark.parametrize("ask", [collect, answer, add])
async def test_who_leaves_frees_the_place(gated_server, gated, gate, folder, ask):
    """All places are taken: one at the encoder, the others wait for it; then all leave, and the encoder still waits."""

    async def begin(hz):
        return await (add(gated, hz) if ask is add else ask(gated, **with_voice(hz)))

    encoded = folder / "encoded"
    encoded.unlink(missing_ok=True)
    pitch = 200 + 10 * [collect, answer, add].index(ask)
    crowd = [asyncio.create_task(begin(pitch + number)) for number in range(PLACES)]
    assert await until(lambda: waiting(gated_server) == PLACES)
    with pytest.raises(InferenceServerException, match=f"{PLACES} requests wait for voices already"):
        await begin(pitch + PLACES)
    for caller in crowd:
        caller.cancel()
    assert await until(lambda: waiting(gated_server) == 0)
    next_ones = [asyncio.create_task(collect(gated, **with_voice(pitch + 100 + number))) for number in range(PLACES)]
    assert await until(lambda: waiting(gated_server) == PLACES)
    gate.unlink()
    assert all([(await each)[-1].is_last for each in next_ones])
    assert len(encoded.read_text()) == 1 + PLACES  # of the crowd, only the one that had begun


async def test_a_stored_voice_that_is_encoded_again_is_left_as_well(gated_server, gated, gate, folder):
    """Of one that came without this codec's codes."""
    FolderStore(folder / "voices").put(Voice("stored", (Recording(recording(330.0), "Some words."),)))
    caller = asyncio.create_task(collect(gated, **SPOKEN, voice="stored"))
    assert await until(lambda: waiting(gated_server) == 1)
    caller.cancel()
    assert await until(lambda: waiting(gated_server) == 0)


async def test_who_stays_is_served_as_ever(gated_server, gated, gate):
    """However often it is looked whether the caller is there, and also where another one who wants the same leaves."""
    fields = with_voice(260.0)
    staying = [asyncio.create_task(collect(gated, **fields)) for _ in range(2)]
    leaving = asyncio.create_task(collect(gated, **fields))
    assert await until(lambda: waiting(gated_server) == 3)
    await asyncio.sleep(1.0)
    leaving.cancel()
    assert await until(lambda: waiting(gated_server) == 2)
    gate.unlink()
    sounds = [joined(await each) for each in staying]
    assert np.array_equal(sounds[0], joined(await collect(gated, **fields)))
    assert np.array_equal(sounds[0], sounds[1])


async def test_a_recording_that_cannot_be_used_is_refused_after_knocks_as_before(gated_server, gated, gate):
    """An error beside a step that is at work would end nothing on release 24.10."""
    bad = {**with_voice(270.0), "reference_text": "far too many words for so short a recording. " * 40}
    calls = [asyncio.create_task(call(gated, **bad)) for call in (collect, answer)]
    assert await until(lambda: waiting(gated_server) == 2)
    await asyncio.sleep(1.0)
    gate.unlink()
    for call in calls:
        with pytest.raises(InferenceServerException, match="reference_text"):
            await asyncio.wait_for(call, 30)
