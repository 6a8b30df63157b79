"""A client outlives its event loop and dead connections, and says so where it cannot: after a fork, behind a proxy."""

import asyncio
import subprocess
import sys

import pytest

from s1_client import AsyncS1Client, Delivery, Retry, S1Client, S1ClientError, SpeechOptions, StallError
from s1_client import connection as connections
from s1_client.address import is_local, proxy_variable
from s1_client.diagnosis import Diagnosis
from tests.dying import FORKED, wire_to
from tests.unit.client.conftest import Serve
from tests.unit.client.kserve import Chunk, KServe, in_turn, playing, serving, until

WHOLE = playing(Chunk(0), Chunk(1, True))


def test_a_client_made_without_a_loop_serves_one_loop_after_the_other(serve: Serve) -> None:
    url, _ = serve(WHOLE)
    client = AsyncS1Client(url)
    for _ in range(3):
        assert len(asyncio.run(client.speak("Hello.")).samples) == 8


def test_a_client_of_threads_waits_with_its_thread_until_it_is_used() -> None:
    with S1Client("localhost:1") as client:
        assert client.servers[0].num_open == 0


@pytest.mark.parametrize(("when", "in_child"), [("before", "8 samples"), ("after", "fork told")])
def test_a_fork_is_noticed_and_never_hangs(serve: Serve, when: str, in_child: str) -> None:
    url, _ = serve(WHOLE)
    command = [sys.executable, "-c", FORKED, url, when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [in_child] * 3 + ["child 0", "8 samples"]


async def test_after_a_stall_the_next_request_has_a_connection_of_its_own() -> None:
    delivery = Delivery(stall_timeout_s=1.0)
    async with (
        serving(KServe(WHOLE)) as url,
        wire_to(url) as (address, wire),
        AsyncS1Client(address, delivery=delivery) as client,
    ):
        assert len([chunk async for chunk in client.stream("Hello.")]) == 2
        wire.go_dead()
        with pytest.raises(StallError):
            _ = [chunk async for chunk in client.stream("Hello.")]
        assert len([chunk async for chunk in client.stream("Hello.")]) == 2
        assert wire.num_connections == 2


async def test_a_dead_connection_is_found_out_while_an_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"grpc.keepalive_time_ms": 1_000, "grpc.keepalive_timeout_ms": 500, "grpc.http2.ping_timeout_ms": 500}
    arguments = [(name, quick.get(name, value)) for name, value in connections.CHANNEL_ARGUMENTS]
    monkeypatch.setattr(connections, "CHANNEL_ARGUMENTS", arguments)
    never = asyncio.Event()
    service = KServe(in_turn(playing(never.wait()), playing(Chunk(0, True))))
    retry = Retry(max_attempts=1)
    async with (
        serving(service) as url,
        wire_to(url) as (address, wire),
        AsyncS1Client(address, retry=retry) as client,
    ):
        asking = asyncio.create_task(client.speak("Hello."))
        await until(lambda: bool(service.requests))
        wire.go_dead()
        async with asyncio.timeout(30):
            with pytest.raises(S1ClientError):
                await asking
        assert len((await client.speak("Hello.")).samples) == 4


def test_every_request_has_a_deadline_unless_it_is_taken_off() -> None:
    assert Delivery().deadline_s is not None
    assert Delivery(deadline_s=None).deadline_s is None


@pytest.mark.parametrize(
    ("url", "local"),
    [("localhost:1", True), ("127.0.0.9:1", True), ("[::1]:1", True), ("unix:/run/s", True), ("10.0.0.1:1", False)],
)
def test_addresses_of_this_machine_go_straight(url: str, local: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert is_local(url) is local
    assert proxy_variable(url) == (None if local else "http_proxy")


def test_a_local_server_is_reached_whatever_proxy_is_set(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    url, _ = serve(WHOLE)
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with S1Client(url) as client:
        assert len(client.speak("Hello.").samples) == 8


async def test_doctor_names_the_proxy_and_keeps_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@127.0.0.1:9")
    async with AsyncS1Client("s1.example.test:8001") as client:
        (finding,) = await Diagnosis(client, "http://s1.example.test:8002/metrics").findings()
    assert "https_proxy sends gRPC through the proxy http://127.0.0.1:9" in finding.advice
    assert "secret" not in finding.advice
    monkeypatch.setenv("no_proxy", "example.test")
    assert proxy_variable("s1.example.test:8001") is None


async def test_options_of_a_request_are_read_before_any_channel_is_opened() -> None:
    client = AsyncS1Client("localhost:1")
    with pytest.raises(S1ClientError):
        client.stream("a", SpeechOptions(seed=2**70))
