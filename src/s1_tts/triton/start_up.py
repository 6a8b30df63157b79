"""What our models have in common: logging, settings, and start-up failures told plainly."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import triton_python_backend_utils as pb_utils

from s1_protocol.errors import S1Error


def set_up_logging(model_name: str) -> None:
    """Send log records to the model process's standard error, which is the server's.

    ``pb_utils.Logger`` would send each record to the server process and wait, also from a thread that computes.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=f"%(levelname).1s %(asctime)s {model_name}: %(name)s: %(message)s",
    )


def read_config_parameters(model_config: str) -> dict[str, str]:
    """Read the ``parameters`` of a ``config.pbtxt``.

    Args:
        model_config: The model's configuration as JSON, as ``initialize`` gets it.
    """
    parameters: dict[str, dict[str, str]] = json.loads(model_config).get("parameters", {})
    return {name: value["string_value"] for name, value in parameters.items()}


@contextmanager
def start_up_failures(log: logging.Logger) -> Iterator[None]:
    """Tell the server in plain words why a model cannot start.

    Raises:
        pb_utils.TritonModelException: with the message of our own error.
    """
    try:
        yield
    except S1Error as error:
        log.info("cannot start", exc_info=True)
        raise pb_utils.TritonModelException(str(error)) from error
