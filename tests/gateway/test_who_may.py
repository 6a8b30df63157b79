"""Tokens, limits, origins, sizes and times: who is let in, and how far."""

import asyncio
import contextlib
import json
import logging
import socket as sockets
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import openai
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from s1_gateway.auth import Tokens, hash_token
from s1_gateway.settings import Settings, SettingsError
from tests.gateway.conftest import sdk_of
from tests.gateway.hearing import assert_said, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble
from tests.redis_server import running_redis

TEXT = "Hello there, this is what I have to say."
LONG_TEXT = TEXT * 5
TOKENS = {
    "full": "s1_full-token",
    "plain": "s1_plain-token",
    "few": "s1_few-token",
    "one": "s1_one-token",
    "short": "s1_short-token",
    "ops": "s1_ops-token",
    "jobs": "s1_jobs-token",
}
ENTRIES = "\n".join(
    [
        "# a comment",
        f"full {hash_token(TOKENS['full'])} scopes=speak,voices,jobs,metrics",
        f"plain {hash_token(TOKENS['plain'])}",
        f"few {hash_token(TOKENS['few'])} rpm=3",
        f"one {hash_token(TOKENS['one'])} streams=1",
        f"short {hash_token(TOKENS['short'])} cpd=100",
        f"jobs {hash_token(TOKENS['jobs'])} scopes=jobs rpm=3 cpd=100",
        f"ops {hash_token(TOKENS['ops'])} scopes=metrics",
    ]
)


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text(ENTRIES)
    return path


@pytest.fixture
def guarded(shared_stand_in: tuple[StandIn, str], stand_in: StandIn, tokens_file: Path) -> Iterator[RunningGateway]:
    with running_gateway(shared_stand_in[1], tokens_file=tokens_file) as gateway:
        yield gateway


def ask(gateway: RunningGateway, token: str, text: str = TEXT, **options) -> bytes:
    request = {"model": "m", "voice": "alloy", "input": text, "response_format": "pcm", **options}
    with sdk_of(gateway, token) as sdk:
        return sdk.audio.speech.create(**request).content


# tokens


def test_a_known_token_is_let_in(guarded):
    assert_said(hear_pcm(ask(guarded, TOKENS["plain"]), 24_000), TEXT)


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic abc"}])
def test_nobody_else_is(guarded, stand_in, header):
    body = {"model": "m", "voice": "alloy", "input": TEXT}
    answer = httpx2.post(f"{guarded.url}/v1/audio/speech", json=body, headers=header)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert stand_in.requests == []


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/s1-mini", "/v1/audio/voices", "/v1/audio/models", "/metrics"]
)
def test_lists_and_metrics_need_one_too_unless_they_are_open(guarded, shared_stand_in, tokens_file, path):
    assert httpx2.get(f"{guarded.url}{path}").status_code == 401
    with running_gateway(shared_stand_in[1], tokens_file=tokens_file, open_lists=True, open_metrics=True) as other:
        assert httpx2.get(f"{other.url}{path}").status_code == 200


def test_scopes(guarded):
    plain, ops, full = ({"authorization": f"Bearer {TOKENS[name]}"} for name in ("plain", "ops", "full"))
    assert httpx2.delete(f"{guarded.url}/v1/audio/voices/anna", headers=plain).status_code == 403
    assert httpx2.delete(f"{guarded.url}/v1/audio/voices/anna", headers=full).status_code == 404
    assert httpx2.get(f"{guarded.url}/metrics", headers=ops).status_code == 200
    assert httpx2.get(f"{guarded.url}/metrics", headers=plain).status_code == 403
    with pytest.raises(openai.PermissionDeniedError):
        ask(guarded, TOKENS["ops"])


async def test_a_socket_shows_its_token_as_header_key_or_in_its_address(guarded):
    url = guarded.socket_url + "/ws/tts"
    token = TOKENS["plain"]
    for address, headers in (
        (url, {"authorization": f"Bearer {token}"}),
        (url, {"x-api-key": token}),
        (f"{url}?token={token}", {}),
    ):
        async with connect(address, additional_headers=headers) as socket:
            await socket.send(json.dumps({"text": TEXT}))
            assert isinstance(await socket.recv(), bytes)
    with pytest.raises(InvalidStatus) as refused:
        await connect(url)
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "invalid_api_key"


def test_no_token_and_no_text_is_in_any_log(guarded, caplog):
    with caplog.at_level(logging.DEBUG, "s1_gateway"), caplog.at_level(logging.DEBUG, "uvicorn"):
        ask(guarded, TOKENS["plain"])
        with pytest.raises(openai.AuthenticationError):
            ask(guarded, "wrong-secret-token")
        asyncio.run(_open_with_query(guarded, TOKENS["plain"]))
        until(lambda: any('"kind": "websocket"' in message for message in caplog.messages))
    own = [record for record in caplog.records if record.name.startswith("s1_gateway")]
    lines = [json.loads(record.getMessage()) for record in own if record.name == "s1_gateway.access"]
    assert {"status": 200, "token": "plain"}.items() <= lines[0].items()
    assert {"status": 401, "reason": "invalid_api_key"}.items() <= lines[1].items()
    told = "\n".join(record.getMessage() for record in own)
    for secret in (TOKENS["plain"], "wrong-secret-token", TEXT, hash_token(TOKENS["plain"])):
        assert secret not in told
    # uvicorn writes addresses with their queries at INFO, which the command keeps off
    assert logging.getLogger("uvicorn.error").getEffectiveLevel() >= logging.DEBUG


