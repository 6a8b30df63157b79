"""Render a model repository: the committed files, changed as a profile asks."""

import re
import shutil
from enum import StrEnum
from pathlib import Path

from s1_protocol.errors import SettingsError
from s1_protocol.names import ModelName

PACKAGED_REPOSITORY = Path(__file__).resolve().parents[1] / "model_repository"
"""The committed files: in the source tree a link to the folder on top, in an installed wheel a copy of it."""

CONFIG_FILE = "config.pbtxt"
QUEUE_DELAY = re.compile(r"^(\s*max_queue_delay_microseconds\s*:\s*)\d+", re.MULTILINE)


class Profile(StrEnum):
    """What the server is tuned for."""

    NOTES = "notes"
    """Many at a time: Triton gathers arrivals for a moment, as the committed files say."""

    CALLS = "calls"
    """First sound as early as possible: no waiting for others."""


def render(source: Path, target: Path, profile: Profile) -> None:
    """Copy a model repository and apply a profile; the source is left as it is.

    Args:
        source: Model repository. What is no model in it is left behind: it would stop the server, and SageMaker's
            model folder may hold the checkpoint too.
        target: Folder to make.
        profile: What the copy is tuned for.

    Raises:
        SettingsError: ``source`` is not this project's model repository, or has nothing for the profile to set.
    """
    config = source / ModelName.LLAMA / CONFIG_FILE
    if not config.is_file():
        raise SettingsError(f"no model repository in {source}: {config} does not exist")
    for model in sorted(source.iterdir()):
        if (model / CONFIG_FILE).is_file():
            shutil.copytree(model, target / model.name, ignore=shutil.ignore_patterns("__pycache__"))
    if profile is Profile.CALLS:
        _set_queue_delay(target / ModelName.LLAMA / CONFIG_FILE, microseconds=0)


def _set_queue_delay(config: Path, microseconds: int) -> None:
    text, count = QUEUE_DELAY.subn(rf"\g<1>{microseconds}", config.read_text(encoding="utf-8"))
    if count != 1:
        raise SettingsError(f"{config} must set max_queue_delay_microseconds once, and does so {count} times")
    config.write_text(text, encoding="utf-8")
