"""Ports of a server: check that they are free, or choose free ones."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass, fields

from s1_protocol.errors import SettingsError

ANY_FREE = 0
"""Port number that stands for any free port."""

SAGEMAKER_HOST = "0.0.0.0"
"""Where Triton's listener for SageMaker always is, whatever the others' address: it has no option for it."""


@dataclass(frozen=True)
class Ports:
    """Ports of one server.

    Args:
        http: KServe v2 over HTTP, and server-sent events.
        grpc: KServe v2 over gRPC.
        metrics: Prometheus metrics.
        sagemaker: SageMaker's ``/ping`` and ``/invocations``; ``None`` leaves them off.
    """

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002
    sagemaker: int | None = None


def claim(host: str, ports: Ports) -> Ports:
    """Check that the ports are free and choose one for each that is ``ANY_FREE``.

    Args:
        host: Address that the server will listen on, with all but SageMaker's port.
        ports: What was asked for.

    Returns:
        Ports without ``ANY_FREE``, all different.

    Raises:
        SettingsError: a port is taken or the address is not one of this machine's.
    """
    claimed = {}
    with ExitStack() as held:  # all are held until the last is chosen, so that no two are the same
        for port_field in fields(Ports):
            name, number = port_field.name, getattr(ports, port_field.name)
            if number is not None:
                at = SAGEMAKER_HOST if name == "sagemaker" else host
                claimed[name] = held.enter_context(_listen(at, name, number)).getsockname()[1]
    return Ports(**{"sagemaker": None, **claimed})


def _listen(host: str, name: str, number: int) -> socket.socket:
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: TIME_WAIT is no clash
        holder.bind((host, number))
        holder.listen(1)
    except OSError as error:
        holder.close()
        raise SettingsError(f"{name} port {number} on {host} cannot be used: {error.strerror}") from error
    except OverflowError as error:
        holder.close()
        raise SettingsError(f"{name} port {number} is no port; allowed: 1 to 65535, or 0 for any free one") from error
    return holder
