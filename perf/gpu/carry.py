"""Pack what a bare GPU machine lacks: a tritonserver, its libraries, and Python packages for Python 3.12.

The machine has PyTorch, Triton the compiler, tiktoken, pytest and the like, and no network. One file is made,
``carry.tar.xz`` in the folder ``--out``; ``install.py``, which is in it, makes an environment of what was unpacked.
"""

import argparse
import lzma
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from perf.errors import MeasurementError

PYTHON = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
PACKAGES = (
    *("pydantic", "pydantic-core", "pydantic-settings", "annotated-types", "typing-inspection", "python-dotenv"),
    *("sentencex", "soundfile", "soxr", "cffi", "pycparser", "tritonclient", "python-rapidjson", "pytest-asyncio"),
    "numpy",
)
"""Packages in the versions that are installed here; the server's own were built against numpy 1."""

LARGEST_BYTES = 30_000_000
EMPTY_DATA = ("libicudata", "icudt70_dat")
"""A library that is nothing but data of writing systems, which the server never asks for, and the name of the data."""

LEFT_OUT = ("libpython3",)
"""Libraries of another Python."""

UNREAD = ("tests", "__pycache__", "f2py", "distutils", "typing", "doc")
"""Folders of packages that nothing here imports."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--out", type=Path, default=Path(".gpu"), metavar="DIR", help="where to (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Make the file.

    Raises:
        MeasurementError: it is too large.
    """
    arguments.out.mkdir(exist_ok=True)
    file = arguments.out / "carry.tar.xz"
    with tempfile.TemporaryDirectory(prefix="s1-carry-") as temporary:
        folder = Path(temporary)
        _gather_packages(folder / "site")
        _gather_server(folder / "triton")
        _gather_python(folder / "libpython")
        shutil.copy2(Path(__file__).with_name("carried_install.py"), folder / "install.py")
        _strip(folder.rglob("*"))
        with lzma.open(file, "wb", preset=9) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
            for name in sorted(folder.iterdir()):
                tar.add(name, name.name)
    size = file.stat().st_size
    if size > LARGEST_BYTES:
        raise MeasurementError(f"{file} has {size} bytes; allowed: {LARGEST_BYTES}")
    print(f"{file}: {size / 1e6:.1f} MB")


def _gather_packages(site: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="s1-wheels-") as wheels:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--python-version", PYTHON, "--implementation", "cp", "--dest", wheels]
        for platform in PLATFORMS:
            command += ["--platform", platform]
        command += [f"{name}=={version(name)}" for name in PACKAGES]
        subprocess.run(command, check=True)
        for wheel in Path(wheels).glob("*.whl"):
            shutil.unpack_archive(wheel, site, "zip")
    for name in UNREAD:
        for folder in [each for each in (site / "numpy").rglob(name) if each.is_dir() and each.parent.name != "numpy"]:
            shutil.rmtree(folder)
    for name in ("tests", "f2py"):
        shutil.rmtree(site / "numpy" / name, ignore_errors=True)
    for file in site.rglob("*.pyi"):
        file.unlink()


def _gather_server(folder: Path) -> None:
    """Lay the server of the wheel nvidia-pytriton out as NVIDIA's image does."""
    packages = Path(sysconfig.get_path("platlib"))
    root = packages / "pytriton" / "tritonserver"
    backend = folder / "backends" / "python"
    for place in (folder / "bin", backend, folder / "lib"):
        place.mkdir(parents=True)
    shutil.copy2(root / "bin" / "tritonserver", folder / "bin")
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        shutil.copy2(root / "backends" / "python" / name, backend)
    shutil.copy2(root / "python_backend_stubs" / PYTHON / "triton_python_backend_stub", backend)
    for library in (packages / "nvidia_pytriton.libs").iterdir():
        if library.name.startswith(EMPTY_DATA[0]):
            _make_empty_data(folder / "lib" / library.name)
        elif not library.name.startswith(LEFT_OUT):
            shutil.copy2(library, folder / "lib")


def _make_empty_data(library: Path) -> None:
    source = f"const char {EMPTY_DATA[1]}[32] = {{0}};"
    command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=source, text=True, check=True)


def _gather_python(folder: Path) -> None:
    """Take Python's library along, if one of that version is here: the machine's image may have the program alone."""
    folder.mkdir()
    places = [Path("/usr/lib/x86_64-linux-gnu"), *Path.home().glob(f".pyenv/versions/{PYTHON}.*/lib")]
    for place in places:
        library = place / f"libpython{PYTHON}.so.1.0"
        if library.exists():
            shutil.copy2(library, folder)
            return


def _strip(files: Iterable[Path]) -> None:
    """Leave out what only debuggers read; a library that loses nothing by it stays as it is."""
    for file in files:
        if file.is_file() and not file.is_symlink() and file.open("rb").read(4) == b"\x7fELF":
            smaller = file.with_name(file.name + ".stripped")
            done = subprocess.run(["strip", "--strip-unneeded", "-o", smaller, file], capture_output=True, check=False)
            if done.returncode == 0 and smaller.stat().st_size < file.stat().st_size:
                shutil.copymode(file, smaller)
                smaller.replace(file)
            smaller.unlink(missing_ok=True)
