"""How a development checkpoint is told from a real one. Imports nothing heavy: launchers ask too."""

from pathlib import Path

MARKER_FILE = "DEVELOPMENT_CHECKPOINT.txt"
NOISE_NOTICE = "This is a development checkpoint of random weights: it makes noise, not words."


def is_dev_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a development checkpoint."""
    return (folder / MARKER_FILE).is_file()
