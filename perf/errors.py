"""The error that ends a command with one line."""


class MeasurementError(Exception):
    """A measurement could not be taken, or found what must not be; the message says what."""
