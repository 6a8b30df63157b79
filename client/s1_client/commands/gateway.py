"""Which gateway a command asks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from s1_client.commands import common
from s1_client.errors import DeadlineError, UnreachableError
from s1_client.gateway_http import DEFAULT_GATEWAY, Gateway
from s1_client.policy import Tls

TOKEN_VARIABLE = "S1_TOKEN"


@dataclass(frozen=True, kw_only=True)
class WhichGateway:
    """Which gateway, and who asks. A token is no option: everybody on a machine can read command lines."""

    gateway: Annotated[str, typer.Option(envvar="S1_GATEWAY", help="Address of the gateway.")] = DEFAULT_GATEWAY
    token_file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            envvar="S1_TOKEN_FILE",
            help=f"File with the token; {TOKEN_VARIABLE} may hold it instead.",
        ),
    ] = None
    gateway_certificates: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Trust these certificates (PEM) of the gateway.")
    ] = None

    def make(self, token: str | None) -> Gateway:
        """Say where the gateway is.

        Args:
            token: Of the environment; the file's goes over it.

        Raises:
            typer.BadParameter: the address or the token cannot be one.
        """
        try:
            told = token if self.token_file is None else self.token_file.read_text(encoding="utf-8").strip()
            tls = None if self.gateway_certificates is None else Tls(root_certificates=self.gateway_certificates)
            return Gateway(url=self.gateway, token=told or None, tls=tls)
        except UnicodeDecodeError:
            raise typer.BadParameter(f"{self.token_file} is no text", param_hint="--token-file") from None
        except ValueError as error:
            hint = "--token-file" if str(error).startswith("token") else "--gateway"
            raise typer.BadParameter(str(error), param_hint=hint) from error


def fail(error: Exception) -> NoReturn:
    """Tell an error of a command that asks a gateway, and end with its exit code."""
    if isinstance(error, UnreachableError):
        common.tell_error(f"error: {error}; make up starts a gateway, --gateway names another one")
        raise typer.Exit(common.ExitCode.UNREACHABLE)
    if isinstance(error, DeadlineError):
        common.tell_error(f"error: {error}; the job goes on")
        raise typer.Exit(common.ExitCode.LATE)
    common.fail(error)
