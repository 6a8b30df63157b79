"""Telling what the servers serve from anything else: by what it sounds like."""

import asyncio
import hashlib
import json
import time
from typing import Final

from s1_client import AsyncS1Client, ServiceClass, SpeechOptions

PROBE: Final = "One."
_PROBE_FRAMES: Final = 4
_FRESH_S: Final = 60.0


class Weights:
    """Asks servers to say one short thing with one seed: whatever changes sound changes it too.

    The samples do not depend on what else a server does. They depend on weights, text front end, precision and device.

    Args:
        client: Of the servers.
    """

    def __init__(self, client: AsyncS1Client) -> None:
        self._client = client
        self._known: str | None = None
        self._asked_s = float("-inf")
        self._asking = asyncio.Lock()

    def forget(self) -> None:
        """Ask anew: a server went, and what comes may be another."""
        self._known = None

    async def fingerprint(self) -> str:
        """Tell what is served.

        Raises:
            S1ClientError: no server answers.
        """
        async with self._asking:
            if self._known is None or time.monotonic() - self._asked_s > _FRESH_S:
                options = SpeechOptions(seed=1, max_frames=_PROBE_FRAMES, service=ServiceClass.NOTE)
                digest = hashlib.sha256()
                async with self._client.stream(PROBE, options) as stream:
                    async for chunk in stream:
                        digest.update(chunk.samples.tobytes())
                self._known, self._asked_s = digest.hexdigest(), time.monotonic()
            return self._known

    async def voice(self, voice_id: str) -> str:
        """Tell a stored voice from another that had its name.

        Raises:
            S1ClientError: there is none, or no server answers.
        """
        record = await self._client.voices.show(voice_id)
        return hashlib.sha256(json.dumps(record.to_json(), sort_keys=True).encode()).hexdigest()
