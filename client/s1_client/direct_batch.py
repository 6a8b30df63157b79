"""Many texts to a folder, some at a time, going on where an earlier run stopped."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from s1_client.audio import silence
from s1_client.batch_items import Item
from s1_client.client import AsyncS1Client
from s1_client.errors import S1ClientError, UnreachableError
from s1_client.options import SpeechOptions
from s1_protocol.text.cleaning import is_speakable

JOURNAL_NAME = "batch.jsonl"
"""One line for each text that was finished or failed, in the folder of the sound."""


@dataclass(frozen=True)
class Outcome:
    """What became of an item.

    Args:
        name: Name of the item.
        digest: Of the text and the options that were used.
        audio_s: Length of its sound; None if there is none.
        error: Why it failed, or that it was cut; None if all of it was said.
    """

    name: str
    digest: str
    audio_s: float | None = None
    error: str | None = None


class DirectBatch:
    """Says the texts of a batch.

    A file is there whole or not at all, so what is there is finished. An item is said again when its text or
    its options have changed.

    Args:
        items: The texts.
        folder: Where the sound goes.
        audio_format: Ending of the files.
        options: How to say all of them.
    """

    def __init__(self, items: Sequence[Item], folder: Path, audio_format: str, options: SpeechOptions) -> None:
        self.items = items
        self._folder = folder
        self._format = audio_format
        self._options = options
        self._journal = folder / JOURNAL_NAME

    def open_items(self) -> list[Item]:
        """Items that are still to be said."""
        finished = {outcome.name: outcome.digest for outcome in self._read_journal() if outcome.error is None}
        return [
            item
            for item in self.items
            if finished.get(item.name) != self._digest(item) or not self._path_of(item).exists()
        ]

    async def run(self, client: AsyncS1Client, streams: int, tell: Callable[[Outcome], None]) -> list[Outcome]:
        """Say what is open.

        Args:
            client: Whom to ask.
            streams: Texts that are said at once.
            tell: Hears of every outcome as it comes.

        Returns:
            Outcomes, in the order in which they came.

        Raises:
            UnreachableError: no server answers; finished files stay.
            OSError: a file cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        left = iter(self.open_items())
        outcomes: list[Outcome] = []

        async def work() -> None:
            for item in left:
                outcome = await self._say(client, item)
                self._write_journal(outcome)
                outcomes.append(outcome)
                tell(outcome)

        workers = [asyncio.create_task(work()) for _ in range(streams)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return outcomes

    async def _say(self, client: AsyncS1Client, item: Item) -> Outcome:
        digest = self._digest(item)
        try:
            is_silent = not is_speakable(item.text)
            speech = silence() if is_silent else await client.speak(item.text, self._options_of(item))
        except UnreachableError:
            raise
        except S1ClientError as error:
            return Outcome(item.name, digest, error=str(error))
        speech.save(self._path_of(item))
        fault = "cut: max_frames was reached before all of the text was said" if speech.is_cut else None
        return Outcome(item.name, digest, audio_s=round(speech.duration_s, 3), error=fault)

    def _options_of(self, item: Item) -> SpeechOptions:
        return replace(self._options, voice=item.voice) if item.voice else self._options

    def _path_of(self, item: Item) -> Path:
        return self._folder / f"{item.name}.{self._format}"

    def _digest(self, item: Item) -> str:
        options = asdict(self._options_of(item))
        return hashlib.sha256(json.dumps([item.text, options], sort_keys=True).encode()).hexdigest()[:16]

    def _read_journal(self) -> list[Outcome]:
        """Outcomes of earlier runs; the line that an interruption cut off is left out."""
        if not self._journal.exists():
            return []
        outcomes = []
        for line in self._journal.read_text(encoding="utf-8").splitlines():
            try:
                outcomes.append(Outcome(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return outcomes

    def _write_journal(self, outcome: Outcome) -> None:
        with self._journal.open("a", encoding="utf-8") as file:
            # the line feed comes first as well: an interruption may have cut the last line off
            file.write(f"\n{json.dumps(asdict(outcome), ensure_ascii=False)}\n")
