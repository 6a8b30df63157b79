"""What can be an address and a header; gRPC takes much of what is none, and then goes somewhere else."""

import ipaddress
import os
import re
from collections.abc import Mapping

_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
_OTHER_TARGET = re.compile(r"(unix|unix-abstract|dns|ipv4|ipv6|xds):\S+")
_HEADER_NAME = re.compile(r"[0-9a-z_.-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")

_PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
"""What gRPC looks at, in this order."""

_EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")


def check_url(url: str) -> str:
    """Refuse what is no address of a gRPC server.

    Args:
        url: Host and port, or a target with a scheme that gRPC knows, such as ``unix:/run/s1.sock``.

    Raises:
        ValueError: it is none; the message says what is allowed.
    """
    found = _HOST_AND_PORT.fullmatch(url)
    if found and 1 <= int(found["port"]) <= 65_535:
        return url
    if not found and _OTHER_TARGET.fullmatch(url):
        return url
    if "@" in url or "?" in url:
        raise ValueError("url: names a user, a key or a query, which is not shown here; allowed: host and gRPC port")
    raise ValueError(f"url: got {url!r}; allowed: host and gRPC port, such as localhost:8001, without http://")


def is_local(url: str) -> bool:
    """Whether an address is this machine's own, which no proxy can reach."""
    if url.startswith(("unix:", "unix-abstract:")):
        return True
    host = url.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxy_variable(url: str) -> str | None:
    """Name of the environment variable by which gRPC goes to an address through a proxy; none if it goes straight."""
    if is_local(url):
        return None
    excepted = next((value for name in _EXCEPTION_VARIABLES if (value := os.environ.get(name))), "")
    host = url.rpartition(":")[0].strip("[]")
    if any(host.endswith(name.strip()) for name in excepted.split(",") if name.strip()):
        return None
    return next((name for name in _PROXY_VARIABLES if os.environ.get(name)), None)


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Refuse what cannot be sent as a header.

    Returns:
        The headers with their names in small letters, as HTTP/2 wants them.

    Raises:
        ValueError: a name or a value cannot be sent; the message does not tell the value, which may be a secret.
    """
    checked = {name.lower(): value for name, value in headers.items()}
    for name, value in checked.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers: got the name {name!r}; allowed: a-z, 0-9, dot, underscore, hyphen")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"headers: the value of {name} has other characters than printable ASCII")
    return checked
