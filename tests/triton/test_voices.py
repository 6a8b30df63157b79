"""Voices on the real server with the real encoder: cloned, stored, managed, refused, and never another's."""

import asyncio
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc.aio as grpcclient
from tritonclient.utils import InferenceServerException
from typer.testing import CliRunner, Result

from s1_client.cli import app
from s1_protocol.names import Field, ModelName
from s1_tts.serving.server import TritonServer
from s1_tts.voices.folder import FolderStore
from tests.triton.callers import answer, collect, joined, sealed_inputs_of, stream
from tests.unit.voices.sounds import chirp, file_of, recording

LIMITS = {"seed": 5, "max_frames": 24, "chunk_frames": 8}


def bytes_of(*values: bytes) -> npt.NDArray[Any]:
    return np.array([list(values)], dtype=np.object_)


def clone(hz: float, text: str = "What is said.") -> dict[str, Any]:
    return {"reference_audio": bytes_of(recording(hz)), "reference_text": text}


async def say(client: grpcclient.InferenceServerClient, **fields: Any) -> npt.NDArray[np.int16]:
    return joined(await collect(client, text="Hello there.", **{**LIMITS, **fields}))


async def refusal(client: grpcclient.InferenceServerClient, **fields: Any) -> tuple[str, str]:
    """Code and message of one answer; the stream must say the same."""
    fields = {"text": "Hello there.", **LIMITS, **fields}
    with pytest.raises(InferenceServerException) as caught:
        await answer(client, **fields)
    with pytest.raises(InferenceServerException) as streamed:
        [chunk async for chunk in stream(client, **fields)]
    message = caught.value.message()
    assert message in streamed.value.message()
    return str(caught.value.status()).removeprefix("StatusCode."), message


def store_of(server: TritonServer) -> Path:
    return server.options.checkpoint.parent / "voices"


def run(server: TritonServer, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["voices", *arguments, "--url", f"127.0.0.1:{server.ports.grpc}"])


async def run_soon(server: TritonServer, *arguments: str) -> str:
    done = await asyncio.to_thread(run, server, *arguments)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for hz in (200, 400):
        (tmp_path / f"{hz}.wav").write_bytes(recording(hz))
    return tmp_path


@pytest.fixture(autouse=True)
def empty_store(server: TritonServer) -> Iterator[None]:
    yield
    store = FolderStore(store_of(server))
    for voice_id in store.list():
        store.delete(voice_id)


async def test_a_recording_changes_the_speech_and_so_does_another(client: grpcclient.InferenceServerClient) -> None:
    own, one, other = await say(client), await say(client, **clone(200)), await say(client, **clone(400))
    again = await say(client, **clone(200))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, own)
    result = await answer(client, text="Hello there.", **LIMITS, **clone(200))
    assert np.array_equal(result.as_numpy("audio").reshape(-1), one)


async def test_a_voice_is_added_used_shown_and_removed(
    client: grpcclient.InferenceServerClient, server: TritonServer, sounds: Path
) -> None:
    added = await run_soon(
        server,
        *("add", "anna", "--metadata", '{"language": "de"}'),
        *("--audio", str(sounds / "200.wav"), "--text", "What is said."),
    )
    assert json.loads(added)["metadata"] == {"language": "de"}
    assert (await run_soon(server, "list")).split() == ["anna"]
    assert await run_soon(server, "show", "anna") == added
    assert np.array_equal(await say(client, voice="anna"), await say(client, **clone(200)))
    await run_soon(server, "remove", "anna")
    assert await run_soon(server, "list") == ""
    assert await refusal(client, voice="anna") == ("NOT_FOUND", "voice: no voice 'anna'")
    gone = await asyncio.to_thread(run, server, "show", "anna")
    assert (gone.exit_code, "no voice 'anna'" in gone.output) == (1, True)


async def test_a_voice_put_into_the_store_is_encoded_at_first_use_and_written_back(
    client: grpcclient.InferenceServerClient, server: TritonServer, sounds: Path
) -> None:
    arguments = ["--audio", str(sounds / "400.wav"), "--text", "What is said."]
    store = ["--store", str(store_of(server))]
    done = await asyncio.to_thread(CliRunner().invoke, app, ["voices", "add", "berta", *arguments, *store])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["recordings"][0]["codec"] is None
    assert np.array_equal(await say(client, voice="berta"), await say(client, **clone(400)))
    async with asyncio.timeout(30):
        while FolderStore(store_of(server)).get("berta").recordings[0].codes is None:  # noqa: ASYNC110 - by another process
            await asyncio.sleep(0.05)
    assert json.loads(await run_soon(server, "show", "berta"))["recordings"][0]["codec"]


