"""Many servers behind one gateway, and how a gateway ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import create_connection as socket_of

import httpx2
import openai
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from s1_gateway import servers as gateway_servers
from tests.gateway.callers import sdk_of
from tests.gateway.hearing import assert_said, hear_pcm
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble, running, seconds_of

TEXT = "Hello there, this is what I have to say."
HELD = f"{Trouble.STALL}: {TEXT}"
"""What is not said to its end before the server is allowed to."""
REQUEST = {"model": "m", "voice": "alloy", "input": TEXT * 4, "response_format": "pcm"}


@contextmanager
def several(count: int, **settings: object) -> Iterator[tuple[RunningGateway, list[StandIn]]]:
    with ExitStack() as stack:
        services = [StandIn() for _ in range(count)]
        addresses = [stack.enter_context(running(service)) for service in services]
        yield stack.enter_context(running_gateway(",".join(addresses), **settings)), services


def say(gateway: RunningGateway, text: str = TEXT) -> bytes:
    with sdk_of(gateway) as sdk:
        request = {"model": "m", "voice": "alloy", "input": text, "response_format": "pcm"}
        return sdk.audio.speech.create(**request).content


def test_streams_go_where_the_fewest_are_open():
    with several(2) as (gateway, services), ExitStack() as stack:
        held = {**REQUEST, "input": HELD}
        for _ in range(4):
            answer = stack.enter_context(httpx2.stream("POST", f"{gateway.url}/v1/audio/speech", json=held))
            assert answer.status_code == 200
        assert [service.num_open for service in services] == [2, 2]


def test_a_refusal_costs_only_another_try():
    with several(2) as (gateway, services):
        services[0].is_full = True
        for _ in range(4):
            assert_said(hear_pcm(say(gateway), 24_000), TEXT)
        assert services[0].num_refused > 0
        assert len(services[1].requests) == 4


def test_when_all_refuse_the_caller_is_told():
    with several(2) as (gateway, services):
        with pytest.raises(openai.InternalServerError) as refused:
            say(gateway, Trouble.BUSY)
        assert refused.value.status_code == 503
        assert refused.value.response.headers["retry-after"] == "1"
        assert all(service.num_refused for service in services)


def test_a_dead_server_costs_only_another_try():
    with running(StandIn()) as dead:
        pass
    with running(StandIn()) as alive, running_gateway(f"{dead},{alive}", resolve_s=0.2) as gateway:
        for _ in range(4):
            assert_said(hear_pcm(say(gateway), 24_000), TEXT)
        assert httpx2.get(f"{gateway.url}/readyz").status_code == 200
        until(lambda: f's1_gateway_server_up{{server="{dead}"}} 0.0' in httpx2.get(f"{gateway.url}/metrics").text)
        until(lambda: f's1_gateway_server_up{{server="{alive}"}} 1.0' in httpx2.get(f"{gateway.url}/metrics").text)


def test_servers_that_are_not_ready_make_the_gateway_unready(shared_stand_in, stand_in):
    with running_gateway(shared_stand_in[1]) as gateway:
        assert httpx2.get(f"{gateway.url}/readyz").json() == {"gateway": "ready"}
        stand_in.is_ready = False
        assert httpx2.get(f"{gateway.url}/readyz").status_code == 503
        assert httpx2.get(f"{gateway.url}/healthz").status_code == 200


def test_a_name_is_asked_again_which_servers_there_are(monkeypatch):
    """The names of Kubernetes' headless services change with the pods; here the resolver is made up, gRPC is not."""
    with running(StandIn()) as first, running(StandIn()) as second:
        now = [first]

        async def resolve(_target: str) -> list[str]:
            return list(now)

        monkeypatch.setattr(gateway_servers, "resolve", resolve)
        with running_gateway("dns:///s1-tts.example:8001", resolve_s=0.05) as gateway:
            say(gateway)
            now[:] = [first, second]
            until(lambda: f'server="{second}"' in httpx2.get(f"{gateway.url}/metrics").text)
            now[:] = [second]
            until(lambda: f'server="{first}"' not in httpx2.get(f"{gateway.url}/metrics").text)
            say(gateway)
            now[:] = []
            time.sleep(0.2)
            say(gateway)  # a resolver that fails takes no server away


