"""Ask a server to end its streams before it is stopped."""

import json
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from s1_protocol.names import Field, ModelName


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
