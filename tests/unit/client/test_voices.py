"""Voices in a store from a client's installation: without torch, and with plain words when something is missing."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from s1_client import server_voices
from s1_client.cli import app
from s1_client.client import AsyncS1Client
from s1_client.errors import S1ClientError
from tests.unit.client.kserve import KServe, serving
from tests.unit.client.test_delivery import endless

PROGRAM = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
from s1_client.errors import S1ClientError
from s1_client.voices import StoreVoices
try:
    print(StoreVoices({location!r}).list())
except S1ClientError as error:
    print(error)
print("torch" in sys.modules)
"""


def run(location: str, missing: tuple[str, ...] = ()) -> list[str]:
    program = PROGRAM.format(location=location, missing=missing)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_store_is_used_without_torch(tmp_path: Path) -> None:
    assert run(str(tmp_path), missing=("boto3",)) == ["[]", "False"]


@pytest.mark.slow
def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    assert run(str(tmp_path), missing=("soxr",))[0] == "soxr is not installed: pip install 's1-tts[server]'"
    assert run("s3://bucket", missing=("boto3",))[0] == "s3://bucket needs boto3: pip install 's1-tts[s3]'"
    assert "is no store" in run("gs://bucket")[0]


@pytest.mark.parametrize(("metadata", "fault"), [("{", "is no JSON"), ("[1]", "is no JSON object")])
def test_metadata_that_is_no_object_is_wrong_usage(tmp_path: Path, metadata: str, fault: str) -> None:
    arguments = [
        "voices",
        "add",
        "anna",
        "--audio",
        str(tmp_path / "a.wav"),
        "--text",
        "Hello.",
        "--metadata",
        metadata,
    ]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
    assert result.exit_code == 2
    assert fault in result.stderr


async def test_a_server_that_answers_nothing_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_voices, "ANSWER_TIMEOUT_S", 0.3)
    service = KServe(endless)
    async with serving(service) as url, AsyncS1Client(url) as client:
        for call in (client.voices.list(), client.voices.show("anna"), client.voices.remove("anna")):
            with pytest.raises(S1ClientError):
                await call
