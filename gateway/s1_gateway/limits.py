"""What each token may use, and what the gateway can carry: the one place that says no to a caller who is known."""

import logging
from collections import Counter
from types import TracebackType
from typing import Self

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

from s1_gateway.auth import Caller
from s1_gateway.errors import RETRY_AFTER_S, GatewayError, Reason
from s1_gateway.settings import Settings

log = logging.getLogger(__name__)


class Limits:
    """Counts what callers use.

    Requests and characters are counted in memory or, for several gateways together, in Redis; open streams are counted
    by each gateway for itself.

    Args:
        settings: The gateway's.
    """

    def __init__(self, settings: Settings) -> None:
        url = settings.redis_url
        storage = (
            RedisStorage(f"async+{url}", implementation="redispy", wrap_exceptions=True) if url else MemoryStorage()
        )
        self._window = FixedWindowRateLimiter(storage)
        self._max_streams = settings.max_streams
        self._max_sockets = settings.max_sockets
        self._num_sockets = 0
        self._open: Counter[str] = Counter()

    @property
    def num_open(self) -> int:
        """Utterances under way."""
        return self._open.total()

    @property
    def num_sockets(self) -> int:
        """Open WebSockets."""
        return self._num_sockets

    async def admit(self, caller: Caller, num_characters: int = 0) -> "Admission":
        """Let an utterance begin, or say why not.

        Args:
            caller: Who asks.
            num_characters: Of its text; those of a text in pieces are charged as they come.

        Returns:
            The place that it has, to be given back at its end.

        Raises:
            GatewayError: a limit is reached.
        """
        if self.num_open >= self._max_streams:
            fault = f"all {self._max_streams} streams of this gateway are in use"
            raise GatewayError(Reason.BUSY, fault, retry_after_s=RETRY_AFTER_S)
        quota = caller.quota
        if quota.streams is not None and self._open[caller.name] >= quota.streams:
            fault = f"the token {caller.name} may have {quota.streams} streams open at once"
            raise GatewayError(Reason.RATE_LIMITED, fault, retry_after_s=RETRY_AFTER_S)
        admission = Admission(self._open, caller)
        try:
            await self.count(caller, num_characters)
            admission.num_characters = num_characters
        except BaseException:
            admission.release()
            raise
        return admission

    async def count(self, caller: Caller, num_characters: int) -> None:
        """Count a request that opens no stream.

        Args:
            caller: Who asks.
            num_characters: Of all its texts.

        Raises:
            GatewayError: a limit is reached.
        """
        await self._count_request(caller)
        await self.charge(caller, num_characters)

    def admit_socket(self) -> None:
        """Let a WebSocket be opened, to be followed by :meth:`release_socket`.

        Raises:
            GatewayError: there are too many.
        """
        if self._num_sockets >= self._max_sockets:
            fault = f"all {self._max_sockets} sockets of this gateway are in use"
            raise GatewayError(Reason.BUSY, fault, retry_after_s=RETRY_AFTER_S)
        self._num_sockets += 1

    def release_socket(self) -> None:
        """Count one WebSocket less."""
        self._num_sockets -= 1

    async def charge(self, caller: Caller, num_characters: int) -> None:
        """Count characters of a text.

        Raises:
            GatewayError: the day's characters are used up.
        """
        day = _characters_a_day(caller)
        if day is None or num_characters == 0:
            return
        try:
            # a hit counts even where it is refused, so it is asked first
            is_allowed = num_characters <= day.amount and await self._window.test(day, caller.name, cost=num_characters)
            is_allowed = is_allowed and await self._window.hit(day, caller.name, cost=num_characters)
        except StorageError as error:
            raise _uncounted() from error
        if not is_allowed:
            raise GatewayError(Reason.QUOTA, f"the token {caller.name} may have {day.amount} characters a day said")

    async def give_back(self, caller: Caller, num_characters: int, *, is_request_too: bool) -> None:
        """Take back what was counted of a request that was not served.

        Args:
            caller: Who asked.
            num_characters: That were counted.
            is_request_too: Whether the request counts for nothing either, since its refusal was no fault of the caller.
        """
        counted = [(_characters_a_day(caller), num_characters), (_requests_a_minute(caller), int(is_request_too))]
        try:
            for limit, amount in counted:
                if limit is None:
                    continue
                # no more than is counted: the window may have ended meanwhile
                used = limit.amount - (await self._window.get_window_stats(limit, caller.name)).remaining
                if back := min(amount, used):
                    await self._window.hit(limit, caller.name, cost=-back)
        except StorageError as error:
            log.warning("what was not served cannot be given back: %s", error)

    async def _count_request(self, caller: Caller) -> None:
        minute = _requests_a_minute(caller)
        if minute is None:
            return
        try:
            is_allowed = await self._window.hit(minute, caller.name)
        except StorageError as error:
            raise _uncounted() from error
        if not is_allowed:
            fault = f"the token {caller.name} may ask {minute.amount} times a minute"
            raise GatewayError(Reason.RATE_LIMITED, fault, retry_after_s=2 * RETRY_AFTER_S)


class Admission:
    """A place among the open streams.

    Args:
        places: Open streams by caller.
        caller: Whose it is.

    Attributes:
        num_characters: Counted for it until now.
    """

    def __init__(self, places: Counter[str], caller: Caller) -> None:
        self.num_characters = 0
        self._places = places
        self._caller = caller
        self._is_held = True
        places[caller.name] += 1

    def release(self) -> None:
        """Give the place back; a second time does nothing."""
        if self._is_held:
            self._is_held = False
            self._places[self._caller.name] -= 1
            if not self._places[self._caller.name]:
                del self._places[self._caller.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _characters_a_day(caller: Caller) -> RateLimitItem | None:
    most = caller.quota.characters_per_day
    return None if most is None else RateLimitItemPerDay(most, namespace="s1_gateway_characters")


def _requests_a_minute(caller: Caller) -> RateLimitItem | None:
    most = caller.quota.requests_per_minute
    return None if most is None else RateLimitItemPerMinute(most, namespace="s1_gateway_requests")


def _uncounted() -> GatewayError:
    """Nobody with a limit is let in uncounted."""
    return GatewayError(Reason.BUSY, "limits cannot be counted now", retry_after_s=2 * RETRY_AFTER_S)
