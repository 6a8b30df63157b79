"""Every test here needs a CUDA device; without one it is skipped and says so.

Tests that take the fixture ``device`` can be rehearsed without one, with a tiny checkpoint: ``GPU_TESTS_ON=cpu``.
"""

import os
from pathlib import Path

import pytest
import torch

from s1_training.development.checkpoint import write_dev_checkpoint

HERE = Path(__file__).parent
REHEARSAL = os.environ.get("GPU_TESTS_ON") == "cpu"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            wanted = getattr(item, "fixturenames", ())
            can_rehearse = REHEARSAL and "device" in wanted and "cuda" not in wanted
            if not torch.cuda.is_available() and not can_rehearse:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and this machine has none"))


@pytest.fixture(scope="session")
def mid_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "mid"
    write_dev_checkpoint(folder, "mid", seed=1)
    return folder


@pytest.fixture
def cuda() -> torch.device:
    return torch.device("cuda")


@pytest.fixture(scope="session")
def device() -> torch.device:
    return torch.device("cpu" if REHEARSAL else "cuda")
