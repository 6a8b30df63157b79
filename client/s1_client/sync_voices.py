"""The ``voices`` of a client that waits."""

from collections.abc import Mapping, Sequence
from typing import Any

from s1_client.loop_thread import LoopThread
from s1_client.server_voices import AsyncVoices
from s1_client.voices import NewRecording
from s1_protocol.voice_record import VoiceRecord


class SyncVoices:
    """As :class:`AsyncVoices`, for a caller that waits.

    Args:
        voices: Asked on the loop.
        loop: Where it runs.
    """

    def __init__(self, voices: AsyncVoices, loop: LoopThread) -> None:
        self._voices = voices
        self._loop = loop

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""
        return self._loop.run(self._voices.list())

    def show(self, voice_id: str) -> VoiceRecord:
        """What is known of a voice; see :meth:`AsyncVoices.show`."""
        return self._loop.run(self._voices.show(voice_id))

    def add(
        self, voice_id: str, recordings: Sequence[NewRecording], metadata: Mapping[str, Any] | None = None
    ) -> VoiceRecord:
        """Add a voice, or replace the one of the same id; see :meth:`AsyncVoices.add`."""
        return self._loop.run(self._voices.add(voice_id, recordings, metadata))

    def change(
        self,
        voice_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        transcripts: Sequence[str] = (),
        new_id: str | None = None,
    ) -> VoiceRecord:
        """Change what is known of a voice; see :meth:`AsyncVoices.change`."""
        changing = self._voices.change(voice_id, metadata=metadata, transcripts=transcripts, new_id=new_id)
        return self._loop.run(changing)

    def remove(self, voice_id: str) -> None:
        """Remove a voice; requests for it are then refused."""
        self._loop.run(self._voices.remove(voice_id))
