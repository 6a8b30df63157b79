"""Voices in a Hugging Face repository, one file each."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    HfFileMetadata,
    get_hf_file_metadata,
    hf_hub_url,
)
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError, its HTTP library's, is not re-exported
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    OfflineModeIsEnabled,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, but not re-exported
    build_hf_headers,
    validate_repo_id,
)

from s1_protocol.checks import is_voice_id
from s1_protocol.errors import SettingsError, UnavailableError
from s1_tts.voices.store import HUB_SCHEME, no_such_voice
from s1_tts.voices.voice import Voice
from s1_tts.voices.voice_archive import MAX_VOICE_BYTES, SUFFIX, pack, too_large, unpack

log = logging.getLogger(__name__)

_CHANGED = 412
"""HTTP status for a commit whose parent is no longer the newest one."""


class HubStore:
    """A repository of the hub; the token is the one of ``hf auth login`` or ``HF_TOKEN``.

    Args:
        repository: ``owner/name``.
        revision: Branch; a tag or commit can be read and not written.
    """

    check_every_s = 10.0

    def __init__(self, repository: str, revision: str = "main") -> None:
        self._repository = repository
        self._revision = revision
        self._api = HfApi()

    @classmethod
    def open(cls, location: str) -> Self:
        """Open ``hf://owner/name[@revision]``.

        Raises:
            SettingsError: it names no repository.
        """
        repository, _, revision = location.removeprefix(HUB_SCHEME).partition("@")
        try:
            validate_repo_id(repository)
        except HFValidationError as error:
            raise SettingsError(
                f"voices: {location!r} names no repository; allowed: {HUB_SCHEME}owner/name@revision"
            ) from error
        return cls(repository, revision or "main")

    def list(self) -> list[str]:
        """Ids of all voices, sorted."""
        with self._asking():
            names = self._api.list_repo_files(self._repository, revision=self._revision)
        ids = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
        return sorted(voice_id for voice_id in ids if is_voice_id(voice_id))

    def version(self, voice_id: str) -> str:
        """Version of a voice as it is stored now.

        Raises:
            NotFoundError: there is no such voice.
        """
        return str(self._look_up(voice_id).etag)

    def get(self, voice_id: str) -> Voice:
        """Read a voice.

        Raises:
            NotFoundError: there is no such voice.
            BrokenVoiceError: what is there is no voice.
        """
        found = self._look_up(voice_id)
        if (found.size or 0) > MAX_VOICE_BYTES:
            raise too_large(voice_id)
        data = io.BytesIO()
        with self._asking(voice_id):
            # of the commit that was looked up: the branch may move in between
            http_get(self._url(voice_id, found.commit_hash or self._revision), data, headers=build_hf_headers())
        return unpack(voice_id, data.getvalue(), str(found.etag))

    def put(self, voice: Voice) -> None:
        """Store a voice; one of the same id is replaced."""
        with self._asking():
            self._commit(f"Voice {voice.id}", _addition(voice))

    def refresh(self, voice: Voice) -> bool:
        """Store a voice that was read and completed, unless someone changed or deleted it since."""
        try:
            found = get_hf_file_metadata(self._url(voice.id, self._revision))
            if found.etag != voice.version:
                return False
            self._commit(f"Codes of voice {voice.id}", _addition(voice), parent=found.commit_hash)
        except EntryNotFoundError:
            return False
        except (HfHubHTTPError, HTTPError, OfflineModeIsEnabled) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code == _CHANGED:
                return False
            raise self._unavailable(error) from error
        return True

    def delete(self, voice_id: str) -> None:
        """Remove a voice.

        Raises:
            NotFoundError: there is no such voice.
        """
        self._look_up(voice_id)
        with self._asking(voice_id):
            self._commit(f"Remove voice {voice_id}", CommitOperationDelete(f"{voice_id}{SUFFIX}"))

    def _look_up(self, voice_id: str) -> HfFileMetadata:
        with self._asking(voice_id):
            return get_hf_file_metadata(self._url(voice_id, self._revision))

    def _commit(
        self, message: str, operation: CommitOperationAdd | CommitOperationDelete, parent: str | None = None
    ) -> None:
        self._api.create_commit(
            self._repository, [operation], commit_message=message, revision=self._revision, parent_commit=parent
        )

    def _url(self, voice_id: str, revision: str) -> str:
        return hf_hub_url(self._repository, f"{voice_id}{SUFFIX}", revision=revision)

    @contextmanager
    def _asking(self, voice_id: str = "") -> Iterator[None]:
        try:
            yield
        except EntryNotFoundError as error:
            if voice_id:
                raise no_such_voice(voice_id) from error
            raise self._unavailable(error) from error
        except (HfHubHTTPError, HTTPError, OfflineModeIsEnabled) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> UnavailableError:
        log.warning("voice store %s%s@%s: %s", HUB_SCHEME, self._repository, self._revision, error)
        return UnavailableError("the voice store does not answer as it should; the log of its user says more")


def _addition(voice: Voice) -> CommitOperationAdd:
    return CommitOperationAdd(f"{voice.id}{SUFFIX}", pack(voice))
