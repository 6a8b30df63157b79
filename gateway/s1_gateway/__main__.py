"""The program ``s1-gateway``, also ``python -m s1_gateway``."""

import os
from typing import Final

GRPC_EXPERIMENTS: Final = "-event_engine_client"
"""Sockets are read by the thread that hands messages on, instead of a pool of threads before it: a second of sound
takes less than half the changes of thread. Each stops whatever else this machine does."""


def main() -> None:
    """Run the command; where the environment names experiments of gRPC, it stays as it is."""
    os.environ.setdefault("GRPC_EXPERIMENTS", GRPC_EXPERIMENTS)
    from s1_gateway.command import app  # noqa: PLC0415 - gRPC reads its environment when it is imported

    app()


if __name__ == "__main__":
    main()
