"""Many texts to a folder by a gateway's jobs, going on where an earlier run stopped."""

import asyncio
import hashlib
import json
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from s1_client.batch_items import Item
from s1_client.errors import HttpError, UnreachableError
from s1_client.job_records import Job, JobSound, JobStatus, JobText, TakenBatch, options_to_json
from s1_client.jobs import LARGEST_PAGE, AsyncJobs, Patience
from s1_client.jobs_journal import Ended, JobsJournal, Parcel
from s1_client.options import SpeechOptions

PARCELS_AT_ONCE = 20
"""Parcels at the gateway: enough for many workers, few enough that an interruption leaves little behind."""

_FIRST_LOOK_S = 0.2
_LONGEST_LOOK_S = 5.0
_FULL_PAUSE_S = 2.0
_AT_ITEM = re.compile(r"items\.(\d+)(?:\.|$)")


class JobsBatch:
    """Makes a job of each text and fetches its sound.

    A parcel of texts is written down before it is sent, with the key that makes it jobs once: a run that was cut off
    anywhere is taken up by the next one, and nothing is made twice. A text that failed is tried again by the next run.

    Args:
        items: The texts.
        journal: Open, of the folder where the sound goes.
        options: How to say all of them.
        sound: The files.

    Raises:
        OptionError: an option is none of a job's.
    """

    def __init__(self, items: Sequence[Item], journal: JobsJournal, options: SpeechOptions, sound: JobSound) -> None:
        self._items = {item.name: item for item in items}
        self._journal = journal
        self._options = options
        self._sound = sound
        self._shared = {**options_to_json(options), **sound.to_json()}
        self._digests = {item.name: self._digest(item) for item in items}
        self._forgotten: set[str] = set()

    def open_names(self) -> list[str]:
        """Items whose sound is not there yet."""
        return [name for name in self._items if not self._is_there(name)]

    async def run(
        self, jobs: AsyncJobs, tell: Callable[[Ended], None], tell_wait: Callable[[str], None]
    ) -> list[Ended]:
        """Make jobs of what is open, and wait for all of them.

        Args:
            jobs: Of the gateway.
            tell: Hears of every item that ends.
            tell_wait: Hears why nothing is taken now, and an empty text when it is.

        Returns:
            What became of the items of this run.

        Raises:
            HttpError: the gateway refuses more than single texts.
            UnreachableError: no gateway answered for two minutes.
            OSError: a file cannot be written.
        """
        ended: list[Ended] = []

        def note(one: Ended) -> None:
            self._journal.end(one)
            if self._digests.get(one.name) == one.digest:
                ended.append(one)
                tell(one)

        waiting = deque(self._earlier_parcels())
        under_way = {name for parcel in waiting for name in self._current_names(parcel)}
        waiting += self._new_parcels([name for name in self.open_names() if name not in under_way])

        async def work() -> None:
            while waiting:
                parcel = waiting.popleft()
                if parcel.batch_id is None:
                    await self._hand_in(parcel, jobs, note, waiting, tell_wait)
                if parcel.batch_id is not None:
                    waiting.extend(self._new_parcels(await self._fetch(parcel, parcel.batch_id, jobs, note)))

        workers = [asyncio.create_task(work()) for _ in range(PARCELS_AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return ended

    def results(self) -> list[tuple[str, Ended | None, str | None]]:
        """Every item in order: its name, what became of it as it is now, and the job that has it, if one has."""
        job_of = {
            name: job_id
            for parcel in self._journal.parcels.values()
            for name, digest, job_id in zip(parcel.names, parcel.digests, parcel.job_ids, strict=False)
            if self._digests.get(name) == digest
        }
        told = []
        for name, digest in self._digests.items():
            ended = self._journal.ended.get(name)
            is_current = ended is not None and ended.digest == digest
            told.append((name, ended if is_current else None, job_of.get(name)))
        return told

    def path_of(self, name: str) -> Path:
        """Where an item's sound goes."""
        return self._journal.folder / f"{name}.{self._sound.file_format}"

    def _is_there(self, name: str) -> bool:
        ended = self._journal.ended.get(name)
        is_done = ended is not None and ended.digest == self._digests[name] and ended.status == JobStatus.COMPLETED
        return is_done and self.path_of(name).exists()

    def _earlier_parcels(self) -> Iterator[Parcel]:
        """Parcels of earlier runs in which something is open."""
        for parcel in list(self._journal.parcels.values()):
            if self._current_names(parcel):
                yield parcel

    def _current_names(self, parcel: Parcel) -> list[str]:
        """Items of a parcel that are still to be fetched: those whose text has changed since are not."""
        return [
            name
            for name, digest, job_id in _entries(parcel)
            if self._digests.get(name) == digest and not self._is_there(name) and not self._is_over(name, job_id)
        ]

    def _is_over(self, name: str, job_id: str | None) -> bool:
        ended = self._journal.ended.get(name)
        return ended is not None and job_id is not None and ended.job_id == job_id

    def _new_parcels(self, names: Sequence[str]) -> Iterator[Parcel]:
        for begin in range(0, len(names), LARGEST_PAGE):
            yield self._new_parcel(names[begin : begin + LARGEST_PAGE])

    def _new_parcel(self, names: Sequence[str]) -> Parcel:
        items = [self._items[name] for name in names]
        texts = [JobText(item.text, SpeechOptions(voice=item.voice)) for item in items]
        body = {"items": [text.to_json() for text in texts], **self._shared}
        return Parcel(secrets.token_hex(16), list(names), [self._digests[name] for name in names], body)

    async def _hand_in(
        self,
        parcel: Parcel,
        jobs: AsyncJobs,
        note: Callable[[Ended], None],
        waiting: deque[Parcel],
        tell_wait: Callable[[str], None],
    ) -> None:
        """Send a parcel; it has a batch if it was taken. What is sent instead of a refused one waits."""
        if parcel.key not in self._journal.parcels:
            self._journal.sending(parcel)
        try:
            taken = await _send(parcel, jobs, tell_wait)
        except HttpError as error:
            if error.status not in (400, 413):
                raise
            self._journal.dropped(parcel)
            waiting.extendleft(self._without_bad(parcel, error, note))
            return
        parcel.batch_id, parcel.job_ids = taken.id, taken.job_ids
        self._journal.taken(parcel)

    def _without_bad(self, parcel: Parcel, error: HttpError, note: Callable[[Ended], None]) -> list[Parcel]:
        """What is sent instead of a parcel that was refused: all of it but the text that is bad."""
        names = self._current_names(parcel)
        found = _AT_ITEM.match(error.field or "")
        place = int(found[1]) if found else 0
        if found is None and len(parcel.names) > 1:
            half = (len(names) + 1) // 2
            return [self._new_parcel(part) for part in (names[:half], names[half:]) if part]
        fault = _AT_ITEM.sub("", str(error), count=1)
        note(Ended(parcel.names[place], parcel.digests[place], JobStatus.FAILED, error=fault))
        rest = [name for name in names if name != parcel.names[place]]
        return [self._new_parcel(rest)] if rest else []

    async def _fetch(self, parcel: Parcel, batch_id: str, jobs: AsyncJobs, note: Callable[[Ended], None]) -> list[str]:
        """Wait for a parcel's jobs and fetch their sound; gives the items whose jobs are forgotten, to be made anew."""
        entries = {job_id: (name, digest) for name, digest, job_id in _entries(parcel)}
        wanted = set(self._current_names(parcel))
        left = {job_id for job_id, (name, _) in entries.items() if name in wanted}
        patience, pause_s, num_over = Patience(), _FIRST_LOOK_S, -1
        while left:
            try:
                batch = await jobs.show_batch(batch_id)
                now_over = sum(number for status, number in batch.num_of.items() if status.is_over)
                if now_over != num_over or batch.is_over:
                    shown = await jobs.list(limit=None, batch_id=batch_id)
                    for job in shown:
                        if job.id in left and job.status.is_over:
                            name, digest = entries[job.id]
                            note(await self._take(job, name, digest, jobs))
                            left.discard(job.id)
                    if batch.is_over:
                        break
                    num_over, pause_s = now_over, _FIRST_LOOK_S
                patience.answered()
            except (UnreachableError, HttpError) as error:
                if isinstance(error, HttpError) and error.status == 404:
                    break
                patience.bear(error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.3, _LONGEST_LOOK_S)
        if left:
            self._journal.dropped(parcel)
        for name, digest in (entries[job_id] for job_id in left if entries[job_id][0] in self._forgotten):
            note(Ended(name, digest, JobStatus.FAILED, error="the gateway forgot its job or its sound, twice"))
        again = [entries[job_id][0] for job_id in left if entries[job_id][0] not in self._forgotten]
        self._forgotten |= set(again)
        return again

    async def _take(self, job: Job, name: str, digest: str, jobs: AsyncJobs) -> Ended:
        if job.status is JobStatus.COMPLETED:
            await jobs.save(job.id, self.path_of(name))
        fault = job.error.message if job.error else None
        if job.status is JobStatus.CANCELLED:
            fault = "the job was cancelled"
        return Ended(name, digest, job.status, job.id, job.duration_s, job.attempts, fault)

    def _digest(self, item: Item) -> str:
        options = replace(self._options, voice=item.voice) if item.voice else self._options
        told = [item.text, asdict(options), asdict(self._sound)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _entries(parcel: Parcel) -> Iterator[tuple[str, str, str | None]]:
    job_ids: Sequence[str | None] = parcel.job_ids or [None] * len(parcel.names)
    yield from zip(parcel.names, parcel.digests, job_ids, strict=True)


async def _send(parcel: Parcel, jobs: AsyncJobs, tell_wait: Callable[[str], None]) -> TakenBatch:
    """Send a parcel; a queue that is full, or a limit of so many a minute, is waited for."""
    patience = Patience()
    while True:
        try:
            taken = await jobs.send_batch(parcel.body, parcel.key)
        except UnreachableError as error:
            patience.bear(error)
            pause_s, why = _FULL_PAUSE_S, str(error)
        except HttpError as error:
            if error.retry_after_s is None:
                raise
            patience.answered()
            pause_s, why = max(error.retry_after_s, _FULL_PAUSE_S), str(error)
        else:
            tell_wait("")
            return taken
        tell_wait(why)
        await asyncio.sleep(pause_s)
