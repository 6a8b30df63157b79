from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from s1_training.development.codec import write_dev_codec
from s1_tts.codec.batch_policy import BatchPolicy
from s1_tts.codec.batcher import CodecBatcher
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.codec.streaming import StreamingDecoder
from tests.unit.codec.fake_decoder import FakeDecoder

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny layers on several threads of a busy machine only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny_codec")
    write_dev_codec(folder, "tiny", seed=1)
    return folder


@pytest.fixture(scope="session")
def mid_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mid_codec")
    write_dev_codec(folder, "mid", seed=2)
    return folder


@pytest.fixture(scope="session")
def decoder(tiny_folder: Path) -> StreamingDecoder:
    return StreamingDecoder.load(tiny_folder, CPU, torch.float32)


@pytest.fixture(scope="session")
def encoder(tiny_folder: Path) -> CodecEncoder:
    return CodecEncoder.load(tiny_folder, CPU, torch.float32)


def random_codes(config: CodecConfig, num_frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(size, (num_frames,), generator=generator) for size in config.codebook_sizes])


@pytest.fixture
def fake() -> FakeDecoder:
    return FakeDecoder()


@pytest.fixture
def batcher(fake: FakeDecoder) -> Iterator[CodecBatcher]:
    batcher = CodecBatcher(fake, BatchPolicy(max_batch=3, wait_s=0), max_streams=10, idle_s=60)
    yield batcher
    fake.gate.set()
    batcher.close()
