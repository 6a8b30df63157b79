"""What a caller's name of a voice means: a stored voice, or the model's own voice under a seed of its own."""

import asyncio
import logging
import time
import zlib
from dataclasses import dataclass, replace
from typing import Final

from s1_client import AsyncVoices, S1ClientError, SpeechOptions
from s1_gateway.errors import GatewayError, Reason
from s1_gateway.settings import Settings

log = logging.getLogger(__name__)

OPENAI_VOICES: Final = (
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
)
"""Names that OpenAI's clients send by habit; Pipecat sends no others."""

LIVEKITS_FISH_VOICE: Final = "933563129e564b19a115bedd57b7406a"
"""Default voice of LiveKit's Fish plugin."""

LIVEKITS_CARTESIA_VOICE: Final = "f786b574-daa5-4673-aa0c-cbe3e8534c02"
"""Default voice of LiveKit's Cartesia plugin."""

OWN_VOICE: Final = "default"
"""Name of the model's own voice."""

_FRESH_S: Final = 10.0
"""How old the list of stored voices may be before it is asked for again."""


@dataclass(frozen=True)
class NamedVoice:
    """A name and what it means.

    Args:
        name: As callers write it.
        stored: Id of the stored voice; None: the model's own.
    """

    name: str
    stored: str | None

    @property
    def seed(self) -> int | None:
        """Seed that keeps the model's own voice the same from request to request; another for each name."""
        return None if self.stored else zlib.crc32(self.name.encode()) % 2**31


class VoiceNames:
    """Looks names up: the operator's first, then stored voices, then the names that clients send by habit.

    Args:
        voices: Those of the servers.
        settings: The gateway's.
    """

    def __init__(self, voices: AsyncVoices, settings: Settings) -> None:
        self._voices = voices
        self._given = {name: NamedVoice(name, stored or None) for name, stored in settings.voices.items()}
        habits = () if settings.strict else (*OPENAI_VOICES, LIVEKITS_FISH_VOICE, LIVEKITS_CARTESIA_VOICE)
        self._habits = {name: NamedVoice(name, None) for name in (OWN_VOICE, *habits)}
        self._stored: frozenset[str] = frozenset()
        self._listed_s: float | None = None
        self._refreshing: asyncio.Task[None] | None = None

    async def apply(self, name: str | None, options: SpeechOptions) -> SpeechOptions:
        """Put the voice that a name means into options.

        Args:
            name: As it came; None: none was given, which is the model's own voice.
            options: Their seed, if there is one, stays.

        Raises:
            GatewayError: the name cannot be one.
        """
        voice = await self.find(OWN_VOICE if name is None else name)
        seed = voice.seed if options.seed is None else options.seed
        return replace(options, voice=voice.stored, seed=seed)

    async def find(self, name: str) -> NamedVoice:
        """Say what a name means; the server says whether a stored voice of an unknown name is there."""
        if not name or len(name) > 255 or "\0" in name:
            raise GatewayError(Reason.INVALID, "voice: allowed: a name of 1 to 255 characters", field="voice")
        if name in self._given:
            return self._given[name]
        if name in self._habits and name not in await self._list_stored():
            return self._habits[name]
        return NamedVoice(name, name)

    async def all(self) -> list[NamedVoice]:
        """All names that mean something, stored voices first.

        Raises:
            S1ClientError: the stored voices cannot be listed.
        """
        stored = {name: NamedVoice(name, name) for name in await self._voices.list()}
        return list((self._habits | stored | self._given).values())

    def forget(self) -> None:
        """Ask for the stored voices anew before a name is looked up again: they have just been changed."""
        self._listed_s = None

    async def _list_stored(self) -> frozenset[str]:
        """Ids of the stored voices, of some seconds ago at most; no caller waits for that but the first."""
        if self._listed_s is None:
            await self._refresh()
        elif time.monotonic() - self._listed_s >= _FRESH_S and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh())
        return self._stored

    async def _refresh(self) -> None:
        try:
            self._stored = frozenset(await self._voices.list())
        except S1ClientError as error:
            log.warning("stored voices cannot be listed; names are looked up as they were: %s", error)
        self._listed_s = time.monotonic()
