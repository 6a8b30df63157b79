"""What a storm was, and what came of it: kept where ``STORM_OUT`` names a file."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

OUT = os.environ.get("STORM_OUT")


@dataclass(frozen=True)
class StormFigures:
    """Figures of a storm that passed.

    Args:
        server: Who spoke: the stand-in, or Triton with a checkpoint.
        jobs: How many were made.
        ended: By state.
        hits: What happened to the place, and how often.
        lost: Times that a job's worker died with it, so that another one began it anew.
        retried: Times that a job was put back, as a server or the store was gone.
        most_attempts: Of one job.
        equal: Jobs whose samples are those of a direct answer, bit for bit.
        messages: Webhooks that came, all verified.
        hook_tries: Tries of them by outcome.
        took_s: From the first submission until every caller was told.
    """

    server: str
    jobs: int
    ended: dict[str, int]
    hits: dict[str, int]
    lost: int
    retried: int
    most_attempts: int
    equal: int
    messages: int
    hook_tries: dict[str, int]
    took_s: float

    def keep(self) -> None:
        """Print them, and append them to the list in the file of ``STORM_OUT``."""
        print(f"\n{self}")
        if OUT is None:
            return
        file = Path(OUT)
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True)
        conditions = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit.stdout.strip(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average": os.getloadavg()[2],
        }
        file.write_text(json.dumps([*kept, conditions | asdict(self)], indent=1) + "\n", encoding="utf-8")
