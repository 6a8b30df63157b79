"""What ``docker-compose.prod.yml`` says, read as Compose does."""

import re
from typing import Any

import yaml

from tests.doc_pages import ROOT

PROD = ROOT / "docker-compose.prod.yml"
CONTENT: dict[str, Any] = yaml.safe_load(PROD.read_text())
SERVICES: dict[str, dict[str, Any]] = CONTENT["services"]


def interpolated(value: object) -> str:
    """A value with the defaults of its variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)).replace("$$", "$")
