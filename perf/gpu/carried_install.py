"""Make an environment of what was carried; runs on the bare machine, in the unpacked folder.

``python3 install.py REPOSITORY`` prints shell assignments for ``eval``: the interpreter, and variables for a server.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = ("src", "client", "training", ".")
"""Folders of the repository that hold packages."""


def main() -> None:
    """Make the environment beside this file."""
    here, repository = Path(__file__).resolve().parent, Path(sys.argv[1]).resolve()
    environment = here / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    site = next((environment / "lib").glob("python3*")) / "site-packages"
    paths = [here / "site", *(repository / name for name in PACKAGES), sysconfig.get_path("purelib")]
    (site / "carried.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    libraries = f"{here / 'triton' / 'lib'}:{here / 'libpython'}"
    print(f"PYTHON={environment / 'bin' / 'python'}")
    print(f"export PATH={here / 'triton' / 'bin'}:{environment / 'bin'}:$PATH")
    print(f"export LD_LIBRARY_PATH={libraries}:$LD_LIBRARY_PATH")


if __name__ == "__main__":
    main()
