"""Make the passwords and tokens of docker-compose.prod.yml, each in a file; what is there already stays."""

import argparse
import hashlib
import secrets
import sys
from pathlib import Path

from s1_gateway.auth import hash_token

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "secrets"


def make(folder: Path) -> list[str]:
    """Make what is missing; gives the names of the files that were made.

    Args:
        folder: Nobody else on this machine may look into it. The files themselves may be read by anybody, since
            containers read them as users of their own.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []

    def write(name: str, text: str) -> None:
        path = folder / name
        path.write_text(text + "\n", encoding="utf-8")
        path.chmod(0o444)
        made.append(name)

    if not ((folder / "redis_url").exists() and (folder / "redis_users").exists()):  # they belong together
        password = secrets.token_urlsafe(32)
        digest = hashlib.sha256(password.encode()).hexdigest()
        for name in ("redis_url", "redis_users"):
            (folder / name).unlink(missing_ok=True)
        write("redis_url", f"redis://s1:{password}@redis:6379/0")
        users = (
            "user default off",
            "user health on nopass resetkeys resetchannels -@all +ping",
            f"user s1 on #{digest} ~* &* +@all -@admin -flushall -flushdb",
        )
        write("redis_users", "\n".join(users))
    if not ((folder / "metrics_token").exists() and (folder / "tokens").exists()):
        token = "s1_" + secrets.token_urlsafe(32)
        entries = (folder / "tokens").read_text(encoding="utf-8") if (folder / "tokens").exists() else ""
        kept = [line for line in entries.splitlines() if not line.startswith("prometheus ")]
        for name in ("metrics_token", "tokens"):
            (folder / name).unlink(missing_ok=True)
        write("metrics_token", token)
        write("tokens", "\n".join([*kept, f"prometheus {hash_token(token)} scopes=metrics"]))
        (folder / "tokens").chmod(0o644)  # callers are added to it
    for name, text in {
        "webhook_secret": secrets.token_urlsafe(32),
        "flower_password": f"ops:{secrets.token_urlsafe(24)}",
        "grafana_password": secrets.token_urlsafe(24),
    }.items():
        if not (folder / name).exists():
            write(name, text)
    return made


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="where to put them")
    folder: Path = parser.parse_args().folder
    try:
        made = make(folder)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: made {', '.join(made)}" if made else f"{folder}: all was there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
