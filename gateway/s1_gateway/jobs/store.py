"""Where sound lies until its job is forgotten. What is in it is whole: written beside and renamed, or put at once."""

import os
import tempfile
from pathlib import Path
from typing import Protocol


class StoreError(Exception):
    """The store cannot be used now; it may pass."""


class SoundStore(Protocol):
    """Keeps files by name. Its methods block; a thread calls them."""

    def put(self, name: str, data: bytes, media_type: str) -> None:
        """Store a file; the same again changes nothing.

        Raises:
            StoreError: it cannot be stored.
        """

    def get(self, name: str) -> bytes | None:
        """Read a file; None if it is not there.

        Raises:
            StoreError: the store does not answer.
        """

    def has(self, name: str) -> bool:
        """Tell whether a file is there.

        Raises:
            StoreError: the store does not answer.
        """

    def link(self, name: str, download: str) -> str | None:
        """Make a link of limited life that needs no token; None where callers come through the gateway.

        Args:
            name: Of the file.
            download: Name that it has where it is saved.
        """

    def clean(self, older_than_s: float) -> None:
        """Remove what is older, where nobody else does it."""


class FolderStore:
    """A folder.

    Args:
        folder: Made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, data: bytes, media_type: str) -> None:  # noqa: ARG002, RUF100 - the protocol's
        """Store a file."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, beside = tempfile.mkstemp(dir=self._folder, prefix=".new-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(beside).replace(self._folder / name)
            except BaseException:
                Path(beside).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}") from error

    def get(self, name: str) -> bytes | None:
        """Read a file."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}") from error

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return (self._folder / name).is_file()

    def link(self, name: str, download: str) -> str | None:  # noqa: ARG002, RUF100 - the protocol's
        """Callers come through the gateway."""
        return None

    def clean(self, older_than_s: float) -> None:
        """Remove what is older."""
        try:
            with tempfile.TemporaryFile(dir=self._folder) as now:
                oldest_s = os.fstat(now.fileno()).st_mtime - older_than_s  # the folder's clock, not a worker's
        except OSError:
            return  # there is no folder yet, or nothing can be done in it
        for path in self._folder.glob("*"):
            try:
                if path.stat().st_mtime < oldest_s:
                    path.unlink()
            except FileNotFoundError:
                continue  # another worker was quicker
