"""Write a file whole or not at all: beside its place, then renamed into it."""

import os
import secrets
import stat
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file; a reader sees the old one or the new one, and a full disk leaves the old one.

    A new file has the permissions that the umask leaves, a replaced one keeps its own. A link is followed. A device or
    a pipe is written to as it is.

    Args:
        path: Where to.
        data: All of it.

    Raises:
        OSError: it cannot be written; ``filename`` is the path that was asked for.
    """
    try:
        _write(path.resolve(), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(target: Path, data: bytes) -> None:
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        target.write_bytes(data)
        return
    partial = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with partial.open("xb") as file:
            if mode is not None:
                os.chmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
