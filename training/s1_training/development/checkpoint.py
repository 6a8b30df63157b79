"""One folder with both models, of random weights in exactly the published format."""

import shutil
import tempfile
from pathlib import Path
from typing import Literal, get_args

from s1_protocol.notices import MARKER_FILE, NOISE_NOTICE
from s1_training.development.codec import write_dev_codec
from s1_training.development.language_model import write_dev_lm

Size = Literal["tiny", "mid", "full"]
SIZES: tuple[Size, ...] = get_args(Size)


def write_dev_checkpoint(folder: Path, size: Size, seed: int = 0) -> None:
    """Write a development checkpoint; the folder appears whole or not at all.

    Args:
        folder: New or existing folder; files of the same names are replaced.
        size: ``tiny`` (a few MB), ``mid``, or ``full`` (the published sizes, 3.6 GB).
        seed: Seed of the weights.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary)
        write_dev_lm(made, size, seed)
        write_dev_codec(made, size, seed)
        (made / MARKER_FILE).write_text(f"{NOISE_NOTICE}\nsize: {size}, seed: {seed}\n")
        folder.mkdir(exist_ok=True)
        for file in made.iterdir():
            shutil.move(file, folder / file.name)
