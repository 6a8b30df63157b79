"""Pipes, playing, batches, bench and doctor: what they print, what they write, how they end."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from s1_client.batch_items import read_items
from s1_client.cli import app
from s1_protocol.names import ModelName
from tests.unit.client.conftest import Serve
from tests.unit.client.kserve import Chunk, RefusalError, playing, tensor_of

SOUND = np.arange(-500, 500, dtype=np.int16)
TWO_CHUNKS = playing(Chunk(0, samples=SOUND[:400]), Chunk(1, True, SOUND[400:]))


@pytest.fixture
def s1_tts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_a_pipe_gets_raw_samples_and_nothing_else(s1_tts, serve: Serve, flag: str) -> None:
    url, _ = serve(TWO_CHUNKS)
    result = s1_tts("say", "Hello.", "-o", "-", "--url", url, flag)
    assert result.exit_code == 0, result.stderr
    np.testing.assert_array_equal(np.frombuffer(result.stdout_bytes, "<i2"), SOUND)
    assert "s of audio" in result.stderr


def test_playing_without_a_way_to_says_what_is_missing(s1_tts, serve: Serve) -> None:
    url, _ = serve(TWO_CHUNKS)
    result = s1_tts("say", "Hello.", "--play", "--url", url)
    if result.exit_code == 0:
        pytest.skip("this machine has a sound device")
    assert result.exit_code == 1
    assert "sounddevice" in result.stderr or "PortAudio" in result.stderr or "sound device" in result.stderr


def test_a_malformed_header_is_wrong_usage(s1_tts) -> None:
    result = s1_tts("say", "Hello.", "-o", "a.wav", "--header", "nonsense")
    assert result.exit_code == 2
    assert "name: value" in result.stderr


def test_headers_and_the_address_from_the_environment(s1_tts, serve: Serve, monkeypatch) -> None:
    url, service = serve(TWO_CHUNKS)
    monkeypatch.setenv("S1_URL", url)
    assert s1_tts("say", "Hello.", "-o", "a.wav", "--header", "X-Team: red").exit_code == 0
    assert service.metadata[0]["x-team"] == "red"


async def fail_on_bad(request) -> AsyncIterator[Chunk]:
    if b"bad" in tensor_of(request, "text").item():
        raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "text: is bad; allowed: good")
    yield Chunk(0, is_last=True, samples=SOUND)


def said(service) -> set[str]:
    return {tensor_of(request, "text").item().decode() for request in service.requests}


def test_a_batch_says_every_line_and_goes_on_where_it_stopped(s1_tts, serve: Serve) -> None:
    url, service = serve(fail_on_bad)
    Path("lines.txt").write_text("One.\n\nTwo, bad.\nThree.\n", encoding="utf-8")
    result = s1_tts("batch", "lines.txt", "out", "--url", url)
    assert result.exit_code == 1
    assert "2 said, 0 were there, 1 failed of 3" in result.stdout
    assert "0003: text: is bad; allowed: good" in result.stderr
    assert {path.name for path in Path("out").glob("*.wav")} == {"0001.wav", "0004.wav"}
    np.testing.assert_array_equal(soundfile.read("out/0001.wav", dtype="int16")[0], SOUND)

    Path("out/0001.wav").unlink()
    Path("lines.txt").write_text("One.\n\nTwo.\nThree.\n", encoding="utf-8")
    service.requests.clear()
    result = s1_tts("batch", "lines.txt", "out", "--url", url)
    assert result.exit_code == 0, result.stderr
    assert "2 said, 1 were there, 0 failed of 3" in result.stdout
    assert said(service) == {"One.", "Two."}


def test_a_batch_says_again_what_has_changed(s1_tts, serve: Serve) -> None:
    url, service = serve(fail_on_bad)
    Path("lines.csv").write_text("id,text,voice\na,One.,\nb,Two.,anna\n", encoding="utf-8")
    assert s1_tts("batch", "lines.csv", "out", "--url", url, "--format", "flac").exit_code == 0
    assert {path.name for path in Path("out").glob("*.flac")} == {"a.flac", "b.flac"}
    voices = {tensor_of(request, "voice").item() for request in service.requests if tensor_of(request, "voice")}
    assert voices == {b"anna"}
    with Path("out/batch.jsonl").open("a", encoding="utf-8") as journal:
        journal.write('{"name": "a", "dig')  # an interruption cut it off
    Path("lines.csv").write_text("id,text,voice\na,One!,\nb,Two.,anna\n", encoding="utf-8")
    service.requests.clear()
    assert s1_tts("batch", "lines.csv", "out", "--url", url, "--format", "flac").exit_code == 0
    assert said(service) == {"One!"}
    assert "0 said, 2 were there" in s1_tts("batch", "lines.csv", "out", "--url", url, "--format", "flac").stdout


def test_a_batch_that_is_interrupted_goes_on_later(s1_tts, serve: Serve) -> None:
    async def model(request) -> AsyncIterator[Chunk]:
        if b"slow" in tensor_of(request, "text").item() and not is_quick.is_set():
            await asyncio.Event().wait()
        yield Chunk(0, is_last=True, samples=SOUND)

    is_quick = threading.Event()
    url, _ = serve(model)
    Path("lines.txt").write_text("One.\nTwo, slow.\n", encoding="utf-8")
    # a test run in the background ignores this signal, and its children would as well
    restore = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{restore}; from s1_client.cli import app; app()"
    command = [sys.executable, "-c", code, "batch", "lines.txt", "out", "--url", url]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while not Path("out/0001.wav").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted; the same command goes on" in errors.decode()
    is_quick.set()
    assert "1 said, 1 were there, 0 failed of 2" in s1_tts("batch", "lines.txt", "out", "--url", url).stdout


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"name\nx\n", "no column 'text'"),
        ("a.csv", b"id,text\nx,One\nx,Two\n", "comes twice"),
        ("a.csv", b"id,text\n../x,One\n", "no file name"),
        ("a.csv", b"id,text\nx,\ny\n", "has no text"),
        ("a.txt", b"\n", "has no text"),
        ("a.txt", b"caf\xe9\n", "is not UTF-8"),
    ],
)
def test_a_file_of_texts_that_cannot_be_used_is_told(s1_tts, name: str, content: bytes, message: str) -> None:
    Path(name).write_bytes(content)
    result = s1_tts("batch", name, "out")
    assert result.exit_code == 1
    assert message in result.stderr


def test_a_batch_without_a_server_ends_at_once(s1_tts) -> None:
    Path("lines.txt").write_text("One.\n" * 50, encoding="utf-8")
    result = s1_tts("batch", "lines.txt", "out", "--url", "localhost:1")
    assert result.exit_code == 3
    assert result.stderr.count("no server answers") == 1


def test_bench_prints_a_row_for_each_number_of_callers(s1_tts, serve: Serve) -> None:
    url, service = serve(TWO_CHUNKS)
    result = s1_tts("bench", "--url", url, "--callers", "1", "--callers", "3", "--rounds", "2")
    assert result.exit_code == 0, result.stderr
    assert "first audio ms" in result.stdout
    assert "\x1b" not in result.stdout
    assert len(service.requests) == 1 + 2 + 6


def test_bench_as_json_counts_failures(s1_tts, serve: Serve) -> None:
    url, _ = serve(playing(RefusalError(grpc.StatusCode.INTERNAL, "internal error 7")))
    result = s1_tts("bench", "--url", url, "--callers", "2", "--rounds", "1", "--json")
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)
    assert (row["callers"], row["requests"], row["refused"]) == (2, 2, 2)
    assert row["first_audio_ms_median"] is None


def test_doctor_tells_of_a_server_without_our_models(s1_tts, serve: Serve) -> None:
    url, _ = serve(TWO_CHUNKS)  # it answers, but has not our models and knows no tensors
    result = s1_tts("doctor", "--url", url, "--metrics-url", "http://localhost:1/metrics")
    assert result.exit_code == 1
    assert "ok     server: triton 2.0 at" in result.stdout
    assert "WRONG  s1_llama: not ready" in result.stdout
    assert "WRONG  tensors of s1_mini_stream" in result.stdout
    assert "note   engine: no metrics at http://localhost:1/metrics" in result.stdout
    assert "ok     speech: 0.02 s of audio" in result.stdout


def test_doctor_tells_which_models_are_still_loading(s1_tts, serve: Serve) -> None:
    url, service = serve(TWO_CHUNKS)
    service.ready = set(ModelName) - {ModelName.LLAMA}
    result = s1_tts("doctor", "--url", url, "--metrics-url", "http://localhost:1/metrics")
    assert result.exit_code == 1
    assert "ok     s1_codec: ready" in result.stdout
    assert "WRONG  s1_llama: not ready" in result.stdout
    assert "is loaded" in result.stdout


@pytest.mark.parametrize("url", ["http://localhost:8001", "localhost"])
def test_an_address_that_is_none_is_wrong_usage_in_one_line(s1_tts, url: str) -> None:
    result = s1_tts("doctor", "--url", url)
    assert result.exit_code == 2
    assert [line for line in result.stderr.splitlines() if "allowed: host and gRPC port" in line]


def test_a_probe_speaks_and_says_nothing_else(s1_tts, serve: Serve) -> None:
    url, _ = serve(TWO_CHUNKS)
    result = s1_tts("doctor", "--probe", "--url", url)
    assert (result.exit_code, result.stdout) == (0, "ok     speech: it speaks\n")


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (grpc.StatusCode.UNAVAILABLE, "the queue is full", 0),
        (grpc.StatusCode.UNAVAILABLE, "the server is shutting down", 3),
        (grpc.StatusCode.INTERNAL, "internal error 1", 3),
    ],
)
def test_a_probe_knows_a_busy_server_from_a_broken_one(
    s1_tts, serve: Serve, status: grpc.StatusCode, message: str, code: int
) -> None:
    url, _ = serve(playing(RefusalError(status, message)))
    assert s1_tts("doctor", "--probe", "--url", url).exit_code == code


def test_doctor_without_a_server_says_what_to_do(s1_tts) -> None:
    result = s1_tts("doctor", "--url", "localhost:1")
    assert result.exit_code == 3
    assert "WRONG  server: none answers at localhost:1" in result.stdout
    assert "make serve" in result.stdout


def test_the_library_is_light() -> None:
    code = "import s1_client, s1_client.cli, sys; print([m for m in ('torch', 'pipecat', 'boto3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


CUT = playing(Chunk(0, samples=SOUND[:400]), Chunk(1, True, SOUND[400:], is_cut=True))


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_speech_that_was_cut_ends_with_a_code_of_its_own(s1_tts, serve: Serve, flag: str, tmp_path: Path) -> None:
    url, _ = serve(CUT)
    result = s1_tts("say", "Hello.", "-o", "a.wav", "--url", url, flag, "--max-frames", "9")
    assert result.exit_code == 4
    assert "cut" in result.stderr
    assert len(soundfile.read(tmp_path / "a.wav")[0]) == len(SOUND)
    assert s1_tts("say", "Hello.", "-o", "a.wav", "--url", url, flag).exit_code == 1


def test_a_batch_counts_what_was_cut_as_not_said(s1_tts, serve: Serve, tmp_path: Path) -> None:
    url, _ = serve(CUT)
    (tmp_path / "lines.txt").write_text("Hello.\n")
    for _ in range(2):
        result = s1_tts("batch", "lines.txt", "out", "--url", url, "--max-frames", "9")
        assert result.exit_code == 4
        assert "0 said, 0 were there, 1 failed of 1" in result.stdout
        assert "0001: cut" in result.stderr
    assert (tmp_path / "out" / "0001.wav").exists()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("id,text\n1,Hello there, my friend.\n", "row 1 (line 2) has 3 columns beside 2"),
        ("id,text\n1\n", "row 1 (line 2) has 1 columns beside 2"),
        ("id,text\n1,\n", "row 1 (line 2) has no text"),
        ("id,txt\n1,Hello.\n", "has no column 'text'"),
        ("text,voise\nHello.,anna\n", "allowed: text, and perhaps id and voice"),
        ('id,text\n1,"Hello\n', "unexpected end of data"),
        ("i\0d\0,\0t\0e\0x\0t\0", "NUL"),
    ],
)
def test_rows_that_do_not_fit_are_refused_before_anything_is_said(
    s1_tts, tmp_path: Path, content: str, fault: str
) -> None:
    (tmp_path / "texts.csv").write_text(content)
    result = s1_tts("batch", "texts.csv", "out", "--url", "localhost:1")
    assert result.exit_code == 1
    assert fault in " ".join(result.stderr.split())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_of_every_usual_make_are_read_whole(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = f'ID{delimiter}Text\r\na{delimiter}"Hello, my; friend\u2028ünd more"\r\n\r\nb{delimiter}Bye.\r\n'
    data = text.encode("utf-16-le") if encoding == "utf-16-le-bom" else text.encode(encoding)
    path = tmp_path / "texts.csv"
    path.write_bytes(b"\xff\xfe" + data if encoding == "utf-16-le-bom" else data)
    assert [(item.name, item.text) for item in read_items(path)] == [
        ("a", "Hello, my; friend\u2028ünd more"),
        ("b", "Bye."),
    ]


def test_a_text_in_which_there_is_nothing_to_say_is_a_moment_of_silence(s1_tts, serve: Serve, tmp_path: Path) -> None:
    url, service = serve(TWO_CHUNKS)
    (tmp_path / "lines.txt").write_text("Great!\n😊\n...\n", encoding="utf-8")
    result = s1_tts("batch", "lines.txt", "out", "--url", url)
    assert result.exit_code == 0, result.stderr
    assert "3 said" in result.stdout
    assert len(service.requests) == 1
    assert not soundfile.read(tmp_path / "out" / "0002.wav")[0].any()
