"""A short version of ``make load``: many at once, more than fit, and all kinds of callers mixed."""

import asyncio
import os
import signal

import psutil
import pytest
from perf.load.callers import SHARES, sample_requests
from perf.load.fairness import run_beside_flood
from perf.load.generator import LoadGenerator
from perf.load.phases import run_alone, run_burst, run_level, run_soak
from perf.load.scripted_server import ScriptedServer, ServerDiedError, Target
from perf.load.texts import read_texts

from s1_tts.serving.server import TritonServer
from tests.triton.callers import until
from tests.triton.script import is_running

SHORT_TEXTS = [text for text in read_texts() if text.length == "short"]
TIMEOUT_S = 120.0


def target_of(server: TritonServer) -> Target:
    return Target(
        f"127.0.0.1:{server.ports.grpc}", f"http://127.0.0.1:{server.ports.metrics}/metrics", server.process_id
    )


@pytest.mark.parametrize("concurrency", [20])
async def test_many_at_once_then_all_kinds_of_callers(server, concurrency):
    target = target_of(server)
    async with LoadGenerator(target.url, TIMEOUT_S) as generator:
        references = await run_alone(target, generator, sample_requests(SHORT_TEXTS, 4, max_frames=8))
        level = await run_level(target, generator, references, concurrency, 2 * concurrency)
        assert level.faults == []
        assert level.completed == 2 * concurrency
        soak = await run_soak(target, generator, references, minutes=0.08, concurrency=8, seed=1)
    assert soak.faults == []
    assert min(soak.completed, soak.left, soak.rejected) > 0, f"a soak without one of {list(SHARES)}"


async def test_burst_of_ten_times_the_capacity(strained_server):
    target = target_of(strained_server)
    capacity = target.capacity()
    async with LoadGenerator(target.url, TIMEOUT_S) as generator:
        references = await run_alone(target, generator, sample_requests(SHORT_TEXTS, 2, max_frames=8))
        burst = await run_burst(target, generator, references, 10)
    assert burst.faults == []
    assert burst.completed >= capacity
    assert burst.refused + burst.completed == burst.requests == 10 * capacity


async def test_a_note_beside_another_callers_flood_has_the_next_slot(server):
    """In order of arrival it would wait for half of the queue: 32 turns."""
    target = target_of(server)
    async with LoadGenerator(target.url, TIMEOUT_S) as generator:
        phase = await run_beside_flood(target, generator, SHORT_TEXTS, num_notes=1)
    assert phase.faults == []
    assert phase.completed == 1
    assert phase.most_turns == 0
    assert target.metrics()["s1_lm_queue_limit"] == 64


async def test_a_stream_with_other_samples_is_a_fault(server):
    """What the test itself must be able to see."""
    target = target_of(server)
    async with LoadGenerator(target.url, TIMEOUT_S) as generator:
        first, second = await run_alone(target, generator, sample_requests(SHORT_TEXTS, 2, max_frames=8))
        swapped = type(first)(first.request, second.checksum, second.num_samples)
        level = await run_level(target, generator, [swapped], 1, 1)
    assert [fault for fault in level.faults if "other samples than alone" in fault]


async def test_a_server_that_dies_leaves_nothing_and_ends_the_load_test_at_once(checkpoint, tmp_path, triton_elsewhere):
    """It is the program that ``--triton-server`` names."""
    log = tmp_path / "server.log"
    arguments = ("--device", "cpu", "--profile", "calls", "--triton-server", str(triton_elsewhere))
    with ScriptedServer(checkpoint, arguments, log=log) as server:
        assert psutil.Process(server.target.process_id).exe() == str(triton_elsewhere)
        processes = [psutil.Process(pid) for pid in server.target.process_ids()]
        assert await server.watch(asyncio.sleep(0, "done")) == "done"
        work = asyncio.create_task(server.watch(asyncio.sleep(TIMEOUT_S)))
        await asyncio.sleep(0)
        os.kill(server.target.process_id, signal.SIGSEGV)
        with pytest.raises(ServerDiedError, match=rf"the server died \(signal 11\); its log: {log}\n"):
            await asyncio.wait_for(work, TIMEOUT_S / 2)
        assert server.stop() == ["the server ended with code 1; 0 is clean"]
        assert await until(lambda: not any(map(is_running, processes)))
