"""What a client believes of a server's sound: its rate, its type, and how much of it there can be."""

import numpy as np
import numpy.typing as npt

from s1_client.errors import UnexpectedAnswerError
from s1_protocol.limits import MAX_FRAMES
from s1_protocol.names import ModelName
from s1_protocol.sound import FRAME_SAMPLES, SAMPLE_RATE_HZ

MAX_ANSWER_BYTES = 2 * MAX_FRAMES * FRAME_SAMPLES + 2**20
"""Of one message: the longest speech in one answer, and what is beside it."""

MAX_TEXT_BYTES = 4 * MAX_ANSWER_BYTES
"""Of a whole answer as text: a sample is at most six digits and a comma in JSON, and less in base64."""

MAX_EMPTY_CHUNKS = 100
"""Chunks without sound that one stream may have."""


class SoundCheck:
    """Looks at the chunks of one answer as they come, so that a server cannot fill this machine's memory or its files.

    Args:
        model: Who answers.
    """

    def __init__(self, model: ModelName) -> None:
        self._model = model
        self._num_samples = 0
        self._num_empty = 0

    @property
    def duration_s(self) -> float:
        """Length of the sound that came."""
        return self._num_samples / SAMPLE_RATE_HZ

    def take(self, samples: npt.NDArray[np.int16], sample_rate_hz: int) -> npt.NDArray[np.int16]:
        """Hand a chunk's samples back.

        Args:
            samples: 16-bit PCM, of any shape.
            sample_rate_hz: Its rate, as the server says.

        Returns:
            The samples ``[samples]``.

        Raises:
            UnexpectedAnswerError: it is no 16-bit sound of the model's rate, or more than any text takes.
        """
        if samples.dtype != np.int16:
            raise UnexpectedAnswerError(self._model, f"samples of type {samples.dtype}; known: int16")
        if sample_rate_hz != SAMPLE_RATE_HZ:
            raise UnexpectedAnswerError(self._model, f"{sample_rate_hz} samples a second; known: {SAMPLE_RATE_HZ}")
        self._num_samples += samples.size
        self._num_empty += not samples.size
        if self._num_samples > MAX_FRAMES * FRAME_SAMPLES or self._num_empty > MAX_EMPTY_CHUNKS:
            limit_s = MAX_FRAMES * FRAME_SAMPLES / SAMPLE_RATE_HZ
            raise UnexpectedAnswerError(
                self._model, f"sound without end; known: {limit_s:.0f} s and {MAX_EMPTY_CHUNKS} empty chunks at most"
            )
        return samples.reshape(-1)
