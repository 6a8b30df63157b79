"""What machines ask: whether the gateway lives, takes requests, and its metrics. Outside of ``/v1``."""
