"""Fetch the published checkpoint from the Hugging Face hub, with the user's own token, and check every byte of it.

An interrupted download goes on where it stopped: ``hf_hub_download`` of huggingface_hub 2.4 keeps no partial file, so
the partial files are ours, and only the transfer itself is the library's.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, get_token, hf_hub_url
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError, its HTTP library's, is not re-exported
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, but not re-exported

from s1_protocol.errors import CheckpointError
from s1_protocol.whole_file import write_whole
from s1_tts.checkpoint_files import CHECKPOINT_FILES

REPOSITORY = "fishaudio/openaudio-s1-mini"
PINNED_REVISION = "f4b445029346701e082b60bb63fcc2d1bb17a0e2"
REVISION_FILE = "REVISION"
"""Holds the commit the folder was fetched from; written last, so a folder that has it is whole."""

LICENCE_NOTICE = (
    f"The weights of {REPOSITORY} are Fish Audio's, licensed CC-BY-NC-SA-4.0: no commercial use. They are gated: "
    f"accept the terms at https://huggingface.co/{REPOSITORY} with the account of your token."
)

_BLOCK_BYTES = 1 << 20


class DownloadError(CheckpointError):
    """The checkpoint could not be fetched; the message says why and what to do."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub describes it.

    Args:
        name: Its name.
        size_bytes: Its size.
        digest: SHA-256 of a large file; the git blob id of any other.
        is_large: Whether the hub keeps it outside git (LFS), with a SHA-256.
    """

    name: str
    size_bytes: int
    digest: str
    is_large: bool

    def matches(self, path: Path) -> bool:
        """Whether a local file has this size and digest."""
        if not path.is_file() or path.stat().st_size != self.size_bytes:
            return False
        # git's id of a blob is the SHA-1 of a header and the content
        digest = hashlib.sha256() if self.is_large else hashlib.sha1(f"blob {self.size_bytes}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest() == self.digest


@dataclass(frozen=True)
class Snapshot:
    """The files of one commit.

    Args:
        commit: Full commit hash.
        files: What is fetched of it.
    """

    commit: str
    files: tuple[RemoteFile, ...]


def download_checkpoint(
    folder: Path, revision: str = PINNED_REVISION, tell: Callable[[str], None] = lambda _line: None
) -> str:
    """Fetch the checkpoint into a folder; files that are there and right are left alone.

    Args:
        folder: Where to; made if need be.
        revision: Commit, branch or tag of the hub's repository.
        tell: Takes lines about the progress.

    Returns:
        The commit the files are from; the folder's ``REVISION`` file holds it.

    Raises:
        DownloadError: no token, no access, no network, no space, or a file that is not what the hub says.
    """
    token = get_token()
    if token is None:
        raise DownloadError(
            "no Hugging Face token was found: make one at https://huggingface.co/settings/tokens and give it with "
            f"`hf auth login` or in HF_TOKEN. {LICENCE_NOTICE}"
        )
    try:
        snapshot = _look_up(revision, token)
        tell(f"{REPOSITORY} at {snapshot.commit}")
        _fetch_files(folder, snapshot, token, tell)
        write_whole(folder / REVISION_FILE, f"{snapshot.commit}\n".encode())
    except GatedRepoError as error:
        raise DownloadError(f"the hub refuses this token the files. {LICENCE_NOTICE}") from error
    except RevisionNotFoundError as error:
        raise DownloadError(f"{REPOSITORY} has no revision {revision}; --revision main takes the newest") from error
    except RepositoryNotFoundError as error:
        raise DownloadError(f"the hub does not accept this token, or {REPOSITORY} is gone") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in {401, 403}:
            raise DownloadError(f"the hub refuses this token the files ({status}). {LICENCE_NOTICE}") from error
        raise DownloadError(f"the hub answered with HTTP status {status}; try again later") from error
    except (HTTPError, OfflineModeIsEnabled) as error:
        raise DownloadError(
            f"the hub cannot be reached ({error}); what was fetched is kept, run the same command again"
        ) from error
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise DownloadError(f"{reason}; what was fetched is kept, run the same command again") from error
    return snapshot.commit


def _look_up(revision: str, token: str) -> Snapshot:
    info = HfApi(token=token).model_info(REPOSITORY, revision=revision, files_metadata=True)
    found = {sibling.rfilename: sibling for sibling in info.siblings or []}
    missing = [name for name in CHECKPOINT_FILES if name not in found]
    if missing or info.sha is None:
        raise DownloadError(f"{REPOSITORY} at {revision} lacks {', '.join(missing) or 'a commit hash'}")
    files = []
    for name in CHECKPOINT_FILES:
        size_bytes, blob_id, lfs = found[name].size, found[name].blob_id, found[name].lfs
        digest = lfs.sha256 if lfs is not None else blob_id
        if size_bytes is None or digest is None:
            raise DownloadError(f"the hub tells no size or digest of {name}, so it could not be verified")
        files.append(RemoteFile(name, size_bytes, digest, is_large=lfs is not None))
    return Snapshot(info.sha, tuple(files))


def _fetch_files(folder: Path, snapshot: Snapshot, token: str, tell: Callable[[str], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # from here on the folder is whole only when the end is reached
    (folder / REVISION_FILE).unlink(missing_ok=True)
    wanted = []
    for file in snapshot.files:
        if file.matches(folder / file.name):
            tell(f"{file.name}: already here, verified")
        else:
            wanted.append(file)
    _check_space(folder, wanted)
    for file in wanted:
        _fetch(folder, file, snapshot.commit, token)
        tell(f"{file.name}: {file.size_bytes / 1e6:.1f} MB, verified")


def _check_space(folder: Path, wanted: list[RemoteFile]) -> None:
    needed_bytes = sum(file.size_bytes - _size_bytes(_partial(folder, file)) for file in wanted)
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise DownloadError(
            f"{folder} has room for {free_bytes / 1e9:.2f} GB and {needed_bytes / 1e9:.2f} GB are still to come"
        )


def _fetch(folder: Path, file: RemoteFile, commit: str, token: str) -> None:
    """Fetch one file, going on with what is there of it, and put it in place once it is verified."""
    partial = _partial(folder, file)
    if _size_bytes(partial) > file.size_bytes:
        partial.unlink()
    with partial.open("ab") as target:
        http_get(
            hf_hub_url(REPOSITORY, file.name, revision=commit),
            target,
            resume_size=target.tell(),
            headers=build_hf_headers(token=token),
            expected_size=file.size_bytes,
            displayed_filename=file.name,
        )
    if not file.matches(partial):
        partial.unlink()
        raise DownloadError(
            f"{file.name} came damaged: its size or digest is not what the hub says. It was removed; run the same "
            "command again"
        )
    partial.replace(folder / file.name)


def _partial(folder: Path, file: RemoteFile) -> Path:
    # the digest in the name keeps the pieces of two revisions apart
    return folder / f".{file.name}.{file.digest[:16]}.part"


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
