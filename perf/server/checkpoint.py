"""All that is measured of one checkpoint: servers of each profile, the bare engines, fish-speech."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import torch
from perf.conditions import ROOT
from perf.engine.reference import ReferenceFigures
from perf.errors import MeasurementError
from perf.load.generator import LoadGenerator
from perf.records import read_records
from perf.server.bare import BareEngine
from perf.server.plan import Plan, ReferencePlan
from perf.server.results import BenchFigures
from perf.server.running import running_server
from perf.server.session import FIRST_CHUNK_FRAMES, SERVICES, STREAM_TIMEOUT_S, Requests, Session

from s1_tts.serving.repository import Profile
from s1_tts.serving.server import ServerOptions


def measure_reference(checkpoint: Path, device: str, plan: ReferencePlan) -> ReferenceFigures:
    """Measure fish-speech in a process of its own, so that its memory is given back.

    Raises:
        MeasurementError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "perf", "reference", "--checkpoint", str(checkpoint.resolve())]
        command += ["--device", device, "--out", folder]
        command += ["--requests", str(plan.requests), "--frames", str(plan.frames)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode:
            raise MeasurementError(f"fish-speech failed: {done.stderr.strip().splitlines()[-1]}")
        (record,) = read_records([Path(folder)])
    return record.figures_as(ReferenceFigures)


async def measure_session(
    session: Session, plan: Plan, bare: BareEngine | None, reference: ReferenceFigures | None
) -> None:
    """All that a plan says of one server; the figures go into the session's result."""
    async with LoadGenerator(session.url, STREAM_TIMEOUT_S) as generator:  # what happens only once is not asked for
        await generator.closed_loop(session.requests.take(2, ("short",), FIRST_CHUNK_FRAMES), 2)
    for concurrency in plan.concurrency:
        await session.closed(concurrency, plan.streams_at(concurrency), plan.lengths)
    for share in plan.load_shares:
        await session.opened(share, plan.open_streams, plan.lengths)
    if bare and plan.pairs:
        await session.added_time(bare, plan.pairs)
    if session.profile is not Profile.NOTES:
        return
    if bare and plan.bare_repeats:
        await session.beside_bare(bare, plan.bare_repeats, plan.bare_streams, plan.lengths)
    if reference:
        await session.beside_reference(reference)


def measure_checkpoint(
    plan: Plan, device: torch.device, settings: Mapping[str, str], say: Callable[[str], None]
) -> BenchFigures:
    """Everything of one checkpoint.

    Args:
        plan: What is measured.
        device: Where the models compute.
        settings: ``S1_*`` settings by name, without the prefix, of server and bare engines.
        say: Tells a person how it goes.
    """
    result = BenchFigures(ServerOptions(plan.checkpoint, ROOT).is_development, dict(settings))
    reference = None
    if plan.reference:  # before anything else: it and a server of full size do not fit into memory together
        say("fish-speech")
        reference = measure_reference(plan.checkpoint, str(device), plan.reference)
    bare_settings = {"checkpoint": str(plan.checkpoint), "device": str(device), **settings}
    with BareEngine(bare_settings) if plan.pairs or plan.bare_repeats else nullcontext() as bare:
        for profile in plan.profiles:
            say(f"a server, profile {profile}")
            with running_server(plan.checkpoint, str(device), profile=profile, settings=settings) as server:
                session = Session(server, profile, Requests(SERVICES[profile]), result, say)
                asyncio.run(measure_session(session, plan, bare, reference))
                session.note_memory(device)
        result.bare_memory = bare.memory() if bare else []
    return result
