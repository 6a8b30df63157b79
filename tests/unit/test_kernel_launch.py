"""Kernels are launched where they can be; elsewhere torch's layers compute, and the log says what is missing."""

import logging
import shutil
import sysconfig
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest import mock

import pytest
import torch

from s1_training.development.language_model import dev_lm_config
from s1_tts import kernel_launch
from s1_tts.lm import loading
from s1_tts.lm.loading import LanguageModel, make_runner


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[str]:
    """Programs that this machine has; Triton's package and Python's headers are there."""
    names = {"gcc"}
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in names else None)
    monkeypatch.setattr(kernel_launch.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "Python.h").touch()
    return names


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_machine_with_a_compiler_lacks_nothing(tools: set[str], compiler: str) -> None:
    tools.clear()
    tools.add(compiler)
    assert kernel_launch.missing_for_kernels() is None


def test_a_machine_without_a_compiler_is_told_so(tools: set[str]) -> None:
    tools.clear()
    assert kernel_launch.missing_for_kernels() == "a C compiler (gcc or clang)"


def test_the_compiler_that_is_named_must_be_there(tools: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "icc")
    assert kernel_launch.missing_for_kernels() == "a C compiler (icc)"


def test_pythons_headers_must_be_there(tools: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nowhere")
    assert kernel_launch.missing_for_kernels() == "Python's headers (/nowhere/Python.h)"


def test_triton_must_be_there(tools: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_launch.importlib.util, "find_spec", lambda name: None)
    assert kernel_launch.missing_for_kernels() == "the package triton"


def test_without_a_compiler_torchs_layers_compute_on_a_gpu(tools: set[str], caplog: pytest.LogCaptureFixture) -> None:
    tools.clear()
    model = SimpleNamespace(device=torch.device("cuda"), config=dev_lm_config("tiny"))
    loaded = cast("LanguageModel", SimpleNamespace(model=model, num_positions=64))
    with mock.patch.object(loading, "ModelRunner") as runner, caplog.at_level(logging.WARNING):
        assert make_runner(loaded, 2) is runner.return_value
    assert "lacks a C compiler" in caplog.text
