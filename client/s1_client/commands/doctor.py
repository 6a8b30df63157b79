"""``s1-tts doctor``: what is wrong with a server, and what to do about it."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from s1_client.commands import common
from s1_client.commands.groups import WhichServer, takes_groups
from s1_client.diagnosis import Diagnosis, Finding, Verdict, metrics_url_of

_STYLES = {Verdict.GOOD: "green", Verdict.NOTICE: "yellow", Verdict.BAD: "red"}


@takes_groups
def doctor(
    *,
    server: WhichServer,
    metrics_url: Annotated[
        str | None, typer.Option(help="The server's metrics page; by default on port 8002 of the same host.")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Only let it speak a word, ahead of those that wait: for health checks.")
    ] = False,
) -> None:
    """Look at a server: does it answer, are its models ready, what does it speak with, does it speak.

    Ends with 0 when it can be used, 1 when something is broken, 2 on wrong usage, 3 when no server answers, or when it
    does not speak to a probe.
    """
    findings = asyncio.run(_examine(server, metrics_url or metrics_url_of(server.url), is_probe=probe))
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(Text(f"{finding.verdict.value:<7}", _STYLES[finding.verdict]), end="")
        console.print(f"{finding.subject}: {finding.fact}", markup=False)
        if finding.advice:
            console.print(f"       -> {finding.advice}", markup=False)
    if not findings[0].is_usable:
        raise typer.Exit(common.ExitCode.UNREACHABLE)
    if not all(finding.is_usable for finding in findings):
        raise typer.Exit(common.ExitCode.FAILED)


async def _examine(server: WhichServer, metrics_url: str, *, is_probe: bool) -> list[Finding]:
    async with server.open_client() as client:
        if is_probe:
            return [await Diagnosis(client, metrics_url).probe()]
        return await Diagnosis(client, metrics_url).findings()
