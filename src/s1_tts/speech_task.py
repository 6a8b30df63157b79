"""What the engine is asked to say, and how; all of it has been checked."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from s1_protocol.errors import UnavailableError
from s1_protocol.limits import MAX_FRAMES as LONGEST_FRAMES
from s1_protocol.names import ServiceClass
from s1_protocol.request_options import (
    CHUNK_FRAMES,
    DEADLINE_MS,
    MAX_FRAMES,
    NORMALIZE,
    REPETITION_PENALTY,
    TEMPERATURE,
    TOP_P,
)
from s1_protocol.text.spoken_length import spoken_letters

_FRAMES_A_LETTER = 3
"""A slow speaker says ten letters a second, which is two frames a letter."""
_FEWEST_FRAMES = 2048
"""95 s: a short text may be a number or an address that takes long to say."""


@dataclass(frozen=True)
class Sampling:
    """How the next code is drawn.

    Args:
        temperature: 0 takes the most likely code, up to 2.
        top_p: Nucleus mass, over 0 to 1; applied before the temperature, as fish-speech 0.1.0 does.
        repetition_penalty: 0.5 to 2; 1 is none. Looks at the last 16 frames, per codebook.
        seed: Seed of the request's own generator.
    """

    temperature: float = TEMPERATURE.default
    top_p: float = TOP_P.default
    repetition_penalty: float = REPETITION_PENALTY.default
    seed: int = 0

    @property
    def row(self) -> tuple[float, float, float]:
        """Temperature, top_p and penalty: what a row of a batch needs of it beside its noise."""
        return self.temperature, self.top_p, self.repetition_penalty


@dataclass(frozen=True, eq=False)
class VoicePrompt:
    """A recording the speech should sound like.

    Args:
        transcript: What is said in it.
        codes: Its codes ``[num_codebooks, frames]``, integer.
    """

    transcript: str
    codes: npt.NDArray[np.int32]


@dataclass(frozen=True)
class CodesFormat:
    """What codes a language model can read.

    Args:
        num_codebooks: Rows of a codes tensor.
        codebook_size: Codes are 0 to this, less one.
    """

    num_codebooks: int
    codebook_size: int


@dataclass(frozen=True)
class SpeechTask:
    """What to say and how.

    Args:
        text: The caller's text, valid and with something to say.
        sampling: How codes are drawn.
        max_frames: Frames at most; 21.53 are a second; 0: see :attr:`most_frames`.
        chunk_frames: Frames a chunk; 0 lets the server choose, small first, then growing.
        service: Class of the caller.
        deadline_ms: Time by which the first audio must be sent; 0: none.
        normalize: Whether the text front end spells amounts, times and the like out.
        prompts: Recordings of the voice, in order.
        caller: Who asks, by a name that means nothing; empty: not told.
    """

    text: str
    sampling: Sampling = field(default_factory=Sampling)
    max_frames: int = MAX_FRAMES.default
    chunk_frames: int = CHUNK_FRAMES.default
    service: ServiceClass = ServiceClass.NOTE
    deadline_ms: int = DEADLINE_MS.default
    normalize: bool = NORMALIZE.default
    prompts: tuple[VoicePrompt, ...] = ()
    caller: str = ""

    @property
    def most_frames(self) -> int:
        """Frames at which the speech is cut: the caller's limit, else twice what the text needs."""
        needed = round(_FRAMES_A_LETTER * spoken_letters(self.text))
        return self.max_frames or min(max(needed, _FEWEST_FRAMES), LONGEST_FRAMES)

    def with_voice(self, prompts: tuple[VoicePrompt, ...], waited_s: float) -> "SpeechTask":
        """The task once its voice is there.

        Args:
            prompts: Recordings of the voice.
            waited_s: Time this took; it is taken off the deadline.

        Raises:
            UnavailableError: it took longer than the deadline allows.
        """
        deadline_ms = self.deadline_ms and math.ceil(self.deadline_ms - waited_s * 1000)
        if deadline_ms < 0 or (self.deadline_ms and not deadline_ms):
            raise UnavailableError(f"deadline_ms: {self.deadline_ms} has passed before the voice was there")
        return replace(self, prompts=prompts, deadline_ms=deadline_ms)
