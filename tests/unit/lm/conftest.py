from pathlib import Path

import pytest
import torch

from s1_training.development.language_model import write_dev_lm
from s1_tts.lm.loading import LanguageModel, load_language_model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-lm")
    write_dev_lm(folder, "tiny", seed=1)
    return folder


@pytest.fixture(scope="session")
def mid_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mid-lm")
    write_dev_lm(folder, "mid", seed=1)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Path) -> LanguageModel:
    return load_language_model(tiny_folder, torch.device("cpu"), torch.float32, num_positions=1024)
