"""A server that is stopped is waited for until its codec has made all sound."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from s1_tts.serving import drain_caller
from s1_tts.serving.drain_caller import NUM_QUIET, wait_until_spoken

PAGE = """\
# TYPE s1_codec_active_streams gauge
s1_codec_active_streams{{model="s1_codec",version="1"}} {streams}
s1_codec_chunks_total{{model="s1_codec",version="1"}} 9
s1_codec_waiting_chunks{{model="s1_codec",version="1"}} {waiting}
"""


@contextmanager
def showing(*pages: tuple[str, str]) -> Iterator[tuple[str, list[int]]]:
    """Serve pages one after the other, the last one again and again; gives where, and a list as long as the looks."""
    looks: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            streams, waiting = pages[min(len(looks), len(pages) - 1)]
            looks.append(len(looks))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PAGE.format(streams=streams, waiting=waiting).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}", looks
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_caller, "LOOK_S", 0.01)


def test_it_waits_until_no_stream_and_no_chunk_is_left() -> None:
    with showing(("3", "2"), ("1", "0"), ("0", "1"), ("0", "0")) as (host, looks):
        wait_until_spoken(host, 60)
    assert len(looks) == 3 + NUM_QUIET


def test_one_quiet_look_is_not_enough() -> None:
    """A chunk may be on its way between the models."""
    with showing(("0", "0"), ("1", "0"), ("0.0", "0")) as (host, looks):
        wait_until_spoken(host, 60)
    assert len(looks) == 2 + NUM_QUIET


def test_it_does_not_wait_for_ever() -> None:
    with showing(("10", "0")) as (host, looks):
        wait_until_spoken(host, 0.2)
    assert looks


def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    with showing(("1", "1")) as (host, _):
        pass
    wait_until_spoken(host, 60)
