"""Why a sound file cannot be used."""


class SoundError(ValueError):
    """What is wrong with a file, in words that follow its name: "is truncated", "has 9 channels"."""
