import socket

import pytest

from s1_protocol.errors import SettingsError
from s1_tts.serving.ports import Ports, claim


def test_free_ports_are_chosen_and_differ():
    claimed = claim("127.0.0.1", Ports(http=0, grpc=0, metrics=0, sagemaker=0))
    numbers = {claimed.http, claimed.grpc, claimed.metrics, claimed.sagemaker}
    assert len(numbers) == 4
    assert 0 not in numbers


def test_sagemaker_stays_off():
    assert claim("127.0.0.1", Ports(http=0, grpc=0, metrics=0)).sagemaker is None


def test_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"metrics port {port} on 127.0.0.1"):
            claim("127.0.0.1", Ports(http=0, grpc=0, metrics=port))


def test_sagemakers_port_must_be_free_on_every_address():
    """Triton's listener for SageMaker is there, whatever address the others have."""
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"sagemaker port {port} on 0.0.0.0"):
            claim("127.0.0.1", Ports(http=0, grpc=0, metrics=0, sagemaker=port))


def test_same_port_twice():
    free = claim("127.0.0.1", Ports(http=0, grpc=0, metrics=0)).http
    with pytest.raises(SettingsError, match="grpc port"):
        claim("127.0.0.1", Ports(http=free, grpc=free, metrics=0))


def test_number_that_is_no_port():
    with pytest.raises(SettingsError, match="70000 is no port"):
        claim("127.0.0.1", Ports(http=70_000, grpc=0, metrics=0))
