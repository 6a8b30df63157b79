"""What a batch of jobs has done, in its folder: what was sent stands there before it is sent."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from s1_client.errors import S1ClientError

JOBS_JOURNAL_NAME = "jobs.jsonl"


class FolderInUseError(S1ClientError):
    """Another run works in the same folder.

    Args:
        folder: Which.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: another run is working there; wait for it, or use another folder")


@dataclass(frozen=True)
class Ended:
    """What became of an item.

    Args:
        name: Its name.
        digest: Of text, options and format.
        status: ``completed``, ``failed`` or ``cancelled``.
        job_id: Its job; None: it was refused before there was one.
        duration_s: Length of its sound.
        attempts: How often it was tried.
        error: Why there is no sound.
    """

    name: str
    digest: str
    status: str
    job_id: str | None = None
    duration_s: float | None = None
    attempts: int = 0
    error: str | None = None


@dataclass
class Parcel:
    """Items that are sent together, under a key that makes them jobs once, however often they are sent.

    Args:
        key: ``Idempotency-Key``.
        names: Names of the items.
        digests: Of each.
        body: What is sent.
        batch_id: Once it is taken.
        job_ids: Likewise, one for each item.
    """

    key: str
    names: Sequence[str]
    digests: Sequence[str]
    body: dict[str, Any]
    batch_id: str | None = None
    job_ids: Sequence[str] = ()


@dataclass
class JobsJournal:
    """Reads what earlier runs did, and writes what this one does; one run at a time has it.

    Use it as ``with JobsJournal(folder) as journal``.

    Args:
        folder: Of the sound.
    """

    folder: Path
    parcels: dict[str, Parcel] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)

    def __enter__(self) -> Self:
        try:
            import fcntl  # noqa: PLC0415 - the other commands run where there is none
        except ImportError:
            raise S1ClientError("two runs could not be kept apart here, for want of POSIX file locks") from None
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / JOBS_JOURNAL_NAME).open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise FolderInUseError(self.folder) from None
        self._file.seek(0)
        for line in self._file.read().splitlines():
            try:
                self._replay(json.loads(line))
            except (ValueError, TypeError, KeyError):  # an interruption cut it off
                continue
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def sending(self, parcel: Parcel) -> None:
        """Remember, on the disk, that a parcel may be with the gateway from now on."""
        self.parcels[parcel.key] = parcel
        told = {"key": parcel.key, "names": parcel.names, "digests": parcel.digests, "body": parcel.body}
        self._write("sending", told)
        os.fsync(self._file.fileno())

    def taken(self, parcel: Parcel) -> None:
        """Remember the jobs of a parcel."""
        self._write("taken", {"key": parcel.key, "batch_id": parcel.batch_id, "job_ids": parcel.job_ids})

    def dropped(self, parcel: Parcel) -> None:
        """Remember that a parcel has no jobs: it was refused, or is forgotten."""
        del self.parcels[parcel.key]
        self._write("dropped", {"key": parcel.key})

    def end(self, ended: Ended) -> None:
        """Remember what became of an item."""
        self.ended[ended.name] = ended
        self._write("ended", asdict(ended))

    def _write(self, event: str, told: dict[str, Any]) -> None:
        # the line feed comes first as well: an interruption may have cut the last line off
        self._file.write(f"\n{json.dumps({'event': event, **told}, ensure_ascii=False)}\n")
        self._file.flush()

    def _replay(self, told: dict[str, Any]) -> None:
        match told.pop("event"):
            case "sending":
                self.parcels[told["key"]] = Parcel(**told)
            case "taken":
                parcel = self.parcels[told["key"]]
                parcel.batch_id, parcel.job_ids = told["batch_id"], told["job_ids"]
            case "dropped":
                del self.parcels[told["key"]]
            case "ended":
                ended = Ended(**told)
                self.ended[ended.name] = ended
