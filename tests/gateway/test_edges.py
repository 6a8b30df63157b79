"""Origins, sizes, times and TLS: what a connection may be, whoever it is of."""

import contextlib
import json
import socket as sockets
import ssl
import subprocess
import time
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from tests.gateway.callers import LONG_TEXT, TEXT
from tests.gateway.running import running_gateway, until


def test_pages_of_other_origins_are_refused_and_of_our_own_and_allowed_ones_are_not(gateway, shared_stand_in):
    body = {"model": "m", "voice": "alloy", "input": TEXT}
    for origin, status in (("https://evil.example", 403), (gateway.url, 200), ("null", 403)):
        answer = httpx2.post(f"{gateway.url}/v1/audio/speech", json=body, headers={"origin": origin})
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers
    with running_gateway(shared_stand_in[1], cors_origins="https://good.example") as other:
        good = {"origin": "https://good.example"}
        answer = httpx2.post(f"{other.url}/v1/audio/speech", json=body, headers=good)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://good.example"
        # the last one stands for a dozen that OpenAI's and Cartesia's JavaScript SDKs send from a page too
        sent = "authorization,content-type,cartesia-version,x-stainless-os"
        asked = {"access-control-request-method": "POST", "access-control-request-headers": sent}
        assert httpx2.options(f"{other.url}/v1/audio/speech", headers=good | asked).status_code == 200
        evil = {"origin": "https://evil.example"}
        assert httpx2.options(f"{other.url}/v1/audio/speech", headers=evil | asked).status_code == 400


def test_head_is_answered_where_get_is(gateway):
    for path in ("/healthz", "/v1/models", "/", "/page/main.js"):
        answer, whole = httpx2.head(gateway.url + path), httpx2.get(gateway.url + path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == str(len(whole.content))
    assert httpx2.head(f"{gateway.url}/v1/audio/speech").status_code == 405
    assert httpx2.head(f"{gateway.url}/v1/models/nobody-made-it").status_code == 404


HTTP2_OFFER = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAEAAEAAAAIAAAAA"}
"""Of Java's client, and of curl --http2."""


def test_an_offer_of_http2_is_ignored_and_the_body_is_read(gateway):
    url, body = f"{gateway.url}/v1/audio/speech", {"model": "m", "voice": "alloy", "input": TEXT}
    with httpx2.Client() as client:
        plain = client.post(url, json=body)
        offers = [client.post(url, json=body, headers=HTTP2_OFFER) for _ in range(2)]
        in_chunks = client.post(url, content=iter([json.dumps(body).encode()]), headers=HTTP2_OFFER)
        listed = client.get(f"{gateway.url}/v1/models", headers=HTTP2_OFFER)
        other = client.post(url, json=body, headers={"connection": "close, Upgrade", "upgrade": "TLS/1.2"})
    assert plain.status_code == listed.status_code == 200
    assert [answer.content for answer in (*offers, in_chunks, other)] == [plain.content] * 4
    assert other.headers["connection"] == "close"


@pytest.mark.parametrize("piece", [1, 7, 100_000], ids="{} bytes at a time".format)
def test_an_offer_of_http2_may_come_in_pieces_and_requests_behind_each_other(gateway, piece):
    body = json.dumps({"model": "m", "voice": "alloy", "input": ""})
    offer = "".join(f"{name}: {value}\r\n" for name, value in HTTP2_OFFER.items())
    head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{offer}\r\n"
    last = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    sent = f"{2 * (head + body)}{last}".encode()
    with sockets.create_connection(gateway.address.split(":")) as connection:
        for start in range(0, len(sent), piece):
            connection.sendall(sent[start : start + piece])
        came = b"".join(iter(lambda: connection.recv(65536), b""))
    assert came.count(b"HTTP/1.1 400 ") == came.count(b"input: got nothing to say") == 2
    assert came.count(b"HTTP/1.1 200 ") == 1


async def test_sockets_of_other_origins_are_refused(gateway):
    with pytest.raises(InvalidStatus) as refused:
        await connect(gateway.socket_url + "/ws/tts", origin="https://evil.example")
    assert refused.value.response.status_code == 403
    async with connect(gateway.socket_url + "/ws/tts", origin=gateway.url):
        pass


def test_a_body_that_is_too_large_is_refused_before_it_is_read(shared_stand_in):
    with running_gateway(shared_stand_in[1], max_body_bytes=2000) as gateway:
        url = f"{gateway.url}/v1/audio/speech"
        body = json.dumps({"model": "m", "voice": "alloy", "input": "x" * 2000})
        declared = httpx2.post(url, content=body)
        in_chunks = httpx2.post(url, content=iter([body[:1000].encode(), body[1000:].encode()]))
        files = {"audio_sample": ("a.wav", bytes(3000), "audio/wav")}
        form = httpx2.post(f"{gateway.url}/v1/audio/voices", data={"name": "a", "ref_text": "Hi."}, files=files)
        for answer in (declared, in_chunks, form):
            assert answer.status_code == 413
            assert "2000 bytes" in answer.json()["error"]["message"]


@pytest.mark.parametrize("head", [b"", b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\n"])
def test_half_a_request_is_not_waited_for(shared_stand_in, head):
    with running_gateway(shared_stand_in[1], handshake_s=0.3) as gateway:
        host, _, port = gateway.address.partition(":")
        with sockets.create_connection((host, int(port))) as connection:
            connection.sendall(head)
            connection.settimeout(20)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""


def test_half_a_body_is_not_waited_for(shared_stand_in):
    with running_gateway(shared_stand_in[1], handshake_s=0.3) as gateway:
        host, _, port = gateway.address.partition(":")
        with sockets.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
            connection.settimeout(20)
            assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_whoever_takes_nothing_of_a_body_of_sound_is_cut_off(shared_stand_in, stand_in):
    with running_gateway(shared_stand_in[1], send_s=0.5) as gateway:
        host, _, port = gateway.address.partition(":")
        connection = sockets.socket()
        connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        request = {"model": "m", "voice": "alloy", "input": LONG_TEXT, "response_format": "wav", "sample_rate": 48_000}
        body = json.dumps(request).encode()
        head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        until(lambda: gateway.num_open == 1)
        until(lambda: gateway.num_open == 0 and stand_in.num_open == 0)
        connection.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run(command, check=True, capture_output=True)
    return paths


def test_tls(shared_stand_in, certificate):
    path, key = certificate
    with running_gateway(shared_stand_in[1], tls_certificate=path, tls_key=key) as gateway:
        trusted = ssl.create_default_context(cafile=str(path))
        url = f"https://{gateway.address}/v1/models"
        assert httpx2.get(url, verify=trusted).status_code == 200
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(f"http://{gateway.address}/v1/models")


async def connect_in_time(url: str) -> ClientConnection:
    """Connect to a gateway that waits for a handshake no longer than a busy machine may take."""
    while True:
        with contextlib.suppress(OSError, InvalidMessage, ConnectionClosed, TimeoutError):
            return await connect(url)


async def test_a_socket_that_is_open_outlives_its_handshakes_limit(shared_stand_in):
    with running_gateway(shared_stand_in[1], handshake_s=0.2) as gateway:
        async with await connect_in_time(f"{gateway.socket_url}/ws/tts") as socket:
            begun_s = time.monotonic()
            while time.monotonic() - begun_s < 0.5:
                await socket.send(json.dumps({"text": "Hi."}))
                try:
                    await socket.recv()
                except ConnectionClosed as closed:
                    pytest.fail(f"it was closed: {closed}")
