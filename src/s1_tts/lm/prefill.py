"""Compute prompts piece by piece, so that no prompt holds up the streams that run."""

import logging
from collections.abc import Iterable
from collections.abc import Sequence as AbstractSequence

from s1_tts.lm.admission import check_fits
from s1_tts.lm.prefix_cache import PrefixCache
from s1_tts.lm.sequence import Sequence
from s1_tts.lm.stepping import PromptPiece, Runner

log = logging.getLogger(__name__)

PREFILL_TOKENS = {"cpu": 32, "cuda": 256}
"""Prompt tokens that take about as long as a decode step of 8 rows, by device."""


class Prefiller:
    """Brings sequences from their prompt to their first decode step.

    Where a prompt is cut depends on nothing but the prompt: a voice's prefix ends a piece, known or not, so that its
    keys and values, and all after them, are the same in any company and with any keys kept.

    Args:
        runner: The model.
        prefixes: Prefixes of voices.
        piece_tokens: Tokens of a piece at most.
    """

    def __init__(self, runner: Runner, prefixes: PrefixCache, piece_tokens: int) -> None:
        self._runner = runner
        self._prefixes = prefixes
        self._piece_tokens = piece_tokens

    def choose(self, waiting: Iterable[Sequence]) -> list[Sequence]:
        """Choose whose next pieces are computed now: the first one, and on a GPU as many more as fit in one go.

        A prefix that is computed for one of them is not computed for a second one beside it.

        Args:
            waiting: Sequences whose prompts are not computed, in their order.
        """
        chosen: list[Sequence] = []
        computing: set[bytes] = set()
        room = self._runner.prefill_limit
        for sequence in waiting:
            size = self._size(sequence)
            if chosen and size > room:
                break
            is_in_prefix = sequence.position < sequence.prefix_length and not self._is_known(sequence)
            if is_in_prefix and sequence.prefix_key in computing:
                continue
            if is_in_prefix:
                computing.add(sequence.prefix_key)
            chosen.append(sequence)
            room -= size
        return chosen

    def next_piece(self, sequence: Sequence) -> PromptPiece:
        """Cut the next piece of a sequence's prompt; empty when all that was left was a known prefix.

        Raises:
            InvalidArgumentError: the prompt does not fit into the context.
        """
        check_fits(sequence.position + sequence.pending.shape[1], self._runner.num_positions)
        if sequence.position == 0 and sequence.prefix_length:
            self._restore_prefix(sequence)
        return PromptPiece(sequence.slot, sequence.pending[:, : self._size(sequence)], sequence.position)

    def compute(self, pieces: AbstractSequence[PromptPiece]) -> dict[int, Exception]:
        """Store keys and values of pieces, each of another slot.

        Computing them again changes nothing. So when they cannot be computed together, each is computed alone.

        Returns:
            What was raised for those that cannot be computed, by slot.

        Raises:
            Exception: the device is lost.
        """
        try:
            self._runner.prefill_pieces(pieces)
        except Exception as fault:
            if self._runner.is_lost():
                raise
            if len(pieces) == 1:
                return {pieces[0].slot: fault}
            log.warning("%d prompts could not be computed together", len(pieces), exc_info=fault)
            return {slot: fault for piece in pieces for slot, fault in self.compute([piece]).items()}
        return {}

    def advance(self, sequence: Sequence, piece: PromptPiece) -> None:
        """Note that a piece was computed; at the end of its prompt the sequence is decoding."""
        count = piece.columns.shape[1]
        is_in_prefix = sequence.position < sequence.prefix_length
        sequence.take_pending(count)
        sequence.position += count
        if is_in_prefix and sequence.position == sequence.prefix_length:
            self._prefixes.keep(sequence.prefix_key, sequence.slot, sequence.prefix_length)
        if sequence.pending.shape[1] == 1:
            self._runner.start(sequence.slot, sequence.pending[:, 0])
            sequence.begin_decoding()

    def _is_known(self, sequence: Sequence) -> bool:
        return sequence.position == 0 and self._prefixes.knows(sequence.prefix_key)

    def _size(self, sequence: Sequence) -> int:
        """Columns of the next piece."""
        columns = sequence.pending.shape[1] - 1
        if sequence.position < sequence.prefix_length:
            left = sequence.prefix_length - sequence.position
            columns = columns - left if self._is_known(sequence) else left
        return min(self._piece_tokens, columns)

    def _restore_prefix(self, sequence: Sequence) -> None:
        if self._prefixes.restore(sequence.prefix_key, sequence.slot):
            sequence.take_pending(sequence.prefix_length)
            sequence.position = sequence.prefix_length
