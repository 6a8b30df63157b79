"""A stand-in for Triton and a gateway before it, shared by most tests of this folder."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import openai
import pytest

from tests.gateway.callers import ENTRIES, sdk_of
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import StandIn, running


@pytest.fixture(scope="session")
def shared_stand_in() -> Iterator[tuple[StandIn, str]]:
    service = StandIn()
    with running(service) as address:
        yield service, address


@pytest.fixture(scope="session")
def shared_gateway(shared_stand_in: tuple[StandIn, str]) -> Iterator[RunningGateway]:
    with running_gateway(shared_stand_in[1]) as gateway:
        yield gateway


@pytest.fixture
def stand_in(shared_stand_in: tuple[StandIn, str]) -> StandIn:
    """The server, with nothing in it that another test left."""
    service, _ = shared_stand_in
    service.reset()
    return service


@pytest.fixture
def gateway(shared_gateway: RunningGateway, stand_in: StandIn) -> Iterator[RunningGateway]:
    """The gateway; whatever a test does to it, nothing may go on afterwards."""
    yield shared_gateway
    until(lambda: shared_gateway.num_open == 0 and stand_in.num_open == 0)


@pytest.fixture
def sdk(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with sdk_of(gateway) as client:
        yield client


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """What LiveKit's plugins ask with."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="session")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text(ENTRIES)
    return path


@pytest.fixture
def guarded(shared_stand_in: tuple[StandIn, str], stand_in: StandIn, tokens_file: Path) -> Iterator[RunningGateway]:
    with running_gateway(shared_stand_in[1], tokens_file=tokens_file) as gateway:
        yield gateway
