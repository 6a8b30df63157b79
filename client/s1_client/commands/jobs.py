"""``s1-tts jobs``: speech that a gateway makes later."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from s1_client.commands import common
from s1_client.commands.gateway import TOKEN_VARIABLE, WhichGateway, fail
from s1_client.commands.groups import OfferedTo, takes_groups
from s1_client.job_records import Job, JobFormat, JobSound, JobStatus
from s1_client.jobs import AsyncJobs
from s1_client.options import SpeechOptions
from s1_protocol.option_kinds import Caller

T = TypeVar("T")

app = typer.Typer(
    help="Speech that a gateway makes later: make jobs, look at them, fetch their sound.",
    no_args_is_help=True,
    rich_markup_mode=common.markup_mode(),
)

JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]


@app.command("submit")
@takes_groups
def submit(
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    *,
    file_format: Annotated[JobFormat, typer.Option("--format", help="Format of the file.")] = JobFormat.WAV,
    sample_rate: Annotated[int | None, typer.Option(metavar="HZ", help="Of the file; the format's own.")] = None,
    speed: Annotated[float | None, typer.Option(help="2 is twice as fast; 0.25 to 4.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Address that is told of the job's end.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key with the same job makes no second one.")
    ] = None,
    gateway: WhichGateway,
    options: Annotated[SpeechOptions, OfferedTo(Caller.BATCH)],
) -> None:
    """Make a job and print its id.

    Ends with 0 when it was taken, 1 when it was refused, 2 on wrong usage, 3 when no gateway answers.
    """
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    sound = JobSound(file_format=file_format, sample_rate_hz=sample_rate, speed=speed)
    taken = _ask(
        gateway,
        lambda jobs: jobs.submit(text, options, sound=sound, webhook_url=webhook_url, idempotency_key=idempotency_key),
    )
    common.tell(taken.id)
    if taken.estimated_s is not None:
        Console(stderr=True, highlight=False).print(f"about {taken.estimated_s:.1f} s", markup=False)


@app.command("status")
@takes_groups
def status(job_id: JobId, *, gateway: WhichGateway) -> None:
    """Print a job as JSON.

    Ends with 0 when it is known, however it is, 1 when it is not, 2 on wrong usage, 3 when no gateway answers.
    """
    _tell_job(_ask(gateway, lambda jobs: jobs.show(job_id)))


@app.command("wait")
@takes_groups
def wait(
    job_id: JobId,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write its sound to this file.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.001, metavar="SECONDS", help="Longest wait.")] = None,
    gateway: WhichGateway,
) -> None:
    """Wait until a job is over, fetch its sound if --output is given, and print it as JSON.

    Ends with 0 when it is completed, 1 when it failed or was cancelled, 2 on wrong usage, 3 when no gateway answers,
    5 when --timeout is over, 130 when interrupted; the job goes on after the last two.
    """
    if output is not None and not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder {output.absolute().parent} does not exist", param_hint="--output")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(JobStatus.QUEUED, total=100)

        async def fetch(jobs: AsyncJobs) -> Job:
            job = await jobs.wait(
                job_id,
                deadline_s=timeout,
                tell=lambda seen: bar.update(task, description=seen.status, completed=seen.progress),
            )
            if output is not None and job.status is JobStatus.COMPLETED:
                await jobs.save(job_id, output)
            return job

        job = _ask(gateway, fetch)
    _tell_job(job)
    if job.status is not JobStatus.COMPLETED:
        common.tell_error(f"{job.status}: {job.error.message}" if job.error else str(job.status))
        raise typer.Exit(common.ExitCode.FAILED)


@app.command("cancel")
@takes_groups
def cancel(job_id: JobId, *, gateway: WhichGateway) -> None:
    """Cancel a job and print it as JSON.

    Ends with 0 when it is cancelled, 1 when it is not known or was over before, 2 on wrong usage, 3 when no gateway
    answers.
    """
    job = _ask(gateway, lambda jobs: jobs.cancel(job_id))
    _tell_job(job)
    if job.status is not JobStatus.CANCELLED:
        common.tell_error(f"it was over before: {job.status}")
        raise typer.Exit(common.ExitCode.FAILED)


@app.command("list")
@takes_groups
def list_jobs(
    *,
    limit: Annotated[int, typer.Option(min=1, help="Jobs at most.")] = 20,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="Only jobs of this batch, in its order.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    gateway: WhichGateway,
) -> None:
    """Print your jobs, the newest first: id, status, progress, when it was made, length or fault."""
    for job in _ask(gateway, lambda jobs: jobs.list(limit=limit, batch_id=batch)):
        common.tell(json.dumps(asdict(job)) if as_json else _line_of(job))


def _ask(which: WhichGateway, ask: Callable[[AsyncJobs], Coroutine[Any, Any, T]]) -> T:
    """Run a command's question; what goes wrong ends the command."""
    made = which.make(os.environ.get(TOKEN_VARIABLE))

    async def run() -> T:
        async with AsyncJobs(made) as jobs:
            return await ask(jobs)

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        common.tell_error("interrupted; the job goes on")
        raise typer.Exit(common.ExitCode.INTERRUPTED) from None
    except common.FAILURES as error:
        fail(error)


def _tell_job(job: Job) -> None:
    common.tell(json.dumps(asdict(job), indent=2))


def _line_of(job: Job) -> str:
    made = datetime.fromtimestamp(job.created_at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    told = f"{job.duration_s:.2f} s" if job.duration_s is not None else job.error.message if job.error else ""
    return f"{job.id}  {job.status:<11}  {job.progress:>3} %  {made}  {told}".rstrip()
