"""Run a simulated server under a load, and what its callers get."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import simpy
from perf.capacity.costs import Costs
from perf.capacity.parts import Hearing, Process, ServerShape
from perf.capacity.simulated_server import SimulatedServer
from perf.capacity.workload import Notes, Peak, SimulatedRequest

from s1_protocol.sound import FRAMES_PER_SECOND


@dataclass(frozen=True)
class Fared:
    """How the callers of a run fared; times in seconds, of those who were served.

    Args:
        requests: Requests in all.
        refused_share: Share of them that was refused.
        first_audio_p50_s: From the request to the first sound.
        first_audio_p95_s: The same, 95th percentile.
        completion_p50_s: From the request to the last chunk.
        completion_p95_s: The same, 95th percentile.
        underrun_share: Share of the streams that a listener at 1x heard stop.
        audio_s_per_s: Seconds of sound delivered a second, from the first request to the last chunk.
        lm_busy: Share of the time in which the language model computed.
        codec_busy: Share of the time in which the codec computed.
        mean_rows: Mean rows of a decode step.
    """

    requests: int
    refused_share: float
    first_audio_p50_s: float
    first_audio_p95_s: float
    completion_p50_s: float
    completion_p95_s: float
    underrun_share: float
    audio_s_per_s: float
    lm_busy: float
    codec_busy: float
    mean_rows: float


def run_closed(costs: Costs, shape: ServerShape, requests: Iterable[SimulatedRequest], concurrency: int) -> Fared:
    """Keep so many streams open until all requests were served; a refused one counts as served."""
    env = simpy.Environment()
    server = SimulatedServer(env, costs, shape)
    return _fared(env, server, _hear_closed(env, server, requests, concurrency))


def hear_closed(
    costs: Costs, shape: ServerShape, requests: Iterable[SimulatedRequest], concurrency: int
) -> list[Hearing]:
    """As :func:`run_closed`, but return what each caller heard, in the order of the requests."""
    env = simpy.Environment()
    return _hear_closed(env, SimulatedServer(env, costs, shape), requests, concurrency)


def _hear_closed(
    env: simpy.Environment, server: SimulatedServer, requests: Iterable[SimulatedRequest], concurrency: int
) -> list[Hearing]:
    waiting = iter(requests)
    hearings: list[Hearing] = []

    def call_on() -> Process:
        for request in waiting:  # shared: each caller takes the next one
            hearings.append(server.ask(request))
            yield hearings[-1].done

    env.run(simpy.AllOf(env, [env.process(call_on()) for _ in range(concurrency)]))
    return hearings


def run_open(
    costs: Costs,
    shape: ServerShape,
    requests: Sequence[SimulatedRequest],
    arrivals_s: Sequence[float],
    most_refused: float = math.inf,
) -> Fared:
    """Send each request at its time; end early when more than ``most_refused`` were refused."""
    env = simpy.Environment()
    server = SimulatedServer(env, costs, shape)
    hearings: list[Hearing] = []

    def call() -> Process:
        for request, at_s in zip(requests, arrivals_s, strict=True):
            yield env.timeout(at_s - env.now)
            if server.num_refused > most_refused:
                return
            hearings.append(server.ask(request))

    env.run(env.process(call()))
    env.run(simpy.AllOf(env, [hearing.done for hearing in hearings]))
    return _fared(env, server, hearings)


def run_peak(
    costs: Costs,
    shape: ServerShape,
    peak: Peak,
    notes: Notes,
    share: float,
    seed: int = 0,
    most_refused: float = math.inf,
) -> Fared:
    """Send a share of a peak's requests, as to one server among several; see :func:`run_open` for its early end."""
    source = random.Random(seed)
    arrivals_s = list(peak.arrivals_s(share, source))
    return run_open(costs, shape, [notes.draw(source) for _ in arrivals_s], arrivals_s, most_refused)


def _fared(env: simpy.Environment, server: SimulatedServer, hearings: Sequence[Hearing]) -> Fared:
    served = [hearing for hearing in hearings if hearing.completed_s is not None]
    completions_s = [(hearing.completed_s or 0.0) - hearing.arrived_s for hearing in served]
    first_audios_s = [(hearing.first_audio_s or 0.0) - hearing.arrived_s for hearing in served]
    length_s = env.now - min((hearing.arrived_s for hearing in hearings), default=0.0)
    audio_s = sum(hearing.request.frames for hearing in served) / FRAMES_PER_SECOND
    steps = server.count
    return Fared(
        requests=len(hearings),
        refused_share=sum(hearing.is_refused for hearing in hearings) / max(len(hearings), 1),
        first_audio_p50_s=_percentile(first_audios_s, 50),
        first_audio_p95_s=_percentile(first_audios_s, 95),
        completion_p50_s=_percentile(completions_s, 50),
        completion_p95_s=_percentile(completions_s, 95),
        underrun_share=sum(hearing.silence_s > 0 for hearing in served) / max(len(served), 1),
        audio_s_per_s=audio_s / length_s if length_s else 0.0,
        lm_busy=server.device.busy_s["lm"] / env.now if env.now else 0.0,
        codec_busy=server.device.busy_s["codec"] / env.now if env.now else 0.0,
        mean_rows=steps.rows / max(steps.steps, 1),
    )


def _percentile(values: Sequence[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else float("inf")
