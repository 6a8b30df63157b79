"""Find a ``tritonserver`` on this machine and what it needs to run our Python models."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from s1_protocol.errors import SettingsError

IMAGE_BINARY = Path("/opt/tritonserver/bin/tritonserver")
"""Where NVIDIA's image keeps the server."""


@dataclass(frozen=True)
class Distribution:
    """An installed ``tritonserver``.

    Args:
        binary: The program.
        backends: Its backend directory; ``None`` when the server finds it by itself, or ``backend_files`` make it up.
        backend_files: Files that make up its Python backend, to be gathered in one folder.
        library_folders: Folders for ``LD_LIBRARY_PATH``.
        exit_timeout_s: Time that it gives requests in flight when it stops. From 25.05 on, a stop without any takes
            more than 3 s.
    """

    binary: Path
    backends: Path | None = None
    backend_files: tuple[Path, ...] = ()
    library_folders: tuple[Path, ...] = ()
    exit_timeout_s: int = 5

    def lay_out_backends(self, folder: Path) -> Path | None:
        """Gather the Python backend as the server expects it.

        Args:
            folder: Folder to fill; made here.

        Returns:
            Value of ``--backend-directory``, or ``None`` when the server's own default is right.
        """
        if not self.backend_files:
            return self.backends
        backend = folder / "python"
        backend.mkdir(parents=True)
        for file in self.backend_files:
            shutil.copy2(file, backend / file.name)
        return folder

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Environment in which the server's model processes are this very Python.

        The model processes embed Python and find its packages through the first ``python3`` on ``PATH``, so the
        folder of the running interpreter, which may be a virtual environment's, comes first.

        Args:
            base: Environment to add to.
        """
        environment = dict(base)
        environment["PATH"] = _prepend([Path(sys.executable).parent], base.get("PATH", os.defpath))
        if self.library_folders:
            environment["LD_LIBRARY_PATH"] = _prepend(self.library_folders, base.get("LD_LIBRARY_PATH", ""))
        return environment


def find_distribution(program: Path | None = None) -> Distribution:
    """Find the server: on ``PATH``, in NVIDIA's image, or in the ``nvidia-pytriton`` wheel of this Python.

    Args:
        program: The server itself, laid out as in NVIDIA's image: ``bin/tritonserver``, ``backends`` and ``lib``.

    Raises:
        SettingsError: there is none, or it has no model process for this Python.
    """
    if program is not None:
        if not os.access(program, os.X_OK) or program.is_dir():
            raise SettingsError(f"S1_TRITON_SERVER={str(program)!r}: is no program")
        return _installed(program.resolve())
    on_path = shutil.which("tritonserver")
    if on_path is not None:
        return _installed(Path(on_path).resolve())
    if IMAGE_BINARY.exists():
        return _installed(IMAGE_BINARY)
    # The wheel is only looked at, never imported: its Python interface is not used and wants packages of its own.
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(
            "no tritonserver found: neither on PATH, nor at /opt/tritonserver, nor in the wheel nvidia-pytriton "
            "(pip install --no-deps nvidia-pytriton==0.7.0)"
        )
    return _from_wheel(Path(spec.submodule_search_locations[0]))


def _installed(binary: Path) -> Distribution:
    """Take a server that is laid out as in NVIDIA's image, wherever that layout lies."""
    backends, libraries = binary.parent.parent / "backends", binary.parent.parent / "lib"
    return Distribution(
        binary,
        backends if backends.is_dir() else None,
        library_folders=(libraries,) if libraries.is_dir() else (),
    )


def _from_wheel(package: Path) -> Distribution:
    root = package / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = root / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        raise SettingsError(f"the tritonserver in {root} has no model process for Python {version}")
    numpy_version = importlib.metadata.version("numpy")
    if int(numpy_version.partition(".")[0]) >= 2:
        # Its model processes were built against numpy 1 and misread every tensor, down to a crash, with a later one.
        raise SettingsError(f"the tritonserver in {root} needs numpy below 2, and {numpy_version} is installed")
    backend = root / "backends" / "python"
    return Distribution(
        binary=root / "bin" / "tritonserver",
        backend_files=(backend / "libtriton_python.so", backend / "triton_python_backend_utils.py", stub),
        library_folders=(
            Path(str(sysconfig.get_config_var("LIBDIR"))),
            package.parent / "nvidia_pytriton.libs",
        ),
        exit_timeout_s=3,  # release 24.10 stops at once what can be stopped
    )


def _prepend(folders: tuple[Path, ...] | list[Path], value: str) -> str:
    return os.pathsep.join([*map(str, folders), *([value] if value else [])])
