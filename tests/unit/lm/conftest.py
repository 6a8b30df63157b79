from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from s1_training.development.language_model import write_dev_lm
from s1_tts.lm.engine import LmEngine
from s1_tts.lm.loading import LanguageModel, load_language_model
from tests.unit.lm.helpers import REQUESTS, make_engine, say


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


@pytest.fixture(scope="module")
def engine(tiny_model: LanguageModel) -> Iterator[LmEngine]:
    engine = make_engine(tiny_model)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def alone(tiny_model: LanguageModel) -> list[np.ndarray]:
    """The codes of each of ``REQUESTS``, each made with nobody beside it."""
    engine = make_engine(tiny_model)
    engine.start()
    codes = [say(engine, request).codes() for request in REQUESTS]
    engine.close()
    return codes
