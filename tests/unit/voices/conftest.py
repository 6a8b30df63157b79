"""Services of voices over one store and one encoder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from s1_training.development.codec import write_dev_codec
from s1_tts.voices.folder import FolderStore
from s1_tts.voices.service import VoiceService
from tests.unit.voices.serving import CountedEncoder, Make


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    write_dev_codec(folder, "tiny", seed=1)
    return folder


@pytest.fixture
def encoder(checkpoint: Path) -> CountedEncoder:
    return CountedEncoder(checkpoint)


@pytest.fixture
def make(tmp_path: Path, encoder: CountedEncoder) -> Iterator[Make]:
    made: list[VoiceService] = []

    def make(fingerprint: str = "one", cache_bytes: int = 10**6, max_waiting: int = 64) -> VoiceService:
        store = FolderStore(tmp_path / "voices")
        made.append(VoiceService(store, encoder, fingerprint, cache_bytes=cache_bytes, max_waiting=max_waiting))
        return made[-1]

    yield make
    encoder.gate.set()
    for service in made:
        service.close()
