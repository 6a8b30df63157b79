"""The documentation on a real server: its commands do what they say, its metrics and errors are the server's.

A page's blocks run in their order in a folder that looks like the repository, each as a reader would run it, with the
ports of the tests' server in place of the default ones, and with a bound on the length of the speech.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s1_client import Speech
from s1_tts.serving.server import TritonServer
from tests.doc_commands import simple_commands
from tests.doc_pages import PAGES, ROOT, Block, blocks_of, tables_under
from tests.triton.callers import post_json, request_http

API = ROOT / "docs" / "api.md"
RUN_ELSEWHERE = {
    "make demo": ("tests/unit/client/test_demo.py", "scripts/demo.py"),
    "make serve": ("tests/triton/script.py", "scripts/serve.py"),
    "make up": ("tests/gateway/test_real.py", "scripts/up.py"),
    "make test": (".ci/run", "pytest"),
    "make lint": (".ci/run", "ruff"),
}
"""What other tests run: which ones, and what make starts."""

OF_THE_GATEWAY = (ROOT / "docs" / "gateway.md", ROOT / "docs" / "moving_from_fish.md")
"""Their blocks are run by tests/gateway/test_docs.py, with a gateway."""

LINES = "text,id,voice\nOne.,one,\nTwo.,two,\n"


@pytest.fixture(scope="module")
def folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the repository after ``make demo``, with what the pages' readers have."""
    folder = tmp_path_factory.mktemp("docs")
    folders = ("client", "deploy", "docs", "model_repository", "perf", "scripts", "src")
    for name in (*folders, "Makefile", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "checkpoints").mkdir()
    for name in ("dev-tiny", "openaudio-s1-mini"):
        (folder / "checkpoints" / name).symlink_to(checkpoint)
    (folder / "checkpoints" / "demo-voice").symlink_to(ROOT / "checkpoints" / "demo-voice")
    (folder / ".curlrc").write_text(
        "fail-with-body\n", encoding="utf-8"
    )  # else it ends with 0 whatever the server says
    (folder / "lines.csv").write_text(LINES, encoding="utf-8")
    tone = Speech((np.sin(np.arange(2 * 44_100) / 40) * 9000).astype(np.int16), 44_100)
    tone.save(folder / "anna.wav")
    return folder


CUT_IS_FINE = 'cut_is_fine() { "$@" || [ $? -eq 4 ]; }\n'
"""A command that was given less to say than its text ends with this code."""


def adapted(text: str, server: TritonServer) -> str:
    """A block with the ports of the tests' server, and with less to say."""
    ports = {"8000": server.ports.http, "8001": server.ports.grpc, "8002": server.ports.metrics}
    text = re.sub(r"\blocalhost:(800[012])\b", lambda found: f"127.0.0.1:{ports[found[1]]}", text)
    text = re.sub(r"s1-tts (say|batch) ", r"s1-tts \1 --max-frames 20 ", text)
    text = re.sub(r"(?:^|(?<=\| ))(?=\S*s1-tts (?:say|batch) )", "cut_is_fine ", text, flags=re.MULTILINE)
    text = text.replace("SpeechOptions(", "SpeechOptions(max_frames=20, ")
    # It looks for the metrics on the default port, wherever the rest of the server is.
    return text.replace("s1-tts doctor", f"s1-tts doctor --metrics-url http://127.0.0.1:{server.ports.metrics}/metrics")


