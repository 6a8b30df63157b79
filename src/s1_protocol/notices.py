"""What a checkpoint is, told by a file in it: random weights, our demo voice, or neither. Imports nothing heavy."""

from pathlib import Path

MARKER_FILE = "DEVELOPMENT_CHECKPOINT.txt"
NOISE_NOTICE = "This is a development checkpoint of random weights: it makes noise, not words."

DEMO_VOICE_FILE = "DEMO_VOICE.txt"
DEMO_VOICE_NOTICE = "The demo voice speaks: a monotone robot that reads English. For S1-mini see docs/quickstart.md."


def is_dev_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a development checkpoint."""
    return (folder / MARKER_FILE).is_file()


def notice_of(folder: Path) -> str | None:
    """What somebody who listens to a checkpoint should know; None for one of unknown origin."""
    if is_dev_checkpoint(folder):
        return NOISE_NOTICE
    return DEMO_VOICE_NOTICE if (folder / DEMO_VOICE_FILE).is_file() else None
