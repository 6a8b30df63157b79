"""Everything that is measured of one checkpoint: servers of each profile, the bare engines, the reference."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from perf.bare import BareEngine
from perf.load_generator import LoadGenerator
from perf.machine import Machine
from perf.plan import Plan, ReferencePlan
from perf.reference_speed import ReferenceResult, ReferenceRun
from perf.results import SizeResult
from perf.session import FIRST_CHUNK_FRAMES, SERVICES, STREAM_TIMEOUT_S, Requests, Session
from s1_tts.serving.ports import Ports
from s1_tts.serving.repository import Profile
from s1_tts.serving.server import ServerOptions, TritonServer
from s1_tts.settings import ENV_PREFIX

ROOT = Path(__file__).resolve().parent.parent
FREE_PORTS = Ports(http=0, grpc=0, metrics=0)
START_TIMEOUT_S = 600.0


class ReferenceFailedError(Exception):
    """The reference's process failed; the message is its last words."""


def measure_reference(checkpoint: Path, device: str, plan: ReferencePlan) -> ReferenceResult:
    """Run the reference in a process of its own, so that its memory is given back.

    Raises:
        ReferenceFailedError: it failed.
    """
    script = ROOT / "perf" / "reference_speed.py"
    command: list[str | Path] = [sys.executable, script, "--checkpoint", checkpoint, "--device", device]
    command += ["--requests", str(plan.requests), "--frames", str(plan.frames)]
    command += ["--full-requests", str(plan.full_requests), "--full-frames", str(plan.full_frames), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReferenceFailedError(f"the reference failed: {done.stderr.strip().splitlines()[-1]}")
    told = json.loads(done.stdout.splitlines()[-1])
    told["machine"] = Machine(**told["machine"])
    told["short_context"], told["full_context"] = (ReferenceRun(**told[f"{n}_context"]) for n in ("short", "full"))
    return ReferenceResult(**told)


@contextmanager
def running_server(plan: Plan, profile: Profile, device: str, settings: Mapping[str, str]) -> Iterator[TritonServer]:
    """A server of a profile; its log is thrown away unless it fails, when it says why."""
    variables = {f"{ENV_PREFIX}{name.upper()}": value for name, value in settings.items()}
    options = ServerOptions(
        plan.checkpoint,
        ROOT / "model_repository",
        ports=FREE_PORTS,
        profile=profile,
        device=device,
        settings=variables,
    )
    with tempfile.TemporaryFile("w") as log, TritonServer(options, log=log) as server:
        server.wait_until_ready(START_TIMEOUT_S)
        yield server


async def measure_session(
    session: Session, plan: Plan, bare: BareEngine | None, reference: ReferenceResult | None
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
    for length, concurrency, count in plan.long_runs:
        await session.closed(concurrency, count, (length,))
    if bare and plan.bare_repeats:
        await session.beside_bare(bare, plan.bare_repeats, plan.bare_streams, plan.lengths)
    if reference:
        await session.beside_reference(reference)
    if plan.analyzer:
        await session.beside_analyzer(plan.analyzer)


def measure_size(
    plan: Plan, device: torch.device, settings: Mapping[str, str], say: Callable[[str], None]
) -> SizeResult:
    """Everything of one checkpoint.

    Args:
        plan: What is measured.
        device: Where the models compute.
        settings: ``S1_*`` settings by name, without the prefix, of server and bare engines.
        say: Tells a person how it goes.
    """
    result = SizeResult(plan.checkpoint.name, ServerOptions(plan.checkpoint, ROOT).is_development, dict(settings))
    reference = None
    if plan.reference:  # before anything else: it and a server of full size do not fit into memory together
        say(f"{result.checkpoint}: the reference")
        reference = measure_reference(plan.checkpoint, str(device), plan.reference)
    bare_settings = {"checkpoint": str(plan.checkpoint), "device": str(device), **settings}
    with BareEngine(bare_settings) if plan.pairs or plan.bare_repeats else nullcontext() as bare:
        for profile in plan.profiles:
            say(f"{result.checkpoint}: a server, profile {profile}")
            with running_server(plan, profile, str(device), settings) as server:
                session = Session(server, profile, Requests(SERVICES[profile]), result, say)
                asyncio.run(measure_session(session, plan, bare, reference))
                session.note_memory(device)
        result.bare_memory = bare.memory() if bare else []
    return result
