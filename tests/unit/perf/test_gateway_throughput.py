"""The sound of callers at once is added up whole, and who used the CPUs meanwhile is noted."""

import asyncio
from dataclasses import replace

import psutil
from perf.gateway.callers import Callers
from perf.gateway.hearing import Listener
from perf.gateway.programs import Program
from perf.gateway.throughput import CpuWatch, Throughput, hear_all, measure_throughput
from perf.report.gateway_tables import shares_rows
from perf.server.processes import ProcessGroup


async def _heard(text: str) -> Listener:
    await asyncio.sleep(0.001)
    listener = Listener()
    listener.hear(2.0)
    return listener


def test_callers_at_once_lose_no_sound() -> None:
    """Twenty answers of 2 s are 40 s, however many callers share them."""
    assert asyncio.run(hear_all(_heard, num_callers=8, requests=20)) == 40.0


def test_who_used_the_cpus_is_told_in_the_table_and_older_records_do_not_tell() -> None:
    turns = [(0.080, 0.0005, 0.002), (0.084, 0.0005, 0.002), (0.082, 0.0005, 0.002)]
    through = [(0.080, 0.003, 0.001)] * 3
    process = psutil.Process()
    watches = [CpuWatch(ProcessGroup(process.pid), Program("", process), each) for each in (turns, through)]
    found = Throughput(8, 3, 12.0, 11.9, 0.98, 0.97, 0.99, *(watch.shares() for watch in watches))

    assert list(shares_rows(found)) == [
        ("CPU for a second of its sound, 8 callers, direct", "server 82.0 ms, idle gateway 0.5 ms, callers 2.0 ms", ""),
        ("the same through it, which adds 1.8%", "server 80.0 ms, gateway 3.0 ms, callers 1.0 ms", ""),
    ]
    assert list(shares_rows(replace(found, through_cpu=None))) == []


def test_turns_are_measured_both_ways() -> None:
    process = psutil.Process()
    measured = measure_throughput(
        Callers(_heard, {"pcm": _heard}), 4, 8, 2, ProcessGroup(process.pid), Program("", process)
    )
    found = asyncio.run(measured)
    assert found.direct_audio_s_per_s > 0
    assert found.through_audio_s_per_s > 0
    assert found.direct_cpu is not None
    assert found.through_cpu is not None
    # this process is the server, the gateway and the callers here
    assert found.through_cpu.gateway_ms >= 0