async def test_several_recordings_keep_their_order(
    client: grpcclient.InferenceServerClient, server: TritonServer, sounds: Path
) -> None:
    pairs = [("--audio", str(sounds / f"{hz}.wav"), "--text", f"at {hz}") for hz in (200, 400)]
    await run_soon(server, "add", "up", *pairs[0], *pairs[1])
    await run_soon(server, "add", "down", *pairs[1], *pairs[0])
    shown = json.loads(await run_soon(server, "show", "up"))
    assert [each["transcript"] for each in shown["recordings"]] == ["at 200", "at 400"]
    up = await say(client, voice="up")
    assert not np.array_equal(up, await say(client, voice="down"))
    inline = {
        "reference_audio": bytes_of(recording(200), recording(400)),
        "reference_text": bytes_of(b"at 200", b"at 400"),
    }
    assert np.array_equal(await say(client, **inline), up), "recordings that come along are the same turns"
    whole = await answer(client, text="Hello there.", **LIMITS, **inline)
    assert np.array_equal(whole.as_numpy("audio").reshape(-1), up)


async def test_what_is_told_of_a_voice_is_changed_without_encoding_it_again(
    client: grpcclient.InferenceServerClient, server: TritonServer, sounds: Path
) -> None:
    await run_soon(server, "add", "anna", "--audio", str(sounds / "200.wav"), "--text", "What is said.")
    encoded = FolderStore(store_of(server)).get("anna").recordings[0].codes
    was = await say(client, voice="anna")
    change = ("--text", "Other words.", "--metadata", '{"title": "Clara"}', "--new-id", "clara")
    told = json.loads(await run_soon(server, "change", "anna", *change))
    assert (told["id"], told["metadata"]) == ("clara", {"title": "Clara"})
    changed = FolderStore(store_of(server)).get("clara").recordings[0]
    assert changed.transcript == "Other words."
    assert np.array_equal(changed.codes, encoded)
    assert await refusal(client, voice="anna") == ("NOT_FOUND", "voice: no voice 'anna'")
    assert not np.array_equal(await say(client, voice="clara"), was)
    back = ("--text", "What is said.", "--new-id", "anna", "--store", str(store_of(server)))
    done = await asyncio.to_thread(CliRunner().invoke, app, ["voices", "change", "clara", *back])
    assert done.exit_code == 0, done.output
    assert np.array_equal(await say(client, voice="anna"), was)


INVALID = {
    "a path": ({"voice": "../../etc/passwd"}, "voice: got"),
    "both": ({"voice": "anna", **clone(200)}, "voice: came together with reference_audio"),
    "no transcript": ({"reference_audio": bytes_of(recording())}, "reference_text: is missing"),
    "no audio": ({"reference_text": "words"}, "reference_audio: is missing"),
    "empty transcript": (clone(200, " "), "reference_text: has no letter"),
    "no sound file": ({"reference_audio": bytes_of(b"x" * 999), "reference_text": "w"}, "is no audio file"),
    "truncated": ({"reference_audio": bytes_of(recording()[:9000]), "reference_text": "w"}, "is truncated"),
    "silent": (
        {"reference_audio": bytes_of(file_of(np.zeros(66_150, np.float32))), "reference_text": "w"},
        "is silent",
    ),
    "too short": ({"reference_audio": bytes_of(file_of(chirp(0.5))), "reference_text": "w"}, "is too short: 0.50 s"),
    "too long": (
        {"reference_audio": bytes_of(file_of(chirp(91, rate_hz=8000), 8000)), "reference_text": "w"},
        "is too long: 91.00 s",
    ),
    "text and voice": ({"text": " ", "voice": "nobody"}, "text: is empty"),
    "option and voice": ({"temperature": 3.0, "voice": "nobody"}, "temperature: got 3"),
}


@pytest.mark.parametrize("case", INVALID)
async def test_what_is_wrong_is_refused_by_field(client: grpcclient.InferenceServerClient, case: str) -> None:
    fields, fault = INVALID[case]
    code, message = await refusal(client, **fields)
    assert code == "INVALID_ARGUMENT"
    assert fault in message


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [(("show", "../x"), "voice: got '../x'"), (("remove", "nobody"), "no voice 'nobody'")],
)
def test_the_command_tells_what_the_server_refuses(server: TritonServer, arguments: list[str], fault: str) -> None:
    for where in ((), ("--store", str(store_of(server)))):
        done = run(server, *arguments, *where)
        assert done.exit_code == 1
        assert fault in done.output


def test_the_command_tells_that_no_server_answers() -> None:
    assert CliRunner().invoke(app, ["voices", "list", "--url", "127.0.0.1:1"]).exit_code == 3


def test_the_command_wants_a_text_for_each_recording(server: TritonServer, sounds: Path) -> None:
    assert run(server, "add", "anna", "--audio", str(sounds / "200.wav"), "--text", "a", "--text", "b").exit_code == 2


async def test_the_command_refuses_a_bad_recording(server: TritonServer, tmp_path: Path) -> None:
    (tmp_path / "short.wav").write_bytes(file_of(chirp(0.4)))
    for where in ((), ("--store", str(store_of(server)))):
        arguments = ("add", "anna", "--audio", str(tmp_path / "short.wav"), "--text", "words", *where)
        done = await asyncio.to_thread(run, server, *arguments)
        assert (done.exit_code, "is too short" in done.output) == (1, True)
    assert await run_soon(server, "list") == ""


