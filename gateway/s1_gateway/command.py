"""The command ``s1-gateway``."""

import logging
import secrets
import sys
from typing import Annotated

import typer

from s1_gateway.auth import hash_token
from s1_gateway.serving import make_server
from s1_gateway.settings import Settings, SettingsError

app = typer.Typer(help="The gateway to S1-mini servers.", no_args_is_help=True, add_completion=False)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on; 0: any free one")] = None,
    servers: Annotated[str | None, typer.Option(help="gRPC addresses of Triton servers, with commas")] = None,
) -> None:
    """Serve until SIGTERM or Ctrl+C; every setting is also S1_GATEWAY_..., see docs/gateway.md."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        settings = Settings.load(host=host, port=port, servers=servers)
        server = make_server(settings)
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    if not settings.has_tokens:
        typer.echo("no tokens are set: whoever reaches this machine's loopback may ask", err=True)
    server.run()


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="whose it is: letters, digits, dot, hyphen, underscore")],
) -> None:
    """Make a token: print it once, and the entry for S1_GATEWAY_TOKENS or the file."""
    made = "s1_" + secrets.token_urlsafe(32)
    typer.echo(f"token, for the caller: {made}", err=True)
    typer.echo(f"{name} {hash_token(made)} scopes=speak")