async def _open_with_query(gateway: RunningGateway, token: str) -> None:
    async with connect(f"{gateway.socket_url}/ws/tts?token={token}"):
        pass


def test_the_command_keeps_addresses_with_tokens_out_of_its_log(shared_stand_in, tokens_file):
    environment = {"S1_GATEWAY_TOKENS_FILE": str(tokens_file), "S1_GATEWAY_SERVERS": shared_stand_in[1]}
    command = [Path(sys.executable).parent / "s1-gateway", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "ready on" in line:
                break
        address = lines[-1].rpartition("//")[2].strip()
        asyncio.run(_open_with_address(address, TOKENS["plain"]))
        process.terminate()
        lines += process.stderr.readlines()
        assert process.wait(20) == 0
    assert TOKENS["plain"] not in "".join(lines)
    assert any('"path": "/ws/tts"' in line for line in lines)


async def _open_with_address(address: str, token: str) -> None:
    async with connect(f"ws://{address}/ws/tts?token={token}") as socket:
        await socket.send("{")
        await socket.recv()


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("anna", "NAME sha256:"),
        ("anna plaintext", "NAME sha256:"),
        (f"anna {hash_token('a')} scopes=everything", "speak, voices, jobs, metrics"),
        (f"anna {hash_token('a')} rpm=0", "rpm=N"),
        (f"anna {hash_token('a')} color=red", "got an option 'color'"),
        ("# nothing", "no token"),
    ],
)
def test_entries_that_cannot_be_read_are_refused_at_the_start(entry, told):
    with pytest.raises(SettingsError) as refused:
        Tokens.load(Settings.load({}, tokens=entry))
    assert told in str(refused.value)
    assert "plaintext" not in str(refused.value)


