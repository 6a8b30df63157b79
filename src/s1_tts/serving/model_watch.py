"""Look whether the processes of a server live: Triton notices late that one is gone, and starts none again."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import psutil

STOPPED_S = 1.0
"""A process that is stopped for this long counts as lost: after 1.5 s Triton itself breaks the model's streams."""

SILENT_S = 1.5
"""A model process without a sign of life for this long counts as lost; it shows one four times a second."""

LATE_S = 0.5
"""If a look comes later than this, the whole machine stood still: everybody gets their time anew."""

DEAD = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


@dataclass(eq=False)
class _Watched:
    """A process.

    Args:
        process: The process.
        name: What it is, in words.
        sign: The file whose time of change is its sign of life; none: it shows none.
        changed_s: When its sign changed last, on the watcher's clock.
        running_s: When it was last seen not stopped.
        stamp: Time of change of the file then.
    """

    process: psutil.Process
    name: str
    sign: Path | None
    changed_s: float
    running_s: float
    stamp: int = 0


@dataclass
class ModelWatch:
    """Watches a server that is ready.

    Args:
        process_id: The server's.
        signs: Folder with the signs of life of its model processes.
        now_s: Time of the first look.
    """

    process_id: int
    signs: Path
    now_s: float
    _watched: list[_Watched] = field(default_factory=list)

    def __post_init__(self) -> None:
        server = psutil.Process(self.process_id)
        self._watched = [_Watched(server, "tritonserver", None, self.now_s, self.now_s)]
        for child in server.children(recursive=True):
            model = _model_of(child)
            if model:
                sign = self.signs / str(child.pid)
                name = f"the process of {model}"
                shown = sign if sign.exists() else None
                self._watched.append(_Watched(child, name, shown, self.now_s, self.now_s))

    @property
    def num_models(self) -> int:
        """Model processes that are watched."""
        return len(self._watched) - 1

    @property
    def is_server_dead(self) -> bool:
        """Whether the server itself is dead, and not only a model of it."""
        return _status(self._watched[0].process) in DEAD

    def look(self, now_s: float) -> str | None:
        """Look at all of them.

        Args:
            now_s: Now, on a monotonic clock.

        Returns:
            What is lost, in words; none: all live.
        """
        was_away = now_s - self.now_s > LATE_S
        self.now_s = now_s
        for watched in self._watched:
            if was_away:
                watched.changed_s = watched.running_s = now_s
            if fault := self._fault(watched, now_s):
                return f"{watched.name} {fault}"
        return None

    @staticmethod
    def _fault(watched: _Watched, now_s: float) -> str | None:
        status = _status(watched.process)
        if status in DEAD:
            return "is dead"
        if status not in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
            watched.running_s = now_s
        elif now_s - watched.running_s >= STOPPED_S:
            return f"has been stopped for {now_s - watched.running_s:.1f} s"
        if watched.sign is not None:
            with contextlib.suppress(OSError):
                sign = watched.sign.stat()
                if sign.st_mtime_ns != watched.stamp:
                    watched.stamp, watched.changed_s = sign.st_mtime_ns, now_s
                if sign.st_size:
                    return f"tells: {watched.sign.read_text(encoding='utf-8')}"
            if now_s - watched.changed_s >= SILENT_S:
                return f"has given no sign of life for {now_s - watched.changed_s:.1f} s"
        return None


def _status(process: psutil.Process) -> str:
    """Its status; dead, too, where there is none with its id, or another one that started later."""
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_DEAD


def _model_of(process: psutil.Process) -> str | None:
    """Name of the model that a process of Triton's Python backend runs; none for another process."""
    with contextlib.suppress(psutil.Error):
        command = process.cmdline()
        if command and "triton_python_backend_stub" in command[0]:
            return next((Path(part).parent.parent.name for part in command if part.endswith("/model.py")), "a model")
    return None
