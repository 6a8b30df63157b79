"""Every test here needs a CUDA device; without one it is skipped and says so."""

from pathlib import Path

import pytest
import torch

from s1_tts.checkpoint.dev import write_dev_checkpoint

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and this machine has none"))


@pytest.fixture(scope="session")
def mid_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "mid"
    write_dev_checkpoint(folder, "mid", seed=1)
    return folder


@pytest.fixture
def cuda() -> torch.device:
    return torch.device("cuda")
