"""``s1-tts doctor``: what is wrong with a server, and what to do about it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from s1_client.commands import common
from s1_client.connection import DEFAULT_URL
from s1_client.diagnosis import Diagnosis, Finding, Verdict, metrics_url_of

_STYLES = {Verdict.GOOD: "green", Verdict.NOTICE: "yellow", Verdict.BAD: "red"}


def doctor(
    url: common.Url = DEFAULT_URL,
    metrics_url: Annotated[
        str | None, typer.Option(help="The server's metrics page; by default on port 8002 of the same host.")
    ] = None,
    tls: common.UseTls = False,
    root_certificates: common.RootCertificates = None,
    header: common.Headers = None,
) -> None:
    """Look at a server: does it answer, are its models ready, what does it speak with, does it speak.

    Ends with 0 when it can be used, 1 when something is broken, 2 on wrong usage, 3 when no server answers.
    """
    common.check_headers(header)
    findings = asyncio.run(_examine(url, metrics_url or metrics_url_of(url), tls, root_certificates, header))
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


async def _examine(
    url: str, metrics_url: str, tls: bool, root_certificates: Path | None, header: list[str] | None
) -> list[Finding]:
    async with common.open_client(url, tls, root_certificates, header) as client:
        return await Diagnosis(client, metrics_url).findings()
