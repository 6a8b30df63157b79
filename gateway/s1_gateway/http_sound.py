"""An answer whose body is sound, sent while it is made."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from s1_client.waiting import WaitedTooLongError, WaitLimit
from s1_gateway.errors import problem_of
from s1_gateway.hangup import wait_for_hangup
from s1_gateway.speech import Answer

log = logging.getLogger(__name__)

STREAM_HEADERS = {"x-accel-buffering": "no", "cache-control": "no-store"}
"""No proxy is to hold sound back."""


class SoundResponse(Response):
    """Sends pieces as they come. What breaks off after its first byte ends without the mark of a whole body.

    Args:
        answer: Closed when the answer has ended, however that was.
        body: What is sent: the answer's pieces, or events around them.
        media_type: The ``Content-Type``.
        send_s: A caller who takes nothing for this long is cut off.
        headers: Further ones.
    """

    def __init__(
        self,
        answer: Answer,
        body: AsyncIterator[bytes],
        media_type: str,
        send_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers={**STREAM_HEADERS, **(headers or {})}, media_type=None)
        del self.headers["content-length"]
        # as it is: Starlette would add a charset to text/event-stream
        self.headers["content-type"] = media_type
        self._answer = answer
        self._pieces = body
        self._limit = WaitLimit(send_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        watching = asyncio.create_task(self._stop_at_hangup(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in self._pieces:
                with self._limit:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except WaitedTooLongError as stalled:
            log.warning("a caller took no sound for %g s and is cut off", stalled.limit_s)
        except Exception as error:  # the status has been sent: what is left is not to end well
            scope["state"]["problem"] = problem_of(error)
        finally:
            watching.cancel()
            self._limit.close()
            if self._answer.problem is not None:  # also what an event has told
                scope["state"]["problem"] = self._answer.problem
            await self._answer.aclose()

    async def _stop_at_hangup(self, receive: Receive) -> None:
        await wait_for_hangup(receive)
        await self._answer.aclose()


async def whole_or_broken(answer: Answer) -> AsyncGenerator[bytes]:
    """Give an answer's bytes; what was cut against the caller's wish raises, so that it does not end well.

    Raises:
        GatewayError: the speech reached its greatest length.
    """
    async for sound in answer.pieces():
        if sound.data:
            yield sound.data
    answer.check_whole()
