"""Triton's doors beside speech: closed to all who do not have the secret of this start."""

from dataclasses import dataclass

CLOSED = ("shared-memory", "model-repository", "statistics", "trace", "logging")
"""Open stay health, metadata, model-config and inference: health checks, clients and load balancers need them."""

HTTP_HEADER = "s1-side-door"
GRPC_HEADER = f"triton-grpc-protocol-{HTTP_HEADER}"
"""Triton puts this before the name of a header over gRPC."""

SIDE_DOOR_VARIABLE = "S1TTS_SIDE_DOOR_KEY"
"""Environment variable with a secret of the operator's own, for tools that use these doors; else one is made."""


@dataclass(frozen=True)
class SideDoor:
    """The lock of these doors.

    Args:
        secret: What opens it. It stands in the server's command line, for users of the same machine to see.
    """

    secret: str

    @property
    def flags(self) -> tuple[str, str]:
        """Arguments of the server."""
        lock = f"{','.join(CLOSED)}:{HTTP_HEADER}={self.secret}"
        return f"--http-restricted-api={lock}", f"--grpc-restricted-protocol={lock}"
