"""What all requests share, opened when the gateway starts and closed when it ends."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from s1_client import AsyncS1Client
from s1_gateway.auth import Caller, Scope, Tokens, token_in
from s1_gateway.jobs.gauges import following_jobs
from s1_gateway.jobs.ledger import open_ledger
from s1_gateway.jobs.stores import open_store
from s1_gateway.jobs.submitting import Jobs
from s1_gateway.leaving import Leaving
from s1_gateway.limits import Limits
from s1_gateway.metrics import Metrics
from s1_gateway.servers import DNS, following_servers
from s1_gateway.settings import Settings
from s1_gateway.speech import Speech
from s1_gateway.voices.names import VoiceNames


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The gateway's parts.

    Args:
        settings: Validated.
        client: Of the Triton servers.
        tokens: Who may.
        limits: How much.
        leaving: Whether it is about to end.
        metrics: What is counted.
        speech: Makes sound.
        voice_names: What a caller's name of a voice means.
        jobs: Speech that is fetched later; None: there is no Redis to keep jobs in.
    """

    settings: Settings
    client: AsyncS1Client
    tokens: Tokens
    limits: Limits
    leaving: Leaving
    metrics: Metrics
    speech: Speech
    voice_names: VoiceNames
    jobs: Jobs | None

    def caller_of(self, connection: HTTPConnection, *, may_be_in_query: bool = False) -> Caller:
        """Find who calls.

        Args:
            connection: A request or a WebSocket.
            may_be_in_query: Whether the address may carry the token, as that of a browser's WebSocket must.

        Raises:
            GatewayError: nobody who is known.
        """
        query = connection.query_params if may_be_in_query else None
        caller = self.tokens.find(token_in(connection.headers, query))
        connection.state.token_name = caller.name
        return caller


@asynccontextmanager
async def open_gateway(settings: Settings, tokens: Tokens, limits: Limits, leaving: Leaving) -> AsyncGenerator[Gateway]:
    """Open what requests share."""
    metrics = Metrics(lambda: limits.num_open)
    urls = [] if settings.servers[0].startswith(DNS) else settings.servers
    async with (
        AsyncS1Client(urls) as client,
        following_servers(settings.servers, client, metrics, settings.resolve_s),
        AsyncExitStack() as stack,
    ):
        jobs = None
        if settings.redis_url is not None:
            ledger = await stack.enter_async_context(open_ledger(settings.redis_url, settings))
            await stack.enter_async_context(following_jobs(ledger, metrics.registry))
            jobs = Jobs(ledger, open_store(settings), limits, settings)
        yield Gateway(
            settings=settings,
            client=client,
            tokens=tokens,
            limits=limits,
            leaving=leaving,
            metrics=metrics,
            speech=Speech(client, limits, metrics, settings),
            voice_names=VoiceNames(client.voices, settings),
            jobs=jobs,
        )


def gateway_of(connection: HTTPConnection) -> Gateway:
    """The gateway that a request or a WebSocket came to."""
    return cast("Gateway", connection.state.gateway)


def speaker_of(connection: HTTPConnection) -> Caller:
    """The caller, who may ask for speech. Routes of speech ask here themselves: by FastAPI it takes 0.2 ms longer.

    Raises:
        GatewayError: nobody who is known, or who may.
    """
    caller = gateway_of(connection).caller_of(connection)
    caller.need(Scope.SPEAK)
    return caller


# what FastAPI asks for is async although it waits for nothing: plain functions it runs in threads, 0.3 ms each


async def the_gateway(connection: HTTPConnection) -> Gateway:
    """The gateway, for routes."""
    return gateway_of(connection)


async def listing_caller(connection: HTTPConnection) -> Caller | None:
    """The caller, who may see lists; nobody in particular where lists are open."""
    if gateway_of(connection).settings.open_lists:
        return None
    return speaker_of(connection)


async def voice_changing_caller(connection: HTTPConnection) -> Caller:
    """The caller, who may change stored voices."""
    caller = gateway_of(connection).caller_of(connection)
    caller.need(Scope.VOICES)
    return caller


TheGateway = Annotated[Gateway, Depends(the_gateway)]
Listing = Annotated[Caller | None, Depends(listing_caller)]
ChangingVoices = Annotated[Caller, Depends(voice_changing_caller)]
