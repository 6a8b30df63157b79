"""How a client connects, retries and hands sound over: what is the caller's choice and not the model's."""

import random
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How to encrypt the connection; files are PEM.

    Args:
        root_certificates: Certificates to trust; None: those of the system.
        private_key: The caller's own key, where the server asks for one.
        certificate_chain: The certificate that goes with it.
    """

    root_certificates: Path | None = None
    private_key: Path | None = None
    certificate_chain: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When a request is sent again: only after UNAVAILABLE, and only while no sound of it has come.

    Of several servers, each is asked before any is asked again; that all refuse is one attempt, and so is each that is
    gone: a request that kills servers is not to go through all of them.

    Args:
        max_attempts: Attempts at most; 1 never repeats one.
        first_delay_s: Wait before the second attempt, if there is no other server; it doubles from attempt to attempt.
        max_delay_s: Longest wait.
    """

    max_attempts: int = 3
    first_delay_s: float = 0.1
    max_delay_s: float = 2.0

    def delay_s(self, num_failed: int) -> float:
        """Wait after so many failed attempts; by chance up to half shorter, so that callers do not come in step."""
        longest_s: float = min(self.first_delay_s * 2 ** (num_failed - 1), self.max_delay_s)
        return longest_s * random.uniform(0.5, 1.0)


class Pick(StrEnum):
    """How one of several servers is chosen."""

    LEAST_OPEN = "least_open"
    """The one that works on the fewest requests of this client; of equals the next in turn."""

    ROUND_ROBIN = "round_robin"
    """The next in turn."""


class WhenFull(StrEnum):
    """What becomes of a chunk that comes while the buffer is full."""

    WAIT = "wait"
    """Nothing more is read, so that the connection's flow control holds the server back."""

    DROP_OLDEST = "drop_oldest"
    """The oldest chunk makes room and is counted: for live sound, which is worth nothing late."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How sound is handed over.

    Args:
        deadline_s: Time from the request to its last chunk, else the request is cancelled; of live text, this holds
            for each sentence. None: no limit. (``SpeechOptions.deadline_ms`` is the server's: until its first chunk.)
        stall_timeout_s: Longest wait for the next chunk, the first included; None: no limit.
        max_buffered_chunks: Chunks held for a consumer that reads slowly.
        max_buffered_bytes: Their samples together, beside the chunk that went over it; None: no limit but the chunks'.
        when_full: What then becomes of further ones.
    """

    deadline_s: float | None = 1800.0
    stall_timeout_s: float | None = 30.0
    max_buffered_chunks: int = 32
    max_buffered_bytes: int | None = None
    when_full: WhenFull = WhenFull.WAIT

    def __post_init__(self) -> None:
        if self.max_buffered_chunks < 1:
            raise ValueError(f"max_buffered_chunks: got {self.max_buffered_chunks}; allowed: 1 or more")
        if self.max_buffered_bytes is not None and self.max_buffered_bytes < 1:
            raise ValueError(f"max_buffered_bytes: got {self.max_buffered_bytes}; allowed: 1 or more, or None")
        for name, value in (("deadline_s", self.deadline_s), ("stall_timeout_s", self.stall_timeout_s)):
            if value is not None and value <= 0:
                raise ValueError(f"{name}: got {value}; allowed: over 0, or None")
