"""Doing one job: from its record to sound in the store."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from redis.exceptions import RedisError

from s1_client import JobFault, S1ClientError, SpeechOptions
from s1_gateway.auth import Caller, Scope
from s1_gateway.errors import Reason, problem_of
from s1_gateway.job_settings import JobSettings
from s1_gateway.jobs.ledger import Ledger
from s1_gateway.jobs.pace import Pace, Place
from s1_gateway.jobs.records import Job, JobResult
from s1_gateway.jobs.spec import JobSpec, content_key
from s1_gateway.jobs.store import SoundStore, StoreError
from s1_gateway.jobs.weights import Weights
from s1_gateway.metrics import Door
from s1_gateway.speech import BODY_BYTES, Speech, SpeechOrder
from s1_gateway.voices.names import VoiceNames

log = logging.getLogger(__name__)

_PASSES: Final = frozenset({Reason.BUSY, Reason.UNREACHABLE, Reason.BROKEN})
"""What may be different a moment later; anything else comes again."""

_LONGEST_BACKOFF_S: Final = 60.0
_CHARACTERS_PER_S: Final = 14.0
"""Of common speech: only for the progress that is shown."""


_SHOWN_EVERY_S: Final = 2.0
"""How old the progress that is shown may be, and a cancellation that is not noticed."""


class Performer:
    """Does jobs.

    Args:
        ledger: Their records.
        store: Where sound goes.
        speech: Makes it.
        voice_names: What names of voices mean.
        weights: What servers serve.
        pace: How many at once.
        settings: Of jobs.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: SoundStore,
        speech: Speech,
        voice_names: VoiceNames,
        weights: Weights,
        pace: Pace,
        settings: JobSettings,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._speech = speech
        self._voice_names = voice_names
        self._weights = weights
        self._pace = pace
        self._settings = settings
        self._progress: dict[str, int] = {}

    async def perform(self, job: Job, owner: str, place: Place) -> None:
        """Do a job that was claimed, whatever becomes of it.

        Args:
            job: As it was claimed.
            owner: Who claimed it.
            place: Where it is spoken; another job has it while this one is stored.

        Raises:
            CancelledError: the worker ends; the job was given back.
        """
        work = asyncio.create_task(self._make(job, place))
        beating = asyncio.create_task(self._beat(job, owner, work))
        try:
            outcome = await self._settle(job, work)
            if isinstance(outcome, float):
                await self._insist(lambda: self._ledger.give_back(job.id, owner, outcome, is_attempt=True))
            elif outcome is not None:
                result, is_cached = outcome
                await self._insist(lambda: self._ledger.finish(job, owner, result, is_cached=is_cached))
        except asyncio.CancelledError:
            work.cancel()
            with contextlib.suppress(RedisError):
                await self._ledger.give_back(job.id, owner, 0, is_attempt=False)
            raise
        finally:
            beating.cancel()
            self._progress.pop(job.id, None)

    async def _settle(
        self, job: Job, work: "asyncio.Task[tuple[JobResult, bool]]"
    ) -> tuple[JobResult | JobFault, bool] | float | None:
        """Wait for a job; gives what became of it, the wait before the next try, or None: it is not ours any more."""
        await asyncio.wait({work})
        if work.cancelled():
            return None
        error = work.exception()
        if error is None:
            self._pace.speed_up()
            return work.result()
        if isinstance(error, StoreError):
            log.warning("the sound of %s cannot be stored: %s", job.id, error)
            code, message, passes = "store", "the sound could not be stored", True
        else:
            if not isinstance(error, Exception):
                raise error
            problem = problem_of(error)
            code, message, passes = str(problem.reason), problem.message, problem.reason in _PASSES
            if problem.reason is Reason.BUSY:
                self._pace.slow_down()
            if problem.reason in (Reason.UNREACHABLE, Reason.BROKEN):
                self._weights.forget()
        if passes and job.attempts < self._settings.jobs_attempts:
            longest_s = min(_LONGEST_BACKOFF_S, self._settings.jobs_backoff_s * 2.0 ** (job.attempts - 1))
            return longest_s * random.uniform(0.5, 1)  # noqa: S311, RUF100 - not a secret
        return JobFault(code, message), False

    async def _make(self, job: Job, place: Place) -> tuple[JobResult, bool]:
        """Make the sound of a job, or find that it is there; tells which."""
        spec = JobSpec.model_validate_json(job.spec)
        options = await self._voice_names.apply(spec.voice, spec.speech_options())
        key = None
        with contextlib.suppress(S1ClientError):  # without the servers' word nothing is taken for the same
            weights = await self._weights.fingerprint()
            voice = "" if options.voice is None else await self._weights.voice(options.voice)
            key = content_key(spec, options, voice, weights)
            known = await self._known(key)
            if known is not None and await asyncio.to_thread(self._store.has, known.name):
                return known, True
        result = await self._speak(job, spec, options, key or job.id, place)
        if key is not None:
            with contextlib.suppress(RedisError):  # then it is made once more than it need be
                await self._ledger.cache(key, result)
        return result, False

    async def _known(self, key: str) -> JobResult | None:
        """Find sound that is there already; without Redis none is, and the job goes on."""
        try:
            return await self._ledger.cached(key)
        except RedisError:
            return None

    async def _speak(self, job: Job, spec: JobSpec, options: SpeechOptions, name: str, place: Place) -> JobResult:
        order = SpeechOrder(
            text=spec.text,
            options=options,
            sound=spec.sound(),
            door=Door.JOBS,
            caller=Caller(name=job.token, scopes=frozenset({Scope.SPEAK})),  # its quota was asked when it was taken
            is_whole=True,
            max_piece_bytes=BODY_BYTES,
            tell=self._teller(job, len(spec.text) / _CHARACTERS_PER_S / spec.speed),
        )
        answer = await self._speech.begin(order)
        pieces: list[bytes] = []
        duration_s = 0.0
        try:
            async for sound in answer.pieces():
                if sound.data:
                    pieces.append(sound.data)
                duration_s += sound.duration_s
        finally:
            await answer.aclose()
        place.give()
        answer.check_whole()
        stored = f"{name}.{order.sound.extension}"
        data = b"".join(pieces)  # of a single piece, as most formats give, this is no copy
        pieces.clear()
        await asyncio.to_thread(self._store.put, stored, data, order.sound.media_type)
        return JobResult(
            name=stored,
            media_type=order.sound.media_type,
            num_bytes=len(data),
            duration_s=round(duration_s, 3),
            made_s=time.time(),
        )

    def _teller(self, job: Job, expected_s: float) -> Callable[[float], None]:
        """Make what hears of each piece of a job's sound, which is given only when all of it is there."""
        came_s = 0.0

        def tell(duration_s: float) -> None:
            nonlocal came_s
            came_s += duration_s
            self._progress[job.id] = min(99, round(100 * came_s / expected_s))

        return tell

    async def _beat(self, job: Job, owner: str, work: "asyncio.Task[tuple[JobResult, bool]]") -> None:
        """Give signs of life, and stop the work of a job that is cancelled or has another owner."""
        while True:
            await asyncio.sleep(min(self._settings.jobs_lease_s / 4, _SHOWN_EVERY_S))
            with contextlib.suppress(RedisError):  # it comes back, or the lease ends
                if not await self._ledger.beat(job.id, owner, self._progress.get(job.id, 0)):
                    work.cancel()
                    return

    async def _insist(self, step: Callable[[], Awaitable[object]]) -> None:
        """Take a step in the ledger, as long as it takes: what was done is not to be done again."""
        wait_s = 0.1
        while True:
            try:
                await step()
                return
            except RedisError as error:
                log.warning("a job's end cannot be written yet: %s", error)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, 5.0)
