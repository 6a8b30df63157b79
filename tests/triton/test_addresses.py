"""A server listens where it was asked to, in the new family of addresses too; test_listening.py has one on ``::1``."""

import pytest

from s1_tts.serving.server import TritonServer
from tests.triton.callers import assert_speaks_on_each_port
from tests.triton.conftest import HAS_IPV6


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
async def test_a_server_on_every_address_speaks_on_each_of_its_ports(mortal: TritonServer) -> None:
    assert mortal.options.host == "::"
    await assert_speaks_on_each_port(mortal)