async def test_the_systems_resolver_is_asked():
    assert "127.0.0.1:8001" in await gateway_servers.resolve("dns:///localhost:8001")
    assert await gateway_servers.resolve("dns:///no-such-name.invalid:8001") == []


# ending


@contextmanager
def process(servers: str, **settings: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """The command, as a process of its own; gives it and its address."""
    environment = {f"S1_GATEWAY_{name.upper()}": value for name, value in settings.items()}
    command = [Path(sys.executable).parent / "s1-gateway", "serve", "--port", "0", "--servers", servers]
    with subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.PIPE, text=True) as started:
        address = ""
        for line in started.stderr:
            if "ready on" in line:
                address = line.rpartition("//")[2].strip()
                break
        # what it writes is read on, or it would wait for that
        reading = threading.Thread(target=started.stderr.read)
        reading.start()
        try:
            yield started, address
        finally:
            started.kill()
            started.wait()
            reading.join()


def test_at_sigterm_open_streams_end_by_themselves_and_no_new_ones_come(shared_stand_in, stand_in):
    with process(shared_stand_in[1], leave_s="0") as (gateway, address):
        held = {**REQUEST, "input": HELD}
        with httpx2.stream("POST", f"http://{address}/v1/audio/speech", json=held, timeout=60) as answer:
            pieces = answer.iter_bytes()
            sound = next(pieces)
            gateway.send_signal(signal.SIGTERM)
            until(lambda: not is_listening(address))
            assert gateway.poll() is None
            stand_in.is_stalling = False
            sound += b"".join(pieces)
        assert abs(hear_pcm(sound, 24_000).duration_s - seconds_of(HELD)) < 0.1
        assert gateway.wait(60) == 0


def test_while_it_leaves_all_that_comes_is_served_and_sent_elsewhere_next_time(shared_stand_in, stand_in):
    """Balancers and kept connections learn late that a gateway goes."""
    with (
        process(shared_stand_in[1], leave_s="3600") as (gateway, address),
        httpx2.Client(base_url=f"http://{address}") as kept,
        httpx2.Client(base_url=f"http://{address}") as idle,
    ):
        assert kept.get("/readyz").headers.get("connection") is None
        assert idle.get("/readyz").status_code == 200
        gateway.send_signal(signal.SIGTERM)
        until(lambda: httpx2.get(f"http://{address}/readyz").status_code == 503)
        answer = kept.post("/v1/audio/speech", json=REQUEST)
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert abs(hear_pcm(answer.content, 24_000).duration_s - seconds_of(TEXT * 4)) < 0.1
        assert idle.post("/v1/audio/speech", json=REQUEST).status_code == 200


def test_a_connection_that_was_promised_to_be_kept_serves_what_is_on_its_way(shared_stand_in, stand_in):
    """The head of an answer under way has promised it, so the caller sends the next request on the same connection."""
    stand_in.speedup = 2.0
    with (
        process(shared_stand_in[1], leave_s="0") as (gateway, address),
        httpx2.Client(base_url=f"http://{address}", timeout=60, limits=httpx2.Limits(keepalive_expiry=60)) as kept,
        httpx2.Client(base_url=f"http://{address}", timeout=60, limits=httpx2.Limits(keepalive_expiry=60)) as idle,
    ):
        assert idle.get("/healthz").status_code == 200
        with kept.stream("POST", "/v1/audio/speech", json=REQUEST) as answer:
            gateway.send_signal(signal.SIGTERM)
            until(lambda: not is_listening(address))
            assert answer.headers.get("connection") is None
            answer.read()
        stand_in.speedup = 100.0
        for client in (kept, idle):
            last = client.post("/v1/audio/speech", json=REQUEST)
            assert last.status_code == 200
            assert last.headers["connection"] == "close"
        assert gateway.wait(20) == 0


def test_an_idle_connection_holds_nobody_up_for_longer_than_was_said(shared_stand_in):
    with (
        process(shared_stand_in[1], leave_s="0", linger_s="0.3", drain_s="3600") as (gateway, address),
        httpx2.Client(base_url=f"http://{address}") as idle,
        socket_of(tuple_of(address)),
    ):
        assert idle.get("/healthz").status_code == 200
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(20) == 0


