"""A stand-in for Triton and a gateway before it, shared by most tests of this folder."""

from collections.abc import Iterator

import openai
import pytest

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


def sdk_of(gateway: RunningGateway, api_key: str = "unused", max_retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=api_key, max_retries=max_retries)
