"""An order to let open streams end before the server is stopped; it comes from the process that started the server."""

from s1_protocol.names import Field
from s1_tts.wire.arrays import Tensors
from s1_tts.wire.fields import read_string

KEY_VARIABLE = "S1TTS_DRAIN_KEY"
"""Environment variable with the secret without which nobody can order it; no setting, since no user sets it."""


def is_drain_order(tensors: Tensors) -> bool:
    """Whether a request to the language model is such an order."""
    return Field.DRAIN in tensors


def read_drain_key(tensors: Tensors) -> str:
    """Read the secret in it.

    Raises:
        InvalidArgumentError: it is no text.
    """
    return read_string(tensors, Field.DRAIN)
