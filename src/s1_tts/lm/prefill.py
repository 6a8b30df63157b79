"""Compute prompts piece by piece, so that no prompt holds up the streams that run."""

from s1_tts.lm.prefix_cache import PrefixCache
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.sequence import Sequence, Status


class Prefiller:
    """Brings sequences from their prompt to their first decode step.

    Where a prompt is cut depends on nothing but the prompt: a voice's prefix ends a piece, known or not, so that its
    keys and values, and all after them, are the same whoever else runs and whatever was kept.

    Args:
        runner: The model.
        prefixes: Prefixes of voices.
        piece_tokens: Tokens computed at most in one go.
    """

    def __init__(self, runner: ModelRunner, prefixes: PrefixCache, piece_tokens: int) -> None:
        self._runner = runner
        self._prefixes = prefixes
        self._piece_tokens = piece_tokens

    def advance(self, sequence: Sequence) -> int:
        """Compute the next piece of a sequence's prompt; at its end the sequence is decoding.

        Returns:
            Tokens that were computed; none when all that was left was a known prefix or the last column.
        """
        if sequence.position == 0 and sequence.prefix_length:
            self._restore_prefix(sequence)
        is_in_prefix = sequence.position < sequence.prefix_length
        end = sequence.prefix_length if is_in_prefix else sequence.position + sequence.pending.shape[1] - 1
        count = min(self._piece_tokens, end - sequence.position)
        if count > 0:
            self._runner.prefill(sequence.slot, sequence.take_pending(count), sequence.position)
            sequence.position += count
        if is_in_prefix and sequence.position == sequence.prefix_length:
            self._prefixes.keep(sequence.prefix_key, sequence.slot, sequence.prefix_length)
        if sequence.pending.shape[1] == 1:
            self._runner.start(sequence.slot, sequence.pending[:, 0])
            sequence.status = Status.DECODING
        return count

    def _restore_prefix(self, sequence: Sequence) -> None:
        if self._prefixes.restore(sequence.prefix_key, sequence.slot):
            sequence.take_pending(sequence.prefix_length)
            sequence.position = sequence.prefix_length
