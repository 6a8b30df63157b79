"""``python -m s1_gateway``."""

from s1_gateway.command import app

app()
