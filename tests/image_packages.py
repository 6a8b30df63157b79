"""The packages of an image, without downloading them again."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def link_requirements(locked: Path, site: Path) -> None:
    """Give an environment the packages that an image installs, and no other, out of this one's.

    Args:
        locked: The image's ``requirements.txt``.
        site: The environment's ``site-packages``.
    """
    for name in re.findall(r"^([\w.-]+)==", locked.read_text(), re.MULTILINE):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # CUDA's, without a GPU
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            link = site / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
