"""The engine's door: what a request must be before it may wait for a slot."""

from collections import deque
from dataclasses import dataclass, replace

from s1_protocol.errors import InvalidArgumentError, UnavailableError
from s1_protocol.text.cleaning import clean_text, is_speakable
from s1_protocol.text.sentences import split_text
from s1_tts.lm.prefix_cache import prefix_key
from s1_tts.lm.prompt import Columns, PromptBuilder
from s1_tts.lm.recorder import Recorder
from s1_tts.lm.scheduler import Scheduler
from s1_tts.lm.sequence import Sequence
from s1_tts.speech_task import SpeechTask
from s1_tts.stream_events import CodesSink
from s1_tts.text.front_end import TextFrontEnd


@dataclass(frozen=True, eq=False)
class Prepared:
    """A request as the model reads it.

    Args:
        request: The request, its transcripts read by the front end.
        parts: The text in parts that are said one after another, read by the front end.
        columns: What the first part begins with.
        prefix_length: Columns of it that belong to the voice.
        prefix_key: Key of these columns.
    """

    request: SpeechTask
    parts: tuple[str, ...]
    columns: Columns
    prefix_length: int
    prefix_key: bytes

    def sequence(self, stream_id: int, sink: CodesSink, now_s: float) -> Sequence:
        """Make the stream that waits for a slot."""
        return Sequence(
            stream_id, self.request, sink, deque(self.parts), self.columns, now_s, self.prefix_length, self.prefix_key
        )


class Admission:
    """Reads requests and refuses those that cannot be served. It keeps nothing, so any thread may ask.

    Args:
        builder: Lays out prompts.
        front_end: What the checkpoint wants done to a text before it is tokenized.
        part_characters: Longest part of a text that is generated in one go.
        num_positions: Longest sequence.
    """

    def __init__(
        self, builder: PromptBuilder, front_end: TextFrontEnd, part_characters: int, num_positions: int
    ) -> None:
        self._builder = builder
        self._front_end = front_end
        self._part_characters = part_characters
        self._num_positions = num_positions

    def prepare(self, request: SpeechTask) -> Prepared:
        """Lay out what is computed first.

        Raises:
            InvalidArgumentError: the prompt does not fit into the context, or the model cannot read the text.
        """
        request = self._read_transcripts(request)
        parts = self._parts(request)
        columns = self._builder.first_part(parts[0], request.prompts)
        self._check_parts_fit(columns, parts)
        prefix = columns[:, : self._builder.prefix_length(request.prompts)]
        return Prepared(request, parts, columns, prefix.shape[1], prefix_key(prefix))

    def _read_transcripts(self, request: SpeechTask) -> SpeechTask:
        prompts = (replace(prompt, transcript=self._front_end(prompt.transcript)) for prompt in request.prompts)
        return replace(request, prompts=tuple(prompts))

    def _parts(self, request: SpeechTask) -> tuple[str, ...]:
        parts = split_text(clean_text(request.text), self._part_characters)
        return tuple(self._front_end(part, normalize=request.normalize) for part in parts if is_speakable(part))

    def _check_parts_fit(self, columns: Columns, parts: tuple[str, ...]) -> None:
        """Each part may have to begin a context of its own, behind the voice."""
        check_fits(columns.shape[1], self._num_positions)
        around = columns.shape[1] - self._builder.text_length(parts[0])
        for part in parts[1:]:
            check_fits(around + self._builder.text_length(part), self._num_positions)


def check_fits(num_tokens: int, num_positions: int) -> None:
    """Refuse a prompt that leaves no room for speech.

    Args:
        num_tokens: Tokens of the prompt and of what its context holds already.
        num_positions: Longest sequence.

    Raises:
        InvalidArgumentError: it is too long.
    """
    limit = num_positions - 1
    if num_tokens > limit:
        raise InvalidArgumentError(
            "text", f"takes {num_tokens} tokens with its voice", f"at most {limit} tokens in this server"
        )


def check_deadline(sequence: Sequence, scheduler: Scheduler, recorder: Recorder, first_frames: int) -> None:
    """Refuse a request whose deadline would pass before its first chunk.

    Args:
        sequence: The stream, not yet waiting.
        scheduler: Those before it.
        recorder: How long things take at present.
        first_frames: Frames of a first chunk where the caller leaves it to the server.

    Raises:
        UnavailableError: the deadline cannot be met.
    """
    if sequence.deadline_s is None:
        return
    request = sequence.request
    expected_s = recorder.first_chunk_s(
        scheduler.num_ahead(request.service, request.caller) + (scheduler.num_open(request.service) == 0),
        scheduler.max_slots,
        sequence.pending.shape[1],
        request.chunk_frames or first_frames,
    )
    if expected_s * 1000 > request.deadline_ms:
        raise deadline_error(sequence, f"cannot be met: first audio would take about {expected_s * 1000:.0f} ms")


def deadline_error(sequence: Sequence, why: str) -> UnavailableError:
    """The error of a stream whose deadline is not met."""
    return UnavailableError(f"deadline_ms: {sequence.request.deadline_ms} {why}")
