"""Make an environment of what was carried; runs on the bare machine, in the unpacked folder.

``python3 install.py REPOSITORY`` prints shell assignments for ``eval``: the interpreter, and variables for a server.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = ("src", "client", "training", ".")
"""Folders of the repository that hold packages."""

LIBRARY = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"


def main() -> None:
    """Make the environment beside this file."""
    here, repository = Path(__file__).resolve().parent, Path(sys.argv[1]).resolve()
    environment = here / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    site = next((environment / "lib").glob("python3*")) / "site-packages"
    paths = [here / "site", *(repository / name for name in PACKAGES), sysconfig.get_path("purelib")]
    (site / "carried.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    print(f"PYTHON={environment / 'bin' / 'python'}")
    print(f"export PATH={here / 'triton' / 'bin'}:{environment / 'bin'}:$PATH")
    libraries = [here / "triton" / "lib", own_library_folder() or here / "libpython"]
    print(f"export LD_LIBRARY_PATH={':'.join(map(str, libraries))}:$LD_LIBRARY_PATH")


def own_library_folder() -> Path | None:
    """Where this machine's Python library is, if it has one.

    It goes before the carried one, which may be built otherwise: Debian's holds modules that another one looks for in
    files.
    """
    places = (sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib", "/usr/lib/x86_64-linux-gnu")
    return next((Path(place) for place in places if place and (Path(place) / LIBRARY).exists()), None)


if __name__ == "__main__":
    main()
