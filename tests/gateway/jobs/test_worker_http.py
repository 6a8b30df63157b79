"""A worker says that it lives and that it can have jobs, on a port of its own."""

import signal
import socket

import httpx2
import pytest

from tests.gateway.jobs.conftest import eventually, free_port, running_place


@pytest.fixture
def place(redis_program, jobs_stand_in, tmp_path):
    with running_place(tmp_path, jobs_stand_in) as found:
        yield found


def test_health_readiness_and_metrics(place):
    port = free_port()
    worker = place.start_worker(worker_port=port)

    def ask(path: str) -> tuple[int, str]:
        answer = httpx2.get(f"http://127.0.0.1:{port}{path}", timeout=30)
        return answer.status_code, answer.text

    assert ask("/healthz") == (200, '{"worker":"alive"}')
    assert ask("/readyz") == (200, '{"worker":"ready"}')
    place.wait(place.submit("Counted by its worker."))
    assert 's1_gateway_utterances_total{door="jobs"' in ask("/metrics")[1]

    place.redis.stop()
    assert ask("/readyz") == (503, '{"worker":"the records of jobs cannot be read"}')
    assert ask("/healthz")[0] == 200
    place.redis.start()
    eventually(lambda: ask("/readyz")[0] == 200)

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken_is_named(place):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        worker = place.start_worker(worker_port=port)
        assert worker.wait(30) == 2
