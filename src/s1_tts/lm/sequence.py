"""A stream in the engine: what it still has to say, where it stands in its slot, and what it has not sent yet."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from s1_tts.lm.chunking import ChunkSchedule
from s1_tts.lm.prompt import Columns
from s1_tts.speech_task import SpeechTask, VoicePrompt
from s1_tts.stream_events import CodesChunk, CodesSink


class Status(Enum):
    """Where a sequence stands."""

    WAITING = auto()
    PREFILLING = auto()
    DECODING = auto()
    DONE = auto()


@dataclass(eq=False)
class Sequence:
    """One stream.

    Args:
        stream_id: Id made by the engine.
        request: What to say and how.
        sink: Where its events go.
        parts: The text in parts that are said one after another.
        pending: Columns not yet in the KV pool; decoding starts from the last one.
        arrived_s: When it came, on the engine's clock.
        prefix_length: Columns at the beginning that belong to its voice; 0 without a voice.
        prefix_key: Key of those columns among the known prefixes.
    """

    stream_id: int
    request: SpeechTask
    sink: CodesSink
    parts: deque[str]
    pending: Columns
    arrived_s: float
    prefix_length: int = 0
    prefix_key: bytes = b""

    status: Status = Status.WAITING
    slot: int = -1
    position: int = 0
    """Positions of the slot that are filled; the next column goes here."""
    admitted_s: float = 0.0
    epoch: int = 0
    """How often it began to decode: frames of an earlier time are nobody's."""
    in_flight: int = 0
    """Frames that are launched and not read."""
    num_draws: int = 0
    """Draws whose frames were read; the noise of the next one follows from it."""
    prefill_s: float = 0.0
    """Time spent on the prompt at hand."""
    schedule: ChunkSchedule | None = None
    num_frames: int = 0
    num_chunks: int = 0
    said: list[VoicePrompt] = field(default_factory=list)
    """Parts that are finished, for a context that has to be laid out anew."""
    is_cut: bool = False
    """Whether something of the text was not said."""
    _most_frames: int = field(init=False)
    _part_frames: list[npt.NDArray[np.int32]] = field(default_factory=list)
    _unsent: list[npt.NDArray[np.int32]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._most_frames = self.request.most_frames

    @property
    def deadline_s(self) -> float | None:
        """Time by which the first chunk must be out, if the caller set one."""
        return self.arrived_s + self.request.deadline_ms / 1000 if self.request.deadline_ms else None

    def is_late(self, now_s: float) -> bool:
        """Whether the deadline has passed before anything was sent."""
        return self.num_chunks == 0 and self.deadline_s is not None and now_s > self.deadline_s

    @property
    def is_full(self) -> bool:
        """Whether the frame limit is reached."""
        return self.frames_left <= 0

    @property
    def is_part_silent(self) -> bool:
        """Whether nothing was said of the part at hand."""
        return not self._part_frames

    @property
    def frames_left(self) -> int:
        """Frames that may still come."""
        return self._most_frames - self.num_frames

    def has_chunk(self, now_s: float) -> bool:
        """Whether the frames that were not sent are to go out now."""
        return self.schedule is not None and self.schedule.is_due(len(self._unsent), now_s)

    def begin_decoding(self) -> None:
        """Its prompt is computed."""
        self.status = Status.DECODING
        self.epoch += 1
        self.in_flight = 0

    def wants_frame(self, num_positions: int) -> bool:
        """Whether one more frame may be launched: with those in flight it has neither all its frames nor no room."""
        has_room = self.position + self.in_flight < num_positions
        return self.status is Status.DECODING and has_room and self.in_flight < self.frames_left

    def take_pending(self, count: int) -> Columns:
        """Take the first columns of the prompt; the caller stores them at ``position``."""
        taken, self.pending = self.pending[:, :count], self.pending[:, count:]
        return taken

    def add_frame(self, codes: npt.NDArray[np.int32]) -> None:
        """Add a decoded frame ``[num_codebooks]``."""
        self.num_frames += 1
        self._part_frames.append(codes)
        self._unsent.append(codes)

    def finish_part(self) -> bool:
        """Close the part being said; returns whether another one follows."""
        text = self.parts.popleft()
        if self._part_frames:
            self.said.append(VoicePrompt(text, np.stack(self._part_frames, axis=1)))
        self._part_frames = []
        return bool(self.parts)

    def take_chunk(self, *, is_last: bool, now_s: float) -> CodesChunk:
        """Cut the frames that were not sent into a chunk; a last one may be empty."""
        num_codebooks = self.pending.shape[0] - 1
        codes = np.stack(self._unsent, axis=1) if self._unsent else np.empty((num_codebooks, 0), dtype=np.int32)
        self._unsent = []
        chunk = CodesChunk(
            self.stream_id, self.num_chunks, codes, is_last, self.request.service, is_last and self.is_cut
        )
        self.num_chunks += 1
        if self.schedule is not None:
            self.schedule.sent(codes.shape[1], now_s)
        return chunk
