"""The download script against a hub on the loopback: every way it can end, and what is left on disk."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from s1_tts.checkpoint_files import CHECKPOINT_FILES
from s1_tts.serving.download import PINNED_REVISION, REPOSITORY, REVISION_FILE

SCRIPT = Path(__file__).parents[2] / "scripts" / "download_checkpoint.py"
GOOD_TOKEN = "hf_good"
LARGE = {"model.pth", "codec.pth"}
NEWER_COMMIT = "b" * 40


def git_blob_id(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@dataclass
class Hub:
    """What the hub holds and how it behaves.

    ``breaks_at`` ends the first answer for a file early; ``stalls_at`` sends that much and then waits.
    """

    files: dict[str, bytes]
    commits: dict[str, str] = field(
        default_factory=lambda: {PINNED_REVISION: PINNED_REVISION, "main": NEWER_COMMIT, NEWER_COMMIT: NEWER_COMMIT}
    )
    is_gated: bool = False
    is_redirecting: bool = False
    damaged: set[str] = field(default_factory=set)
    claimed_sizes: dict[str, int] = field(default_factory=dict)
    breaks_at: dict[str, int] = field(default_factory=dict)
    stalls_at: dict[str, int] = field(default_factory=dict)
    stalled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    def ranges(self, name: str) -> list[str | None]:
        """``Range`` of each request for a file's content."""
        return [headers.get("range") for method, path, headers in self.requests if method == "GET" and name in path]

    def describe(self, commit: str) -> dict[str, object]:
        siblings = []
        for name, data in self.files.items():
            size = self.claimed_sizes.get(name, len(data))
            lfs = {"size": size, "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}
            about = {"rfilename": name, "size": size, "blobId": git_blob_id(data)}
            siblings.append(about | ({"lfs": lfs} if name in LARGE else {}))
        return {"id": REPOSITORY, "sha": commit, "siblings": siblings, "tags": [], "downloads": 0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append((self.command, path, headers))
        if found := re.fullmatch(rf"/api/models/{REPOSITORY}/revision/(.+)", path):
            self.answer_about(found[1], headers)
        elif found := re.fullmatch(rf"/{REPOSITORY}/resolve/(\w+)/(.+)", path):
            self.answer_resolve(found[2], headers)
        elif path.startswith("/cdn/"):
            self.send_file(path.removeprefix("/cdn/"), headers)
        else:
            self.refuse(404, "EntryNotFound")

    def answer_about(self, revision: str, headers: dict[str, str]) -> None:
        if headers.get("authorization") != f"Bearer {GOOD_TOKEN}":
            self.refuse(401, None, "Invalid credentials in Authorization header")
        elif revision not in self.hub.commits:
            self.refuse(404, "RevisionNotFound")
        else:
            body = json.dumps(self.hub.describe(self.hub.commits[revision])).encode()
            self.send(200, body, {"Content-Type": "application/json"})

    def answer_resolve(self, name: str, headers: dict[str, str]) -> None:
        if self.hub.is_gated:
            self.refuse(403, "GatedRepo", "Access to this model is restricted")
        elif self.hub.is_redirecting:
            # another host name, as the hub's storage is
            self.send(302, b"", {"Location": f"http://localhost:{self.hub.port}/cdn/{name}"})
        else:
            self.send_file(name, headers)

    def send_file(self, name: str, headers: dict[str, str]) -> None:
        data = self.hub.files[name]
        if name in self.hub.damaged:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = int(headers["range"].removeprefix("bytes=").rstrip("-")) if "range" in headers else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if name in self.hub.breaks_at:
            self.wfile.write(data[start : self.hub.breaks_at.pop(name)])
            self.close_connection = True
        elif name in self.hub.stalls_at:
            self.wfile.write(data[start : self.hub.stalls_at.pop(name)])
            self.hub.stalled.set()
            self.hub.ended.wait()
        else:
            self.wfile.write(data[start:])

    def refuse(self, status: int, code: str | None, message: str = "no") -> None:
        self.send(status, b"{}", {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {}))

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    """What the hub holds. The library hands data on in pieces of 10 MB, so one file is larger than two of them."""
    chance = random.Random(0)
    sizes = {"model.pth": 24_000_000, "tokenizer.tiktoken": 50_000, "codec.pth": 300_000}
    return {name: chance.randbytes(sizes.get(name, 1_000)) for name in [*CHECKPOINT_FILES, "README.md"]}


@pytest.fixture
def hub(contents: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(dict(contents))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    hub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield hub
    hub.ended.set()
    server.shutdown()
    thread.join()
    server.server_close()


def command_and_environment(
    folder: Path, port: int, token: str | None, *arguments: str
) -> tuple[list[str], dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(("HF_", "HTTP"))}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(folder.parent / "home")}
    # the last one has the progress bar shown without a terminal
    environment |= {"NO_PROXY": "*", "TQDM_POSITION": "-1"} | ({"HF_TOKEN": token} if token else {})
    return [sys.executable, str(SCRIPT), str(folder), *arguments], environment


def download(
    folder: Path, hub: Hub, *arguments: str, token: str | None = GOOD_TOKEN, port: int | None = None
) -> subprocess.CompletedProcess[str]:
    command, environment = command_and_environment(folder, port or hub.port, token, *arguments)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def assert_whole(folder: Path, hub: Hub, commit: str = PINNED_REVISION) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted([*CHECKPOINT_FILES, REVISION_FILE])
    for name in CHECKPOINT_FILES:
        assert (folder / name).read_bytes() == hub.files[name], name
    assert (folder / REVISION_FILE).read_text() == f"{commit}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


def test_a_good_token_fetches_and_verifies_every_file(hub: Hub, folder: Path) -> None:
    done = download(folder, hub)
    assert done.returncode == 0, done.stderr
    assert_whole(folder, hub)
    assert "gated" in done.stdout
    assert "CC-BY-NC-SA-4.0" in done.stdout
    assert f"https://huggingface.co/{REPOSITORY}" in done.stdout
    assert "model.pth" in done.stderr, "a progress bar names the file"


def test_what_is_there_and_right_is_not_fetched_again(hub: Hub, folder: Path) -> None:
    download(folder, hub)
    (folder / "codec.pth").write_bytes(b"x" * len(hub.files["codec.pth"]))
    hub.requests.clear()
    done = download(folder, hub)
    assert done.returncode == 0, done.stderr
    assert_whole(folder, hub)
    assert [path.rpartition("/")[2] for _, path, _ in hub.requests if "/resolve/" in path] == ["codec.pth"]
    assert "model.pth: already here, verified" in done.stdout


def test_the_pinned_revision_is_the_default_and_a_branch_is_resolved(hub: Hub, folder: Path) -> None:
    done = download(folder, hub, "--revision", "main")
    assert done.returncode == 0, done.stderr
    assert_whole(folder, hub, NEWER_COMMIT)
    assert all(f"/resolve/{NEWER_COMMIT}/" in path for _, path, _ in hub.requests if "/resolve/" in path)


def test_the_servers_command_can_fetch_and_serve_nothing(hub: Hub, folder: Path) -> None:
    """What the Job of the Helm chart runs, with the token in a file; a second run asks nobody."""
    _, environment = command_and_environment(folder, hub.port, token=None)
    (folder.parent / "token").write_text(f"{GOOD_TOKEN}\n")
    environment |= {"S1_CHECKPOINT": str(folder), "HF_TOKEN_PATH": str(folder.parent / "token")}
    command = [sys.executable, str(SCRIPT.parent / "serve.py"), "--download-only"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_whole(folder, hub)
    hub.requests.clear()
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    assert hub.requests == []


def test_the_token_is_not_sent_to_the_storage_host(hub: Hub, folder: Path) -> None:
    hub.is_redirecting = True
    done = download(folder, hub)
    assert done.returncode == 0, done.stderr
    assert_whole(folder, hub)
    stored = [headers for _, path, headers in hub.requests if path.startswith("/cdn/")]
    assert len(stored) == len(CHECKPOINT_FILES)
    assert not any("authorization" in headers for headers in stored)


def test_without_a_token_it_says_how_to_get_one(hub: Hub, folder: Path) -> None:
    done = download(folder, hub, token=None)
    assert done.returncode == 1
    assert "no Hugging Face token was found" in done.stderr
    assert "hf auth login" in done.stderr
    assert not hub.requests
    assert not folder.exists()


@pytest.mark.parametrize(
    ("change", "token", "arguments", "message"),
    [
        ({"is_gated": True}, GOOD_TOKEN, (), "refuses this token the files.*accept the terms at https://"),
        ({}, "hf_bad", (), r"refuses this token the files \(401\)"),
        ({}, GOOD_TOKEN, ("--revision", "nowhere"), "has no revision nowhere"),
        ({"claimed_sizes": {"model.pth": 10**16}}, GOOD_TOKEN, (), "has room for .* GB and 10000000.* GB are still"),
    ],
    ids=["gated", "wrong token", "no such revision", "disk too small"],
)
def test_a_refusal_says_why_and_leaves_no_revision(
    hub: Hub, folder: Path, change: dict[str, object], token: str, arguments: tuple[str, ...], message: str
) -> None:
    for name, value in change.items():
        setattr(hub, name, value)
    done = download(folder, hub, *arguments, token=token)
    assert done.returncode == 1
    assert re.search(f"error: .*{message}", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / REVISION_FILE).exists()


def test_a_file_the_hub_lacks_is_named(hub: Hub, folder: Path) -> None:
    del hub.files["codec.pth"]
    done = download(folder, hub)
    assert done.returncode == 1
    assert "lacks codec.pth" in done.stderr


def test_no_network_is_told(hub: Hub, folder: Path) -> None:
    done = download(folder, hub, port=1)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_connection_is_taken_up_where_it_broke(hub: Hub, folder: Path) -> None:
    hub.breaks_at["model.pth"] = 22_000_000
    done = download(folder, hub)
    assert done.returncode == 0, done.stderr
    assert_whole(folder, hub)
    first, second = hub.ranges("model.pth")
    assert first is None
    assert second is not None


def test_an_interrupted_download_goes_on_at_the_next_start(hub: Hub, folder: Path) -> None:
    hub.stalls_at["model.pth"] = 22_000_000
    command, environment = command_and_environment(folder, hub.port, GOOD_TOKEN)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        hub.stalled.wait()
        wait_for_a_piece(folder)
        first.send_signal(signal.SIGTERM)  # SIGINT is ignored in whatever a shell runs in the background
        _, said = first.communicate()
    assert first.returncode == 130
    assert "run the same command again" in said
    assert not (folder / REVISION_FILE).exists()
    done = download(folder, hub)
    assert done.returncode == 0, done.stderr
    assert_whole(folder, hub)
    assert hub.ranges("model.pth")[-1] not in {None, "bytes=0-"}


def wait_for_a_piece(folder: Path) -> None:
    """Wait until a piece of the large file is on disk."""
    while not any(piece.stat().st_size for piece in folder.glob(".model.pth.*.part")):
        time.sleep(0.01)


def test_a_damaged_file_is_found_and_fetched_anew_the_next_time(hub: Hub, folder: Path) -> None:
    hub.damaged.add("codec.pth")
    done = download(folder, hub)
    assert done.returncode == 1
    assert "codec.pth came damaged" in done.stderr
    assert not (folder / "codec.pth").exists()
    assert not (folder / REVISION_FILE).exists()
    hub.damaged.clear()
    assert download(folder, hub).returncode == 0
    assert_whole(folder, hub)
