"""What ``s1-tts batch --jobs`` does: every text a job of a gateway, and a report of all of them."""

import asyncio
import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from s1_client.batch_items import Item, read_items
from s1_client.commands import common
from s1_client.commands.gateway import TOKEN_VARIABLE, WhichGateway, fail
from s1_client.gateway_http import Gateway
from s1_client.job_records import JobFormat, JobSound, JobStatus
from s1_client.jobs import AsyncJobs
from s1_client.jobs_batch import JobsBatch
from s1_client.jobs_journal import Ended, JobsJournal
from s1_client.options import SpeechOptions
from s1_protocol.whole_file import write_whole

REPORT_NAME = "report.csv"
_COLUMNS = ("id", "status", "job_id", "file", "duration_seconds", "attempts", "error")


def batch_by_jobs(
    texts: Path, folder: Path, file_format: JobFormat, which: WhichGateway, options: SpeechOptions
) -> None:
    """Make a job of each text, fetch what is ready, write the report; what goes wrong ends the command."""
    gateway = which.make(os.environ.get(TOKEN_VARIABLE))
    try:
        items = read_items(texts)
        with JobsJournal(folder) as journal:
            batch = JobsBatch(items, journal, options, JobSound(file_format=file_format))
            try:
                _run(items, batch, gateway)
            finally:
                write_whole(folder / REPORT_NAME, _report_of(batch).encode())
    except KeyboardInterrupt:
        common.tell_error("interrupted; the same command goes on from here")
        raise typer.Exit(common.ExitCode.INTERRUPTED) from None
    except common.FAILURES as error:
        fail(error)


def _run(items: Sequence[Item], batch: JobsBatch, gateway: Gateway) -> None:
    num_open = len(batch.open_names())
    ended = _with_bar(batch, gateway, num_open)
    failed = [one for one in ended if one.status != JobStatus.COMPLETED]
    num_said = len(ended) - len(failed)
    common.tell(f"{num_said} said, {len(items) - num_open} were there, {len(failed)} failed of {len(items)}")
    for fault, number in Counter(one.error for one in failed).most_common(10):
        names = ", ".join(one.name for one in failed if one.error == fault)
        common.tell_error(f"{number} x {fault} ({names:.100})")
    if failed:
        common.tell_error(f"{REPORT_NAME} has all; the same command tries the failures again")
        raise typer.Exit(common.ExitCode.FAILED)


def _with_bar(batch: JobsBatch, gateway: Gateway, num_open: int) -> list[Ended]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("speaking", total=num_open)

        def tell_wait(why: str) -> None:
            bar.update(task, description=f"waiting: {why:.60}" if why else "speaking")

        async def run() -> list[Ended]:
            async with AsyncJobs(gateway) as jobs:
                return await batch.run(jobs, lambda _ended: bar.advance(task), tell_wait)

        return asyncio.run(run())


def _report_of(batch: JobsBatch) -> str:
    """A line for each text, as it is now: ``open`` was not sent yet, ``in_progress`` is with the gateway."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for name, ended, job_id in batch.results():
        if ended is None:
            rows.writerow((name, "open" if job_id is None else "in_progress", job_id or "", "", "", "", ""))
            continue
        path = batch.path_of(name)
        is_there = ended.status == JobStatus.COMPLETED and path.exists()
        length = "" if ended.duration_s is None else f"{ended.duration_s:.3f}"
        file = path.name if is_there else ""
        rows.writerow((name, ended.status, ended.job_id or "", file, length, ended.attempts, ended.error or ""))
    return text.getvalue()
