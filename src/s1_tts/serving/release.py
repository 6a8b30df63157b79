"""Which release of Triton runs, and whether its makers have told of holes in it."""

import json
from http.client import HTTPConnection, HTTPException

SAFE_SERVER, SAFE_RELEASE = (2, 71), "26.07"
"""The first release without the holes that NVIDIA has published, and the version that its server tells of itself."""

BULLETINS = "https://github.com/NVIDIA/product-security (2026/5875, read on 2026-11-28)"


def ask_version(host: str, port: int) -> str:
    """The version that a server tells over HTTP, or nothing if it tells none."""
    connection = HTTPConnection(host, port, timeout=2.0)
    try:
        connection.request("GET", "/v2")
        told = json.loads(connection.getresponse().read())
        return str(told["version"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return ""
    finally:
        connection.close()


def warn_of(version: str) -> str | None:
    """Say that a server has known holes.

    Args:
        version: What it tells of itself, such as ``2.51.0``.

    Returns:
        A warning; none for a release in which no hole was known, or a version that is not told in numbers.
    """
    numbers = version.split(".")[:2]
    if len(numbers) != len(SAFE_SERVER) or not all(number.isdecimal() for number in numbers):
        return None
    if tuple(map(int, numbers)) >= SAFE_SERVER:
        return None
    return (
        f"this Triton ({version}) has holes that are public: NVIDIA asks for release {SAFE_RELEASE} or later "
        f"({BULLETINS}). Let nobody but the gateway reach its ports, and take the newest release"
    )
