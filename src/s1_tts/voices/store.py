"""Where voices are kept: one small interface, which every store has."""

from typing import Protocol

from s1_protocol.errors import NotFoundError
from s1_tts.voices.voice import Voice

HUB_SCHEME = "hf://"
S3_SCHEME = "s3://"


class VoiceStore(Protocol):
    """Keeps voices by id. Callers check ids first; every write is whole or not at all. Used by several threads.

    Each call may raise ``UnavailableError`` when the store cannot be reached.
    """

    check_every_s: float
    """How long a voice that was read may be used before :meth:`version` is asked again; 0 where asking is cheap."""

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""

    def version(self, voice_id: str) -> str:
        """Version of a voice as it is stored now.

        Raises:
            NotFoundError: there is no such voice.
        """

    def get(self, voice_id: str) -> Voice:
        """Read a voice.

        Raises:
            NotFoundError: there is no such voice.
            BrokenVoiceError: what is there is no voice.
        """

    def put(self, voice: Voice) -> None:
        """Store a voice; one of the same id is replaced."""

    def refresh(self, voice: Voice) -> bool:
        """Store a voice that was read and completed, unless someone changed or deleted it since.

        Returns:
            Whether it was stored.
        """

    def delete(self, voice_id: str) -> None:
        """Remove a voice.

        Raises:
            NotFoundError: there is no such voice.
        """


def no_such_voice(voice_id: str) -> NotFoundError:
    """Make the error that says that there is no such voice."""
    return NotFoundError(f"voice: no voice {voice_id!r}")
