"""Compile C++ for this very CPU, once, and load it."""

import ctypes
import hashlib
import logging
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from s1_tts.device import cpu_flags

log = logging.getLogger(__name__)

SHARED_SOURCES = Path(__file__).parent
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fopenmp", "-fPIC", "-shared")
COMPILERS = ("g++", "c++", "clang++")
LONGEST_COMPILATION_S = 120.0


@dataclass(frozen=True)
class Program:
    """What becomes one library.

    Args:
        name: How the library's name begins.
        source: What is compiled; it may include headers of its folder and of this one.
        user: What runs it, for the log.
        loss: What its user does without it, for the log.
    """

    name: str
    source: Path
    user: str
    loss: str


def load_library(program: Program) -> ctypes.CDLL | None:
    """Compile a library, unless that was done before, and load it.

    The result is kept in ``$XDG_CACHE_HOME/s1-tts`` (``~/.cache/s1-tts``) under a name that tells sources, compiler and
    CPU apart, with its digest beside it: one that was cut short or damaged is made anew.

    Returns:
        The library; none where it cannot be compiled, and the log says why.
    """
    command = _compiler()
    if command is None:
        log.warning("no C++ compiler: %s %s; install g++", program.user, program.loss)
        return None
    folder = _cache_folder()
    if folder is None:
        log.warning("no folder can be written: %s %s; set XDG_CACHE_HOME", program.user, program.loss)
        return None
    library = folder / f"{program.name}-{_fingerprint(program, command)}.so"
    if not _is_whole(library) and not _compile(program, command, library):
        return None
    return ctypes.CDLL(str(library))


def _is_whole(library: Path) -> bool:
    """Whether a library is what was once compiled."""
    try:
        return _digest_file(library).read_text(encoding="ascii") == _digest(library)
    except (OSError, ValueError):
        return False


def _digest_file(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _compiler() -> list[str] | None:
    """Command of the compiler: what ``CXX`` says, else the first that is there."""
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    return next(([found] for name in COMPILERS if (found := shutil.which(name))), None)


def _cache_folder() -> Path | None:
    """Where the library is kept: the user's cache, else one folder of this user among temporary files."""
    homes = [os.environ.get("XDG_CACHE_HOME"), os.path.join(os.path.expanduser("~"), ".cache")]
    for root in filter(os.path.isabs, filter(None, homes)):  # without HOME and name, "~" stays as it is
        folder = Path(root) / "s1-tts"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    try:
        folder = Path(tempfile.gettempdir()) / f"s1-tts-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    # what another user could write to would be his code in this process
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return folder if is_ours and os.access(folder, os.W_OK) else None


def _fingerprint(program: Program, command: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((command, FLAGS, _version(command), sorted(cpu_flags()))).encode())
    for folder in (SHARED_SOURCES, program.source.parent):
        for source in sorted([*folder.glob("*.h"), *folder.glob("*.cpp")]):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _version(command: Sequence[str]) -> str:
    try:
        return subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def _compile(program: Program, command: Sequence[str], library: Path) -> bool:
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        try:
            done = subprocess.run(
                [*command, *FLAGS, f"-I{SHARED_SOURCES}", str(program.source), "-o", str(made)],
                capture_output=True,
                text=True,
                check=False,
                timeout=LONGEST_COMPILATION_S,
            )
            fault = done.stderr.strip() if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            fault = str(error)
        if fault or not made.exists():
            log.warning(
                "kernels cannot be compiled, so %s %s:\n%s",
                program.user,
                program.loss,
                "\n".join(fault.splitlines()[:10]),
            )
            return False
        # Each at once, so that servers that start together all find whole files.
        digest = Path(folder) / "digest"
        digest.write_text(_digest(made), encoding="ascii")
        os.replace(made, library)
        os.replace(digest, _digest_file(library))
    log.info("kernels of %s compiled by %s in %.1f s", program.user, command[0], time.monotonic() - started_s)
    return True
