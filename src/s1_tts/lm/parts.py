"""How a stream goes on from one part of its text to the next."""

from s1_tts.lm.prompt import Columns, PromptBuilder
from s1_tts.lm.sequence import Sequence, Status

PART_ROOM_FRAMES = 1024
"""Room in the context below which the next part starts with a fresh context; 47 s of speech."""


class PartPlanner:
    """Begins the parts of a text after the first one.

    Args:
        builder: Lays out prompts.
        num_positions: Longest sequence.
    """

    def __init__(self, builder: PromptBuilder, num_positions: int) -> None:
        self._builder = builder
        self._num_positions = num_positions

    def begin_next(self, sequence: Sequence) -> bool:
        """Go on with the next part, in the context of those before it; returns whether there is one.

        The door has seen that each part fits behind its voice (``lm/admission.py``).
        """
        if not sequence.finish_part():
            return False
        columns = self._builder.next_part(sequence.parts[0])
        room = self._num_positions - sequence.position - columns.shape[1]
        if room < min(PART_ROOM_FRAMES, sequence.frames_left):
            columns = self._fresh_context(sequence)
            sequence.position = 0
        sequence.pending = columns
        sequence.status = Status.PREFILLING
        return True

    def _fresh_context(self, sequence: Sequence) -> Columns:
        """Lay the prompt out anew with the latest parts that leave half of the context free."""
        prompts = sequence.request.prompts
        columns = self._builder.first_part(sequence.parts[0], prompts)
        for count in range(1, len(sequence.said) + 1):
            longer = self._builder.first_part(sequence.parts[0], (*prompts, *sequence.said[-count:]))
            if longer.shape[1] > self._num_positions // 2:
                break
            columns = longer
        return columns
