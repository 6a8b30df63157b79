"""The table of what the gateway costs, each figure beside its goal."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from perf.conditions import Conditions
from perf.errors import MeasurementError
from perf.gateway.callers import DIRECT
from perf.gateway.command import MANY, GatewayFigures, RealFigures
from perf.gateway.costs import Costs
from perf.gateway.first_audio import ONE_TEXT, FirstAudio
from perf.gateway.streams import Streams
from perf.gateway.throughput import Throughput
from perf.report.tables import Table, figure

MAX_P50_MS, MAX_P99_MS, MAX_MANY_P99_MS = 3.0, 10.0, 20.0
"""Goals of pcm's first audio over a direct stream: one caller's median and tail, the tail of many."""
FRAMES_MS = {"opus": 20.0, "mp3": 1152 / 44.1}
"""One frame more than pcm is what an encoder may add."""
MAX_MEMORY_MB = 0.6
MIN_THROUGHPUT = 0.97


def gateway_table(found: GatewayFigures, made: Conditions, real: RealFigures, real_made: Conditions) -> Table:
    """What the gateway costs and adds.

    Args:
        found: Before a server that costs nothing.
        made: How that was measured.
        real: Before a real server.
        real_made: How that was measured.
    """
    rows = [
        *(_cost(each) for each in found.streams),
        *_parts(found.costs),
        *_memory(found.streams),
        *_first_audio(found.first_audio),
        *(_underruns(each) for each in found.streams),
        *_request_cpu(found.first_audio),
        *(_throughput(each) for each in real.throughput),
        *(row for each in real.throughput for row in shares_rows(each)),
        (f"made before a server that costs nothing, load {_loads(found.load_averages)}", _when(made), ""),
        (f"made before a real server, load {_loads(real.load_averages)}", _when(real_made), ""),
    ]
    return Table("The gateway", ("", "measured", "goal"), rows)


def _cost(each: Streams) -> tuple[str, str, str]:
    told = f"{each.cpu_ms_a_second:.1f} ms; {each.streams} streams took {each.cores:.2f} of a core"
    return f"CPU for a second of sound, {each.format}", told, f"{each.streams} streams"


def _parts(costs: Costs | None) -> Iterator[tuple[str, str, str]]:
    if costs is None:
        return
    taking = f"gRPC {costs.grpc_ms:.2f} ms, the client {costs.client_ms:.2f} ms"
    yield (
        "of it, pcm, each part alone",
        f"{taking}, resampling {costs.resampling_ms:.2f} ms, the rest (HTTP, loop, metrics) {costs.rest_pcm_ms:.2f} ms",
        "",
    )
    yield (
        "of it, opus, each part alone",
        f"{taking}, resampling and libopus {costs.opus_ms:.2f} ms, the rest {costs.rest_opus_ms:.2f} ms",
        "",
    )


def _memory(streams: Sequence[Streams]) -> Iterator[tuple[str, str, str]]:
    most = max(streams, key=lambda each: each.streams)  # the others begin in memory that these left
    measured = _marked(figure(most.memory_mb_a_stream, 2, " MB"), most.memory_mb_a_stream <= MAX_MEMORY_MB)
    yield f"memory of a stream, {most.streams} {most.format}", measured, f"{MAX_MEMORY_MB} MB"


def _first_audio(found: Sequence[FirstAudio]) -> Iterator[tuple[str, str, str]]:
    by_name = {(each.callers, each.name): each for each in found}
    one, many = _added(by_name, 1, "pcm"), _added(by_name, MANY, "pcm")
    yield (
        "first audio over a direct stream, 1 caller, pcm, p50",
        _ms(one.added_p50_ms, MAX_P50_MS),
        f"{MAX_P50_MS:+g} ms",
    )
    yield "the same, p99", _ms(one.added_p99_ms, MAX_P99_MS), f"{MAX_P99_MS:+g} ms"
    for name, frame_ms in FRAMES_MS.items():
        limit_ms = one.added_p50_ms + frame_ms
        yield (
            f"the same, {name}, p50",
            _ms(_added(by_name, 1, name).added_p50_ms, limit_ms),
            f"a frame more than pcm: {limit_ms:+.1f} ms",
        )
    direct = by_name[MANY, "direct"]
    yield (
        f"the same, {MANY} callers, pcm, p99 (direct: {direct.p99_ms:.0f} ms)",
        _ms(many.added_p99_ms, MAX_MANY_P99_MS),
        f"{MAX_MANY_P99_MS:+g} ms",
    )
    for name, frame_ms in FRAMES_MS.items():
        limit_ms = many.added_p99_ms + frame_ms
        yield (
            f"the same, {MANY} callers, {name}, p99",
            _ms(_added(by_name, MANY, name).added_p99_ms, limit_ms),
            f"a frame more than pcm: {limit_ms:+.0f} ms",
        )


def _added(by_name: dict[tuple[int, str], FirstAudio], callers: int, name: str) -> FirstAudio:
    """What a way to ask adds.

    Raises:
        MeasurementError: it was not measured.
    """
    if (callers, name) not in by_name:
        raise MeasurementError(f"the gateway's record has no {name} with {callers} callers")
    return by_name[callers, name]


def _underruns(each: Streams) -> tuple[str, str, str]:
    told = f"{each.with_underruns}; of {each.direct_streams} direct ones beside them {each.direct_with_underruns}"
    return f"streams with underruns of {each.streams} {each.format}", _marked(told, not each.with_underruns), "0"


def _throughput(each: Throughput) -> tuple[str, str, str]:
    shown = math.floor(1000 * each.ratio) / 1000  # what is just under the goal shall not look like it
    told = f"{shown:.3f} ({each.rounds} turns, {each.least_ratio:.2f} to {each.most_ratio:.2f})"
    name = f"throughput of a real server through it, over direct, {each.callers} callers"
    return name, _marked(told, each.ratio >= MIN_THROUGHPUT), f"{MIN_THROUGHPUT}"


def _request_cpu(found: Sequence[FirstAudio]) -> Iterator[tuple[str, str, str]]:
    told = [
        f"{each.gateway_cpu_ms:.1f} ms {each.name}"
        for each in found
        if each.callers == 1 and each.name != DIRECT and each.gateway_cpu_ms is not None
    ]
    if told:
        yield f"CPU of the gateway for all of {ONE_TEXT!r}, 1 caller", ", ".join(told), ""


def shares_rows(each: Throughput) -> Iterator[tuple[str, str, str]]:
    """Who used the CPUs while the throughput of a real server was measured; nothing of records that do not tell."""
    if each.direct_cpu is None or each.through_cpu is None:
        return
    direct, through = each.direct_cpu, each.through_cpu
    # a gateway that nobody calls looks after its servers all the same
    used_beside_ms = direct.gateway_ms + direct.callers_ms
    added_ms = through.gateway_ms + through.callers_ms - used_beside_ms
    used_ms = direct.server_ms + used_beside_ms
    beside = f"idle gateway {direct.gateway_ms:.1f} ms, callers {direct.callers_ms:.1f} ms"
    yield (
        f"CPU for a second of its sound, {each.callers} callers, direct",
        f"server {direct.server_ms:.1f} ms, {beside}",
        "",
    )
    yield (
        f"the same through it, which adds {added_ms / used_ms:.1%}",
        f"server {through.server_ms:.1f} ms, gateway {through.gateway_ms:.1f} ms, callers {through.callers_ms:.1f} ms",
        "",
    )


def _ms(value_ms: float, limit_ms: float) -> str:
    return _marked(f"{value_ms:+.1f} ms", value_ms <= limit_ms)


def _marked(told: str, is_met: bool) -> str:
    return told if is_met else f"{told}, **missed**"


def _loads(loads: Sequence[float]) -> str:
    return " / ".join(f"{load:.1f}" for load in loads)


def _when(made: Conditions) -> str:
    return f"{datetime.fromisoformat(made.started):%Y-%m-%d %H:%M}, commit {made.commit}"
