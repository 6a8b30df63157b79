"""Variables that Kubernetes makes for every Service of a namespace; with a name like ours they look like settings."""

import re
from typing import Final

_LINK: Final = re.compile(
    r"[A-Z][A-Z0-9_]*_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_PORT: Final = re.compile(r"(?:tcp|udp|sctp)://.+")


def is_service_link(name: str, value: str) -> bool:
    """Whether a variable is one of a Service's, such as ``S1_TTS_SERVICE_HOST`` or ``S1_PORT=tcp://10.0.0.1:8001``.

    Args:
        name: Name of the variable.
        value: What it says: ``NAME_PORT`` may be a setting as well, which is never an address.
    """
    return _LINK.fullmatch(name) is not None or (name.endswith("_PORT") and _PORT.fullmatch(value) is not None)
