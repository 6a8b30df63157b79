"""A container's restrictions without a container engine: own root, read-only; no capabilities; few places to write."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM = ("/usr", "/etc", "/dev", "/sys")
LINKS = ("bin", "lib", "lib64", "sbin")
USER = 1000

ENTER = """
set -eu
root=$1; shift
mount -t tmpfs -o mode=755 root "$root"
mkdir "$root/proc"
mount -t proc proc "$root/proc"
for link in {links}; do [ ! -L "/$link" ] || cp -a "/$link" "$root/$link"; done
{mounts}
mount -o remount,ro "$root"
exec prlimit --nofile={files}:{files} --core=0:0 chroot "$root" \\
  setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs --bounding-set -all --inh-caps -all env -C / "$@"
"""


@dataclass(frozen=True)
class Jail:
    """Where a command runs.

    Args:
        folder: An empty one, on which its root is mounted, for it alone.
        tmpfs: Small disks, as ``docker run --tmpfs`` takes them: a path, a colon, options.
        shm: Size of ``/dev/shm``.
        files: Files that may be open.
        read: Files and folders that can be read, at the same path.
        write: Folders that can be written, by where they are seen.
    """

    folder: Path
    tmpfs: Sequence[str]
    shm: str
    files: int
    read: Sequence[Path] = ()
    write: Mapping[str, Path] = field(default_factory=dict)

    @staticmethod
    def fault() -> str:
        """Why there can be none here; empty if there can."""
        if missing := [name for name in ("unshare", "setpriv", "prlimit", "chroot") if not shutil.which(name)]:
            return f"needs {', '.join(missing)}"
        probe = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        return f"needs to mount: {done.stderr.strip()}" if done.returncode else ""

    def command(self, words: Sequence[str | Path], variables: Mapping[str, str]) -> list[str | Path]:
        """The command that runs another one in the jail, as process 1, with these variables and no others."""
        settings = [f"{name}={value}" for name, value in variables.items()]
        script = ENTER.format(links=" ".join(LINKS), mounts="\n".join(self._mounts()), user=USER, files=self.files)
        inside = ["unshare", "--mount", "--pid", "--fork", "--propagation", "private"]
        return [*inside, "sh", "-c", script, "jail", self.folder, "-i", *settings, *words]

    def _mounts(self) -> list[str]:
        lines = [line for path in SYSTEM for line in _bind(path, path, is_writable=path == "/dev")]
        small = [each.partition(":")[::2] for each in self.tmpfs]
        for path, options in (("/dev/shm", f"size={self.shm},mode=1777"), *small):
            lines += [f'mkdir -p "$root{path}"', f'mount -t tmpfs -o "{options}" small "$root{path}"']
        for each in self.read:
            lines += _bind(str(each), str(each))
        for inside, outside in self.write.items():
            lines += _bind(str(outside), inside, is_writable=True)
        return lines


def _bind(outside: str, inside: str, *, is_writable: bool = False) -> list[str]:
    lines = [f'mkdir -p "$root{inside}"', f'mount --rbind "{outside}" "$root{inside}"']
    return lines if is_writable else [*lines, f'mount -o remount,bind,ro "$root{inside}"']
