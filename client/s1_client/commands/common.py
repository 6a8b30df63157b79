"""What the commands of ``s1-tts`` share: options, exit codes, how errors are printed."""

import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console

from s1_client.errors import EndpointError, S1ClientError, UnreachableError


class ExitCode(IntEnum):
    """How ``s1-tts`` ends; 0 is success and 2 wrong usage."""

    FAILED = 1
    UNREACHABLE = 3
    CUT = 4
    LATE = 5
    INTERRUPTED = 130


Url = Annotated[str, typer.Option(envvar="S1_URL", help="Host and gRPC port of the server.")]
UseTls = Annotated[bool, typer.Option("--tls", help="Encrypt the connection.")]
RootCertificates = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Trust these certificates (PEM); implies --tls.")
]
Headers = Annotated[list[str] | None, typer.Option("--header", help="'name: value' to send with every request.")]


def markup_mode() -> Literal["rich"] | None:
    """How help and wrong usage are printed: in boxes on a terminal, else in plain lines."""
    return "rich" if sys.stdout.isatty() and sys.stderr.isatty() else None


def tell(message: str) -> None:
    """Print a line on standard output."""
    Console(highlight=False, soft_wrap=True).print(message, markup=False)


def tell_error(message: str) -> None:
    """Print a line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(message, markup=False, style="red")


def fail(error: Exception) -> NoReturn:
    """Tell an error and end with its exit code."""
    if isinstance(error, UnreachableError):
        tell_error(f"error: {error}; is it running there? s1-tts doctor looks closer")
        raise typer.Exit(ExitCode.UNREACHABLE)
    tell_error(f"error: {_describe(error)}")
    raise typer.Exit(ExitCode.UNREACHABLE if isinstance(error, EndpointError) else ExitCode.FAILED)


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


FAILURES = (S1ClientError, OSError)
"""What a command tells and ends with; anything else is a fault of the program."""
