"""``s1-tts say`` writes the file and tells the times; every failure has its message and exit code."""

from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from s1_client.cli import app
from tests.unit.client.conftest import Serve
from tests.unit.client.kserve import Chunk, RefusalError, playing, tensor_of

SOUND = np.arange(-500, 500, dtype=np.int16)
TWO_CHUNKS = playing(Chunk(0, samples=SOUND[:400]), Chunk(1, True, SOUND[400:]))


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments, **options: CliRunner().invoke(app, ["say", *arguments], **options)


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_the_file_holds_the_samples_and_the_times_are_told(say, serve: Serve, flag: str) -> None:
    url, _ = serve(TWO_CHUNKS)
    result = say("Hello.", "-o", "out.wav", "--url", url, flag)
    assert result.exit_code == 0, result.output
    samples, rate_hz = soundfile.read("out.wav", dtype="int16")
    np.testing.assert_array_equal(samples, SOUND)
    assert rate_hz == 44_100
    assert result.stdout.startswith("out.wav: 0.02 s of audio, ")
    assert "wall time / audio time" in result.stdout
    assert ("2 chunk(s), first audio after" in result.stdout) is (flag == "--stream")


def test_piped_output_is_one_plain_line(say, serve: Serve) -> None:
    url, _ = serve(TWO_CHUNKS)
    result = say("Hello.", "-o", "out.wav", "--url", url)
    assert "\x1b" not in result.output
    assert result.stdout.count("\n") == 1
    assert result.stderr.strip() == ""


def test_flac_by_its_ending(say, serve: Serve) -> None:
    url, _ = serve(TWO_CHUNKS)
    assert say("Hello.", "-o", "out.flac", "--url", url).exit_code == 0
    assert soundfile.info("out.flac").format == "FLAC"


def test_text_from_standard_input(say, serve: Serve) -> None:
    url, service = serve(TWO_CHUNKS)
    assert say("-", "-o", "out.wav", "--url", url, input="Grüße\n".encode()).exit_code == 0
    assert tensor_of(service.requests[0], "text").item().decode() == "Grüße\n"


def test_every_option_is_sent(say, serve: Serve) -> None:
    url, service = serve(TWO_CHUNKS)
    options = "--seed 3 --temperature 0.5 --top-p 0.25 --repetition-penalty 1.5 --max-frames 9 --chunk-frames 4"
    result = say(
        "Hi",
        "-o",
        "o.wav",
        "--url",
        url,
        *options.split(),
        "--service",
        "call",
        "--deadline-ms",
        "800",
        "--no-normalize",
    )
    assert result.exit_code == 0, result.output
    sent = {tensor.name: tensor_of(service.requests[0], tensor.name).item() for tensor in service.requests[0].inputs}
    assert sent == {
        "text": b"Hi",
        "seed": 3,
        "temperature": 0.5,
        "top_p": 0.25,
        "repetition_penalty": 1.5,
        "max_frames": 9,
        "chunk_frames": 4,
        "service": b"call",
        "deadline_ms": 800,
        "normalize": False,
    }


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_a_refusal_is_told_in_the_servers_words(say, serve: Serve, flag: str) -> None:
    url, _ = serve(playing(RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "text: is empty; allowed: [UTF-8] text")))
    result = say(" ", "-o", "out.wav", "--url", url, flag)
    assert result.exit_code == 1
    assert "error: text: is empty; allowed: [UTF-8] text" in result.stderr
    assert not Path("out.wav").exists()


def test_a_broken_stream_writes_no_file(say, serve: Serve) -> None:
    url, _ = serve(playing(Chunk(0)))
    result = say("Hello.", "-o", "out.wav", "--url", url)
    assert result.exit_code == 1
    assert "ended after 1 chunk(s)" in result.stderr
    assert not Path("out.wav").exists()


def test_no_server_has_an_exit_code_of_its_own(say) -> None:
    result = say("Hello.", "-o", "out.wav", "--url", "127.0.0.1:1")
    assert result.exit_code == 3
    assert "no server answers at 127.0.0.1:1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "out.txt"), "names no audio format"),
        (("-o", "nowhere/out.wav"), "does not exist"),
        ((), "--output"),
        (("-o", "out.wav", "--service", "fax"), "fax"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(say, arguments: tuple[str, ...], message: str) -> None:
    result = say("Hello.", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_file_that_cannot_be_written_is_told(say, serve: Serve) -> None:
    url, _ = serve(TWO_CHUNKS)
    Path("out.wav").mkdir()
    result = say("Hello.", "-o", "out.wav", "--url", url)
    assert result.exit_code == 1
    assert "Is a directory" in result.stderr