# prompts straight to the language model


async def codes_of(
    server: TritonServer, client: grpcclient.InferenceServerClient, **fields: Any
) -> npt.NDArray[np.int32]:
    async def requests() -> Any:
        inputs = sealed_inputs_of(server, {"text": "Hello.", **LIMITS, **fields})
        yield {"model_name": ModelName.LLAMA.value, "inputs": inputs}

    parts = []
    async for result, error in client.stream_infer(requests()):
        if error is not None:
            raise error
        parts.append(result.as_numpy(Field.CODES)[0])
    return np.concatenate(parts, axis=1)


def prompt(codes: npt.NDArray[np.int32], frames: list[int], texts: list[bytes]) -> dict[str, Any]:
    return {
        "prompt_codes": codes[None],
        "prompt_frames": np.array([frames], dtype=np.int32),
        "prompt_texts": np.array([texts], dtype=np.object_).reshape(1, len(texts)),
    }


async def test_the_language_model_takes_prompts_of_a_direct_caller(
    server: TritonServer, client: grpcclient.InferenceServerClient
) -> None:
    codes = np.random.default_rng(0).integers(0, 1024, (10, 30), dtype=np.int32)
    voiced = await codes_of(server, client, **prompt(codes, [20, 10], [b"one", b"two"]))
    assert voiced.shape[0] == 10
    assert not np.array_equal(voiced, await codes_of(server, client))
    nothing = prompt(np.empty((0, 0), np.int32), [], [])
    np.testing.assert_array_equal(await codes_of(server, client, **nothing), await codes_of(server, client))


ZEROS = np.zeros((10, 4), np.int32)
BAD_PROMPTS = {
    "sum": (prompt(ZEROS, [3], [b"a"]), "prompt_codes: has shape [1, 10, 4]"),
    "codebooks": (prompt(ZEROS[:9], [4], [b"a"]), "prompt_codes: has shape [1, 9, 4]"),
    "range": (prompt(ZEROS + 4096, [4], [b"a"]), "prompt_codes: holds 4096 to 4096"),
    "negative": (prompt(ZEROS - 1, [4], [b"a"]), "prompt_codes: holds -1"),
    "counts": (prompt(ZEROS, [2, 2], [b"a"]), "prompt_texts: has 1 values"),
    "no frames": (prompt(ZEROS, [4, 0], [b"a", b"b"]), "prompt_frames: got 0"),
    "not UTF-8": (prompt(ZEROS, [4], [b"\xff"]), "prompt_texts: byte 0"),
    "too long": (prompt(np.zeros((10, 8200), np.int32), [8200], [b"a"]), "tokens with its voice"),
    "one alone": ({"prompt_codes": ZEROS[None]}, "prompt_frames: is missing"),
}


@pytest.mark.parametrize("case", BAD_PROMPTS)
async def test_wrong_prompts_are_refused(
    server: TritonServer, client: grpcclient.InferenceServerClient, case: str
) -> None:
    fields, fault = BAD_PROMPTS[case]
    with pytest.raises(InferenceServerException, match=re.escape(fault)):
        await codes_of(server, client, **fields)


# many at once


async def test_32_callers_with_8_voices_get_what_each_gets_alone(
    client: grpcclient.InferenceServerClient, server: TritonServer
) -> None:
    voices = {}
    for number in range(4):
        path = server.options.checkpoint.parent / f"{number}.wav"
        path.write_bytes(recording(150 + 50 * number))
        await run_soon(server, "add", f"voice-{number}", "--audio", str(path), "--text", f"Number {number}.")
        voices[f"stored {number}"] = {"voice": f"voice-{number}"}
        voices[f"sent {number}"] = clone(400 + 50 * number, f"Number {number}.")
    alone = {name: await say(client, **fields) for name, fields in voices.items()}
    assert len({samples.tobytes() for samples in alone.values()}) == 8
    names = list(voices) * 4
    together = await asyncio.gather(*(say(client, **voices[name]) for name in names))
    for name, samples in zip(names, together, strict=True):
        assert np.array_equal(samples, alone[name]), name


async def test_the_caches_show_in_the_metrics(client: grpcclient.InferenceServerClient, server: TritonServer) -> None:
    for _ in range(2):
        await say(client, **clone(777))

    def shown() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.ports.metrics}/metrics") as page:
            lines = [line for line in page.read().decode().splitlines() if line.startswith("s1_voice_")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    async with asyncio.timeout(20):
        while True:
            metrics = shown()
            if (
                metrics['s1_voice_cache_hits_total{cache="encodings"}']
                and metrics['s1_voice_cache_bytes{cache="encodings"}']
            ):
                break
            await asyncio.sleep(0.1)
    assert metrics['s1_voice_cache_misses_total{cache="encodings"}'] > 0
    assert metrics['s1_voice_cache_limit_bytes{cache="encodings"}'] == 64e6
    assert metrics["s1_voice_encoded_audio_seconds_total"] > 0