def run(block: Block, folder: Path, server: TritonServer) -> str:
    """Run a block to its end; gives what it prints."""
    program = ["bash", "-euo", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-c"]
    environment = {**os.environ, "PATH": f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"}
    environment |= {"S1_URL": f"127.0.0.1:{server.ports.grpc}", "CURL_HOME": str(folder)}
    done = subprocess.run(
        [*program, (CUT_IS_FINE if block.language == "sh" else "") + adapted(block.text, server)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{block}: {done.stdout}\n{done.stderr}"
    return done.stdout


def is_run_elsewhere(block: Block) -> bool:
    commands = [" ".join(words) for words in simple_commands(block.text)]
    return all(command in RUN_ELSEWHERE for command in commands) if block.language == "sh" else False


def is_to_be_run(block: Block) -> bool:
    return block.language in ("sh", "python") and not block.is_marked and not is_run_elsewhere(block)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page not in OF_THE_GATEWAY and any(map(is_to_be_run, blocks_of(page)))],
    ids=lambda page: page.name,
)
def test_commands_of_a_page_run(page: Path, folder: Path, server: TritonServer) -> None:
    for block in filter(is_to_be_run, blocks_of(page)):
        run(block, folder, server)
    for sound in (*folder.glob("*.wav"), *folder.glob("*.mp3"), *folder.glob("*.flac"), *folder.glob("out/*.flac")):
        assert soundfile.info(sound).frames > 0
    for sound in folder.glob("*.pcm"):
        assert sound.stat().st_size > 0


@pytest.mark.parametrize("command", RUN_ELSEWHERE)
def test_what_is_run_elsewhere_is(command: str) -> None:
    make = shutil.which("make")
    assert make is not None
    planned = subprocess.run(
        [make, "--dry-run", *command.split()[1:], f"PYTHON={sys.executable}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    where, started = RUN_ELSEWHERE[command]
    assert started in planned.stdout
    test = (ROOT / where).read_text(encoding="utf-8")
    assert (command if where == ".ci/run" else Path(started).name) in test


# the page about the API


def exported_metrics(server: TritonServer) -> list[tuple[str, ...]]:
    """Rows of the page's table, as the server's metrics have them."""
    text = request_http(server.ports.metrics, "GET", "/metrics").body.decode()
    kinds = dict(re.findall(r"^# TYPE (s1_\w+) (\w+)$", text, flags=re.MULTILINE))
    meanings = dict(re.findall(r"^# HELP (s1_\w+) (.*)$", text, flags=re.MULTILINE))
    return [(f"`{name}`", kinds[name], labels_of(name, text), meanings[name]) for name in sorted(kinds)]


def labels_of(name: str, text: str) -> str:
    """Labels of a metric and their values; of ``s1_server_info`` the labels alone: each server has other values."""
    samples = "\n".join(re.findall(rf"^{name}(?:_bucket)?\{{(.*)\}} ", text, flags=re.MULTILINE))
    values: dict[str, set[str]] = {}
    for label, value in re.findall(r'(\w+)="([^"]*)"', samples):
        values.setdefault(label, set()).add(value)
    values.pop("le", None)
    if name == "s1_server_info":
        return ", ".join(f"`{label}`" for label in sorted(values))
    return "; ".join(f"`{label}`: {', '.join(sorted(values[label]))}" for label in sorted(values))


def test_every_metric_is_listed_as_the_server_has_it_and_no_other(server: TritonServer) -> None:
    (table,) = tables_under(API, "Metrics")
    assert table == exported_metrics(server)


REFUSED = {
    "INVALID_ARG": {"name": "top_p", "shape": [1, 1], "datatype": "FP32", "data": [9]},
    "NOT_FOUND": {"name": "voice", "shape": [1, 1], "datatype": "BYTES", "data": ["nobody"]},
    "UNAVAILABLE": {"name": "deadline_ms", "shape": [1, 1], "datatype": "INT32", "data": [1]},
}


@pytest.mark.parametrize("code", REFUSED)
def test_statuses_of_errors_are_the_servers(code: str, server: TritonServer) -> None:
    codes, _ = tables_under(API, "Errors")
    ((_, of_infer, of_generate, *_),) = [row for row in codes if row[0] == f"`{code}`"]
    warm = post_json(server.ports.http, "/v2/models/s1_mini/generate", {"text": "Hello.", "max_frames": 4})
    assert warm.status == 200  # the engine must have measured itself before it refuses a deadline
    field = REFUSED[code]
    text = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["Hello."]}
    answer = post_json(server.ports.http, "/v2/models/s1_mini/infer", {"inputs": [text, field]})
    assert str(answer.status) == of_infer
    plain = {"text": "Hello.", field["name"]: field["data"][0] if code != "INVALID_ARG" else 9.0}
    assert str(post_json(server.ports.http, "/v2/models/s1_mini/generate", plain).status) == of_generate
