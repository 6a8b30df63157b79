"""Limits: requests a minute, streams at once, characters a day, of one caller and of all."""

import asyncio
import json
from contextlib import ExitStack

import httpx2
import openai
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.gateway.callers import LONG_TEXT, TOKENS, ask
from tests.gateway.running import running_gateway, until
from tests.gateway.stand_in import Trouble
from tests.redis_server import running_redis


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