def test_a_token_is_made_by_the_command():
    command = [Path(sys.executable).parent / "s1-gateway", "token", "anna"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    token = made.stderr.split()[-1]
    tokens = Tokens.load(Settings.load({}, tokens=made.stdout.strip()))
    assert tokens.find(token).name == "anna"


# limits


def test_requests_a_minute(guarded):
    for _ in range(3):
        ask(guarded, TOKENS["few"])
    with pytest.raises(openai.RateLimitError) as refused:
        ask(guarded, TOKENS["few"])
    assert refused.value.code == "rate_limited"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 2


def test_streams_at_once(guarded, stand_in):
    stand_in.speedup = 1.0
    request = {"model": "m", "voice": "alloy", "input": LONG_TEXT, "response_format": "pcm"}
    headers = {"authorization": f"Bearer {TOKENS['one']}"}
    with httpx2.stream("POST", f"{guarded.url}/v1/audio/speech", json=request, headers=headers) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        with pytest.raises(openai.RateLimitError):
            ask(guarded, TOKENS["one"])
    until(lambda: guarded.num_open == 0)
    stand_in.speedup = float("inf")
    ask(guarded, TOKENS["one"])


def test_characters_a_day_are_not_asked_again(guarded):
    ask(guarded, TOKENS["short"], "x" * 60)
    with pytest.raises(openai.RateLimitError) as refused:
        ask(guarded, TOKENS["short"], "x" * 60)
    assert refused.value.code == "quota_exceeded"
    assert refused.value.response.headers["x-should-retry"] == "false"
    ask(guarded, TOKENS["short"], "x" * 40)


def test_what_was_not_served_is_given_back(guarded):
    for _ in range(4):
        with pytest.raises(openai.InternalServerError):
            ask(guarded, TOKENS["few"], Trouble.INTERNAL)
    for _ in range(2):
        ask(guarded, TOKENS["few"])
    with pytest.raises(openai.BadRequestError):
        ask(guarded, TOKENS["few"], Trouble.INVALID)
    with pytest.raises(openai.RateLimitError):  # what was wrong counts as a request
        ask(guarded, TOKENS["few"])
    for trouble in (Trouble.INVALID, Trouble.INTERNAL, Trouble.INVALID):
        with pytest.raises(openai.APIStatusError):
            ask(guarded, TOKENS["short"], f"{trouble} {'x' * 60}")
    ask(guarded, TOKENS["short"], "x" * 100)
    with pytest.raises(openai.RateLimitError):
        ask(guarded, TOKENS["short"], "x")


async def test_pieces_of_a_text_that_was_not_said_are_given_back(guarded):
    address = f"{guarded.socket_url}/v1/audio/stream?token={TOKENS['short']}"
    async with connect(address) as socket:
        for text, end in ((f"{Trouble.INVALID} {'x' * 60}.", "error"), ("x" * 100, "done"), ("x", "error")):
            await socket.send(json.dumps({"text": text}))
            while isinstance(message := await socket.recv(), bytes):
                pass
            assert end in json.loads(message)


def test_a_job_that_is_asked_for_twice_is_counted_once(shared_stand_in, tokens_file, tmp_path):
    with (
        running_redis(tmp_path) as (_, url),
        running_gateway(shared_stand_in[1], tokens_file=tokens_file, redis_url=url) as gateway,
    ):

        def ask_for_job(text: str, key: str) -> int:
            headers = {"authorization": f"Bearer {TOKENS['jobs']}", "idempotency-key": key}
            return httpx2.post(f"{gateway.url}/v1/audio/speech/async", json={"text": text}, headers=headers).status_code

        assert [ask_for_job("x" * 60, "a") for _ in range(4)] == [202] * 4
        assert ask_for_job("y" * 30, "a") == 409
        assert ask_for_job("y" * 40, "b") == 202
        assert ask_for_job("z", "c") == 429


def test_several_gateways_count_together_in_a_redis(shared_stand_in, stand_in, tokens_file, tmp_path):
    with running_redis(tmp_path) as (redis, url), ExitStack() as stack:
        settings = {"tokens_file": tokens_file, "redis_url": url}
        gateways = [stack.enter_context(running_gateway(shared_stand_in[1], **settings)) for _ in range(2)]
        for index in range(3):
            ask(gateways[index % 2], TOKENS["few"])
        for gateway in gateways:
            with pytest.raises(openai.RateLimitError):
                ask(gateway, TOKENS["few"])
        ask(gateways[0], TOKENS["short"], "x" * 60)
        with pytest.raises(openai.RateLimitError) as refused:
            ask(gateways[1], TOKENS["short"], "x" * 60)
        assert refused.value.code == "quota_exceeded"
        redis.kill()
        redis.wait()
        with pytest.raises(openai.InternalServerError) as failed:
            ask(gateways[0], TOKENS["few"])
        assert failed.value.status_code == 503
        ask(gateways[0], TOKENS["plain"])  # who has no limit needs no count
        assert all(gateway.num_open == 0 for gateway in gateways)


def test_refused_requests_hold_nothing(guarded):
    for _ in range(5):
        with pytest.raises(openai.RateLimitError):
            ask(guarded, TOKENS["short"], "x" * 101)
    assert guarded.num_open == 0


def test_streams_of_all_callers(shared_stand_in, stand_in):
    stand_in.speedup = 1.0
    with running_gateway(shared_stand_in[1], max_streams=1) as gateway:
        request = {"model": "m", "voice": "alloy", "input": LONG_TEXT, "response_format": "pcm"}
        with httpx2.stream("POST", f"{gateway.url}/v1/audio/speech", json=request) as answer:
            pieces = answer.iter_bytes()
            next(pieces)
            with pytest.raises(openai.InternalServerError) as refused:
                ask(gateway, "any")
        assert refused.value.status_code == 503
        assert refused.value.response.headers["retry-after"] == "1"
        until(lambda: gateway.num_open == 0)


async def test_sockets_of_all_callers(shared_stand_in, stand_in):
    with running_gateway(shared_stand_in[1], max_sockets=1) as gateway:
        url = gateway.socket_url + "/ws/tts"
        async with connect(url):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url)
            assert refused.value.response.status_code == 503
        while True:
            try:
                async with connect(url):
                    break
            except InvalidStatus:
                await asyncio.sleep(0.01)


# pages


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
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        assert httpx2.options(f"{other.url}/v1/audio/speech", headers=good | asked).status_code == 200
        evil = {"origin": "https://evil.example"}
        assert httpx2.options(f"{other.url}/v1/audio/speech", headers=evil | asked).status_code == 400


async def test_sockets_of_other_origins_are_refused(gateway):
    with pytest.raises(InvalidStatus) as refused:
        await connect(gateway.socket_url + "/ws/tts", origin="https://evil.example")
    assert refused.value.response.status_code == 403
    async with connect(gateway.socket_url + "/ws/tts", origin=gateway.url):
        pass


# sizes and times


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


# TLS and settings


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


async def test_a_socket_that_is_open_outlives_its_handshakes_limit(shared_stand_in):
    with running_gateway(shared_stand_in[1], handshake_s=0.2) as gateway:
        async with connect(gateway.socket_url + "/ws/tts") as socket:
            begun_s = time.monotonic()
            while time.monotonic() - begun_s < 0.5:
                await socket.send(json.dumps({"text": "Hi."}))
                try:
                    await socket.recv()
                except ConnectionClosed as closed:
                    pytest.fail(f"it was closed: {closed}")
