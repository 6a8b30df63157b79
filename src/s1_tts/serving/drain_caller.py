"""Ask a server to end its streams before it is stopped.

The language model answers when it has no stream left. The codec may still have seconds of their sound to make: it is
the slower one on a busy machine. So its gauges are read until they say that nothing is left.
"""

import json
import re
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from s1_protocol.names import Field, ModelName

LOOK_S = 0.3
"""Time between two looks at the codec's gauges, longer than they take to change."""

NUM_QUIET = 2
"""Looks in a row that must find nothing: a chunk may be on its way between the models."""

_LEFT = re.compile(rb"^s1_codec_(?:active_streams|waiting_chunks)(?:\{.*\})? (?!0(?:\.0*)?$)", re.MULTILINE)
"""A gauge that is not zero."""


def order_drain(host: str, key: str, timeout_s: float) -> None:
    """Order the drain and wait until no stream is open; a server that does not answer is not waited for.

    Args:
        host: ``address:port`` of the server's HTTP endpoint.
        key: What the server has in ``KEY_VARIABLE``.
        timeout_s: Longest time to wait.
    """
    connection = HTTPConnection(host, timeout=timeout_s)
    with suppress(OSError, HTTPException):
        body = json.dumps({Field.DRAIN: key})
        connection.request("POST", f"/v2/models/{ModelName.LLAMA}/generate_stream", body)
        connection.getresponse().read()
    connection.close()


def wait_until_spoken(host: str, timeout_s: float) -> None:
    """Wait until the codec has made all sound that it was given; a server that does not answer is not waited for.

    Args:
        host: ``address:port`` of the server's metrics.
        timeout_s: Longest time to wait.
    """
    ends_s = time.monotonic() + timeout_s
    num_quiet = 0
    while time.monotonic() < ends_s:
        num_quiet = 0 if _has_sound_left(host) else num_quiet + 1
        if num_quiet == NUM_QUIET:
            return
        time.sleep(LOOK_S)


def _has_sound_left(host: str) -> bool:
    connection = HTTPConnection(host, timeout=LOOK_S * 10)
    try:
        connection.request("GET", "/metrics")
        return _LEFT.search(connection.getresponse().read()) is not None
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
