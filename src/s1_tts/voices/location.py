"""The store that a location names: a folder, a repository of the hub, a bucket."""

from pathlib import Path

from s1_protocol.errors import SettingsError
from s1_protocol.secret_free import check_secret_free
from s1_tts.settings import Settings
from s1_tts.voices.folder import FolderStore
from s1_tts.voices.store import HUB_SCHEME, S3_SCHEME, VoiceStore

DEFAULT_FOLDER = "voices"


def open_store(location: str) -> VoiceStore:
    """Open the store at a location.

    Args:
        location: ``hf://owner/name[@revision]``, ``s3://bucket[/prefix]`` or the path of a folder.

    Raises:
        SettingsError: the location is malformed or holds a secret, or a package it needs is not installed.
    """
    try:
        check_secret_free("voices", location)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    # imported here: what they stand on takes long to import and is wanted by few
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
    return FolderStore(Path(location))


def store_of(settings: Settings) -> VoiceStore:
    """Open the store that the settings name: ``voices``, or a folder beside the checkpoint.

    Raises:
        SettingsError: as :func:`open_store`, or no checkpoint is set.
    """
    return open_store(settings.voices or str(settings.require_checkpoint().resolve().parent / DEFAULT_FOLDER))
