"""The store that the settings name."""

from s1_gateway.job_settings import JobSettings
from s1_gateway.jobs.store import FolderStore, SoundStore


def open_store(settings: JobSettings) -> SoundStore:
    """Open it."""
    if settings.jobs_bucket is None:
        return FolderStore(settings.jobs_folder)
    from s1_gateway.jobs.bucket import BucketStore  # noqa: PLC0415 - boto3 costs 30 MB, which a folder does not need

    return BucketStore(settings)
