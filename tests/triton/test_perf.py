"""The load generator on a real server: what it records is what came."""

import zlib
from collections.abc import AsyncIterator

import pytest_asyncio
from perf.load.generator import LoadGenerator, StreamRequest, poisson_arrivals
from perf.load.measures import summarize
from perf.load.streams import Outcome
from perf.load.texts import SampleText
from perf.server.processes import ProcessGroup
from perf.server.session import Requests

from s1_client.options import SpeechOptions
from s1_protocol.names import ServiceClass
from s1_protocol.sound import FRAME_SAMPLES
from s1_tts.serving.server import TritonServer
from tests.triton.callers import collect, joined

TEXT = SampleText("en", "short", "Hello there, how are you today?")


@pytest_asyncio.fixture
async def generator(server: TritonServer) -> AsyncIterator[LoadGenerator]:
    async with LoadGenerator(f"127.0.0.1:{server.ports.grpc}", timeout_s=60) as made:
        yield made


async def test_a_record_holds_what_came(generator, client):
    options = SpeechOptions(seed=3, max_frames=20)
    record = await generator.stream(7, StreamRequest(TEXT, options))
    chunks = await collect(client, text=TEXT.text, seed=3, max_frames=20)
    samples = joined(chunks)
    assert record.outcome is Outcome.OK
    assert (record.index, record.max_frames, record.num_characters) == (7, 20, len(TEXT.text))
    assert record.num_samples == samples.size
    assert record.checksum == zlib.crc32(samples.tobytes())
    assert record.num_chunks >= len(record.chunks) > 1
    times_s = [record.arrived_s, record.sent_s, *(chunk.at_s for chunk in record.chunks), record.ended_s]
    assert times_s == sorted(times_s)


async def test_a_closed_loop_records_every_stream(generator, server):
    requests = Requests(ServiceClass.NOTE).take(6, ("short", "medium"), max_frames=6)
    used_before_s = ProcessGroup(server.process_id).cpu_s()
    records = await generator.closed_loop(requests, concurrency=3)
    summary = summarize(records)
    assert [record.index for record in records] == list(range(6))
    assert [record.length for record in records] == ["short", "medium"] * 3
    assert (summary.streams, summary.ok) == (6, 6)
    assert summary.samples == sum(record.num_samples for record in records) <= 6 * 6 * FRAME_SAMPLES
    assert ProcessGroup(server.process_id).cpu_s() > used_before_s


async def test_an_open_loop_sends_when_it_is_time(generator):
    requests = Requests(ServiceClass.CALL).take(4, ("short",), max_frames=3)
    arrivals_s = poisson_arrivals(20.0, 4, seed=1)
    records = await generator.open_loop(requests, arrivals_s)
    assert all(record.is_ok and record.service == "call" for record in records)
    waits_s = [later.arrived_s - records[0].arrived_s for later in records]
    assert all(abs(wait_s - (at_s - arrivals_s[0])) < 1e-6 for wait_s, at_s in zip(waits_s, arrivals_s, strict=True))
    assert all(record.sent_s >= record.arrived_s for record in records)


async def test_outcomes_are_told_apart(generator):
    refused = await generator.stream(0, StreamRequest(TEXT, SpeechOptions(deadline_ms=1)))
    wrong = await generator.stream(1, StreamRequest(TEXT, SpeechOptions(temperature=99.0)))
    left = await generator.stream(2, StreamRequest(TEXT, cancel_after_chunks=1))
    left_early = await generator.stream(3, StreamRequest(TEXT, cancel_after_s=0.001))
    assert (refused.outcome, refused.error.split(":")[0]) == (Outcome.REFUSED, "UNAVAILABLE")
    assert (wrong.outcome, wrong.error.split(":")[0]) == (Outcome.FAILED, "INVALID_ARGUMENT")
    assert (left.outcome, left.num_chunks) == (Outcome.CANCELLED, 1)
    assert (left_early.outcome, left_early.num_chunks) == (Outcome.CANCELLED, 0)


async def test_a_server_that_is_gone_has_not_refused():
    async with LoadGenerator("127.0.0.1:1") as nobody:
        record = await nobody.stream(0, StreamRequest(TEXT))
    assert record.outcome is Outcome.FAILED
    assert record.error.startswith("no server answers")


def test_memory_is_told_by_model(server):
    found = {memory.name: memory for memory in ProcessGroup(server.process_id).memory()}
    assert {"tritonserver", "s1_llama", "s1_codec", "s1_voice", "s1_mini"} <= found.keys()
    assert found["s1_mini"].processes == 8
    assert all(memory.peak_mb >= memory.now_mb * 0.99 > 0 for memory in found.values())
