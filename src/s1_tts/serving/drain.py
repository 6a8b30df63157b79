"""Ask a server to end its streams before it is stopped."""

import json
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from s1_protocol.names import Field, ModelName

TICKET_VARIABLE = "S1TTS_DRAIN_TICKET"
"""Environment variable with the secret that tells a drain from an abort; no setting, since no user sets it."""


def order_drain(host: str, ticket: str, timeout_s: float) -> None:
    """Order the drain and wait until no stream is open; a server that does not answer is not waited for.

    Args:
        host: ``address:port`` of the server's HTTP endpoint.
        ticket: What the server has in ``TICKET_VARIABLE``.
        timeout_s: Longest time to wait.
    """
    connection = HTTPConnection(host, timeout=timeout_s)
    with suppress(OSError, HTTPException):
        body = json.dumps({Field.ABORT_TICKETS: ticket})
        connection.request("POST", f"/v2/models/{ModelName.LLAMA}/generate_stream", body)
        connection.getresponse().read()
    connection.close()
