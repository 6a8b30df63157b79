"""The command ``s1-gateway``."""

import logging
import os
import secrets
import signal
import sys
import time
from typing import Annotated

import typer

from s1_gateway.auth import hash_token
from s1_gateway.memory import use_compact_memory
from s1_gateway.settings import Settings, SettingsError

app = typer.Typer(help="The gateway to S1-mini servers.", no_args_is_help=True, add_completion=False)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on; 0: any free one")] = None,
    servers: Annotated[str | None, typer.Option(help="gRPC addresses of Triton servers, with commas")] = None,
) -> None:
    """Serve until SIGTERM or Ctrl+C; every setting is also S1_GATEWAY_..., see docs/gateway.md."""
    from s1_gateway.serving import make_server  # noqa: PLC0415 - the other commands serve nothing

    use_compact_memory()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        settings = Settings.load(host=host, port=port, servers=servers)
        server = make_server(settings)
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    if not settings.has_tokens:
        typer.echo("no tokens are set: every program on this machine may ask", err=True)
    server.run()


@app.command()
def worker(
    servers: Annotated[str | None, typer.Option(help="gRPC addresses of Triton servers, with commas")] = None,
) -> None:
    """Do jobs until SIGTERM; every setting is S1_GATEWAY_..., see docs/jobs.md."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # one that came while it started anew ends it here
    use_compact_memory()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from s1_gateway.jobs.worker import Worker  # noqa: PLC0415 - the gateway itself needs no Celery

    try:
        made = Worker(Settings.load(servers=servers))
        status = made.run()
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    if not made.is_ending:
        typer.echo(f"Celery gave up with {status}; the worker starts anew", err=True)
        time.sleep(1)
    # what comes from here on waits for the new program, which would else never know of it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if not made.is_ending:  # asked again: SIGTERM may have come since
        # as another program: what Celery keeps in its modules is not fit for a second start
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606, RUF100 - its own command line
    raise typer.Exit(status)


@app.command()
def flower(
    address: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 5555,
) -> None:
    """Show workers and what Celery hands them, behind the password of S1_GATEWAY_FLOWER_PASSWORD_FILE."""
    from s1_gateway.jobs.watching import run_flower  # noqa: PLC0415 - the gateway itself needs no Celery

    try:
        run_flower(_settings_of_no_server(), address, port)
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


@app.command()
def bucket_rule() -> None:
    """Write the rule by which the bucket of S1_GATEWAY_JOBS_BUCKET forgets the sound of jobs."""
    from s1_gateway.jobs.bucket import BucketStore  # noqa: PLC0415 - boto3 is slow to import
    from s1_gateway.jobs.store import StoreError  # noqa: PLC0415 - beside it

    try:
        settings = _settings_of_no_server()
        if settings.jobs_bucket is None:
            raise SettingsError("S1_GATEWAY_JOBS_BUCKET: got none; allowed: s3://bucket/prefix")
        days = BucketStore(settings).write_rule()
    except (SettingsError, StoreError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{settings.jobs_bucket} forgets sound after {days} days")


@app.command()
def webhook_secret(name: Annotated[str, typer.Argument(help="of the token whose jobs it signs")]) -> None:
    """Print the secret with which a token's webhooks are verified."""
    from s1_gateway.jobs.webhooks import signing_secret  # noqa: PLC0415 - the gateway itself signs nothing

    try:
        secret = _settings_of_no_server().webhook_secret
        if secret is None:
            raise SettingsError("S1_GATEWAY_WEBHOOK_SECRET: got none; allowed: 24 characters or more")
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(signing_secret(secret, name))


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="whose it is: letters, digits, dot, hyphen, underscore")],
) -> None:
    """Make a token: print it once, and the entry for S1_GATEWAY_TOKENS or the file."""
    made = "s1_" + secrets.token_urlsafe(32)
    typer.echo(f"token, for the caller: {made}", err=True)
    typer.echo(f"{name} {hash_token(made)} scopes=speak")


def _settings_of_no_server() -> Settings:
    """Settings of a command that nobody calls, so that it needs no tokens, whatever address a gateway listens on."""
    return Settings.load(host="127.0.0.1")
