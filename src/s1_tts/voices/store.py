"""Where voices are kept: one small interface, and the choice of the store that a setting names."""

from pathlib import Path
from typing import Protocol

from s1_protocol.errors import NotFoundError, SettingsError
from s1_tts.settings import Settings
from s1_tts.voices.voice import Voice

HUB_SCHEME = "hf://"
S3_SCHEME = "s3://"
DEFAULT_FOLDER = "voices"


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


def open_store(location: str) -> VoiceStore:
    """Open the store at a location.

    Args:
        location: ``hf://owner/name[@revision]``, ``s3://bucket[/prefix]`` or the path of a folder.

    Raises:
        SettingsError: the location is malformed, or a package it needs is not installed.
    """
    # imported here: boto3 takes a second and is wanted by few
    if location.startswith(HUB_SCHEME):
        from s1_tts.voices.hub import HubStore  # noqa: PLC0415

        return HubStore.open(location)
    if location.startswith(S3_SCHEME):
        try:
            from s1_tts.voices.s3 import S3Store  # noqa: PLC0415
        except ImportError as error:
            raise SettingsError(f"{location} needs boto3: pip install 's1-tts[s3]'") from error
        return S3Store.open(location)
    if "://" in location:
        raise SettingsError(f"voices: {location!r} is no store; allowed: a path, {HUB_SCHEME}..., {S3_SCHEME}...")
    from s1_tts.voices.folder import FolderStore  # noqa: PLC0415

    return FolderStore(Path(location))


def store_of(settings: Settings) -> VoiceStore:
    """Open the store that the settings name: ``voices``, or a folder beside the checkpoint.

    Raises:
        SettingsError: as :func:`open_store`, or no checkpoint is set.
    """
    return open_store(settings.voices or str(settings.require_checkpoint().resolve().parent / DEFAULT_FOLDER))
