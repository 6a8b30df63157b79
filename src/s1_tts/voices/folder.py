"""Voices in a folder, one file each."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from s1_protocol.checks import is_voice_id
from s1_protocol.errors import UnavailableError
from s1_protocol.whole_file import write_whole
from s1_tts.voices.store import no_such_voice
from s1_tts.voices.voice import Voice
from s1_tts.voices.voice_archive import MAX_VOICE_BYTES, SUFFIX, pack, unpack

log = logging.getLogger(__name__)

_LOCK_FILE = ".lock"

LOCK_LIMIT_S = 5.0
"""Longest wait for another writer, who writes one file."""

LOCK_POLL_S = 0.02


class FolderStore:
    """A folder on this machine, or one that several machines share.

    A voice is written beside its place and renamed into it, so a reader sees the old one or the new one, and of two
    writers the later one wins.

    Args:
        folder: Where the files are; made with the first voice. A folder that was there and is gone, as of a disk that
            is away, is not made again: voices stored meanwhile would be hidden when it comes back.
    """

    check_every_s = 0.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._was_there = folder.is_dir()

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""
        if not self._is_there():
            return []
        try:
            names = [name.removesuffix(SUFFIX) for name in os.listdir(self._folder) if name.endswith(SUFFIX)]
        except OSError as error:
            raise _unreadable(error) from error
        return sorted(name for name in names if is_voice_id(name))

    def version(self, voice_id: str) -> str:
        """Version of a voice as it is stored now.

        Raises:
            NotFoundError: there is no such voice.
        """
        try:
            return _version(os.stat(self._path(voice_id)))
        except FileNotFoundError as error:
            self._is_there()
            raise no_such_voice(voice_id) from error
        except OSError as error:
            raise _unreadable(error) from error

    def get(self, voice_id: str) -> Voice:
        """Read a voice.

        Raises:
            NotFoundError: there is no such voice.
            BrokenVoiceError: what is there is no voice.
        """
        try:
            with self._path(voice_id).open("rb") as file:
                version = _version(os.fstat(file.fileno()))
                data = file.read(MAX_VOICE_BYTES + 1)
        except FileNotFoundError as error:
            self._is_there()
            raise no_such_voice(voice_id) from error
        except OSError as error:
            raise _unreadable(error) from error
        return unpack(voice_id, data, version)

    def put(self, voice: Voice) -> None:
        """Store a voice; one of the same id is replaced."""
        with self._writing():
            write_whole(self._path(voice.id), pack(voice))

    def refresh(self, voice: Voice) -> bool:
        """Store a voice that was read and completed, unless someone changed or deleted it since."""
        with self._writing():
            path = self._path(voice.id)
            is_unchanged = path.exists() and _version(path.stat()) == voice.version
            if is_unchanged:
                write_whole(path, pack(voice))
            return is_unchanged

    def delete(self, voice_id: str) -> None:
        """Remove a voice.

        Raises:
            NotFoundError: there is no such voice.
        """
        if not self._path(voice_id).exists():
            self._is_there()
            raise no_such_voice(voice_id)  # a folder that is not there is not made for this
        with self._writing():
            try:
                self._path(voice_id).unlink()
            except FileNotFoundError as error:
                raise no_such_voice(voice_id) from error

    def _is_there(self) -> bool:
        """Whether the folder is there; it need not be before the first voice.

        Raises:
            UnavailableError: it was there before.
        """
        is_there = self._folder.is_dir()
        if self._was_there and not is_there:
            raise UnavailableError("the voice store is away: its folder is gone; try again later")
        self._was_there = is_there
        return is_there

    def _path(self, voice_id: str) -> Path:
        return self._folder / f"{voice_id}{SUFFIX}"

    def _lock_file(self) -> IO[str]:
        path = self._folder / _LOCK_FILE
        try:
            return path.open("w", encoding="ascii")
        except PermissionError:  # another user made it, who need not write into it either
            return path.open(encoding="ascii")

    def _take(self, lock: IO[str]) -> None:
        deadline_s = time.monotonic() + LOCK_LIMIT_S
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() >= deadline_s:
                held = f"somebody else has held its lock for {LOCK_LIMIT_S:g} s"
                raise UnavailableError(f"the voice store cannot be written: {held}")
            time.sleep(LOCK_POLL_S)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let one writer at a time look and write, whichever process or machine it is in."""
        try:
            if not self._is_there():
                self._folder.mkdir(parents=True, exist_ok=True)
                self._was_there = True
            with self._lock_file() as lock:
                self._take(lock)
                yield
        except OSError as error:
            log.warning("the voice store %s cannot be written: %s", self._folder, error)
            raise UnavailableError(f"the voice store cannot be written: {error.strerror}") from error


def _unreadable(error: OSError) -> UnavailableError:
    return UnavailableError(f"the voice store cannot be read: {error.strerror}")


def _version(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
