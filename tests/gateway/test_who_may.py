"""Tokens and their scopes: who is let in, and that no log tells a token."""

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path

import httpx2
import openai
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from s1_gateway.auth import Tokens, hash_token
from s1_gateway.settings import Settings, SettingsError
from tests.gateway.callers import TEXT, TOKENS, ask
from tests.gateway.hearing import assert_said, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until


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