def test_whom_the_kernel_has_let_in_is_served(shared_stand_in):
    """Connections that came just before the end of listening, while the gateway did something else."""
    request = b"POST /v1/audio/speech HTTP/1.1\r\nHost: it\r\nContent-Length: %d\r\n\r\n%s"
    body = json.dumps(REQUEST).encode()
    with ExitStack() as stack:
        gateway, address = stack.enter_context(process(shared_stand_in[1], leave_s="0"))
        silent = stack.enter_context(socket_of(tuple_of(address), timeout=60))
        httpx2.get(f"http://{address}/healthz")  # the silent one has been accepted
        gateway.send_signal(signal.SIGSTOP)
        waiting = [stack.enter_context(socket_of(tuple_of(address), timeout=60)) for _ in range(5)]
        for each in waiting:
            each.sendall(request % (len(body), body))
        gateway.send_signal(signal.SIGTERM)
        gateway.send_signal(signal.SIGCONT)
        until(lambda: not is_listening(address))
        silent.sendall(request % (len(body), body))
        for each in [*waiting, silent]:
            answer = b"".join(iter(lambda each=each: each.recv(2**16), b""))
            assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
            assert answer.endswith(b"0\r\n\r\n")
        # of the others one may have been answered before the thread that took the signal told the gateway
        assert b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower(), "the silent one's"
        assert gateway.wait(20) == 0


async def test_a_socket_with_nothing_under_way_is_closed_so_that_its_caller_connects_elsewhere(
    shared_stand_in, stand_in
):
    with process(shared_stand_in[1], leave_s="5") as (gateway, address):
        async with connect(f"ws://{address}/ws/tts") as idle, connect(f"ws://{address}/ws/tts") as busy:
            await busy.send(json.dumps({"text": HELD}))
            await busy.recv()
            gateway.send_signal(signal.SIGTERM)
            await idle.send(json.dumps({"text": TEXT}))  # still taken, and said whole
            while isinstance(await idle.recv(), bytes):
                pass
            with pytest.raises(ConnectionClosed) as closed:
                await idle.recv()
            assert closed.value.rcvd.code == 1012
            stand_in.is_stalling = False
            while isinstance(message := await busy.recv(), bytes):
                pass
            assert json.loads(message) == {"done": True}
            with pytest.raises(ConnectionClosed) as closed:
                await busy.recv()
            assert closed.value.rcvd.code == 1012
        assert await asyncio.to_thread(gateway.wait, 60) == 0


def test_ctrl_c_takes_nothing_new(shared_stand_in, stand_in):
    with process(shared_stand_in[1], leave_s="3600") as (gateway, _address):
        gateway.send_signal(signal.SIGINT)
        assert gateway.wait(60) == 0


def tuple_of(address: str) -> tuple[str, int]:
    host, port = address.split(":")
    return host, int(port)


def is_listening(address: str) -> bool:
    with suppress(OSError), socket_of(tuple_of(address), timeout=5):
        return True
    return False


async def test_at_sigterm_sockets_say_what_they_began(shared_stand_in, stand_in):
    with process(shared_stand_in[1], leave_s="0") as (gateway, address):
        async with connect(f"ws://{address}/ws/tts") as socket:
            await socket.send(json.dumps({"text": HELD}))
            sound = await socket.recv()
            gateway.send_signal(signal.SIGTERM)
            await asyncio.to_thread(until, lambda: not is_listening(address))
            stand_in.is_stalling = False
            while isinstance(message := await socket.recv(), bytes):
                sound += message
            assert json.loads(message) == {"done": True}
        assert abs(hear_pcm(sound, 24_000).duration_s - seconds_of(HELD)) < 0.1
        assert await asyncio.to_thread(gateway.wait, 60) == 0


def test_the_end_does_not_wait_longer_than_was_said(shared_stand_in, stand_in):
    stand_in.first_s = 3600.0
    with process(shared_stand_in[1], drain_s="0.3") as (gateway, address):
        asking = threading.Thread(target=lambda: _ask_in_vain(address))
        asking.start()
        until(lambda: stand_in.num_open == 1)
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(60) == 0
        asking.join()
        until(lambda: stand_in.num_open == 0)


def _ask_in_vain(address: str) -> None:
    try:
        answer = httpx2.post(f"http://{address}/v1/audio/speech", json=REQUEST, timeout=60)
    except httpx2.HTTPError:
        return
    assert answer.status_code >= 500
