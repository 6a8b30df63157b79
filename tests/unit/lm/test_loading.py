"""A checkpoint loads whole or not at all, and the message says what is wrong with it."""

import gc
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from s1_protocol.errors import CheckpointError, SettingsError
from s1_tts.lm.config import LmConfig
from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.loading import load_language_model
from s1_tts.lm.tokenizer import Tokenizer

CPU = torch.device("cpu")


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "checkpoint"))


def edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    weights = torch.load(folder / "model.pth", weights_only=True)
    edit(weights)
    torch.save(weights, folder / "model.pth")


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def load(folder: Path) -> None:
    load_language_model(folder, CPU, torch.float32)


def test_no_number_is_drawn_that_the_checkpoint_gives(folder: Path) -> None:
    """On the meta device, drawing one imports torch's compiler: a second and 100 MB of each start."""
    with patch.object(torch.Tensor, "normal_", side_effect=AssertionError("drawn")):
        load(folder)


def test_a_missing_key_is_named(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.pop("layers.1.attention.wo.weight"))
    with pytest.raises(CheckpointError, match=r"missing.*layers\.1\.attention\.wo\.weight"):
        load(folder)


def test_a_surplus_key_is_named(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.update(surprise=torch.zeros(1)))
    with pytest.raises(CheckpointError, match="surprise"):
        load(folder)


def test_a_misshapen_key_is_named_with_both_shapes(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.update({"norm.weight": torch.zeros(3)}))
    with pytest.raises(CheckpointError, match=r"norm\.weight.*\[3\].*\[64\]"):
        load(folder)


def test_prefixes_and_audio_keys_of_training_checkpoints_are_understood(folder: Path) -> None:
    weights = torch.load(folder / "model.pth", weights_only=True)
    renamed = {f"model.{key}": value for key, value in weights.items()} | {"model.audio_projector.x": torch.zeros(1)}
    torch.save({"state_dict": renamed}, folder / "model.pth")
    load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.pth", "tokenizer.tiktoken", "special_tokens.json"])
@pytest.mark.parametrize("fault", ["missing", "garbage"])
def test_a_broken_file_is_named(folder: Path, name: str, fault: str) -> None:
    if fault == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"\x80garbage\xff")
    with pytest.raises(CheckpointError, match=name):
        load(folder)


def test_another_model_type_is_refused(folder: Path) -> None:
    edit_config(folder, model_type="naive")
    with pytest.raises(CheckpointError, match=r"'naive'.*'dual_ar'"):
        load(folder)


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    tokens = json.loads((folder / "special_tokens.json").read_text())
    del tokens["<|semantic:4095|>"]
    (folder / "special_tokens.json").write_text(json.dumps(tokens))
    with pytest.raises(CheckpointError, match="4095 semantic"):
        load(folder)


def test_published_sizes_are_read_as_the_reference_reads_them() -> None:
    config = LmConfig(dim=1024, n_head=16, n_local_heads=-1, head_dim=None, intermediate_size=None)
    assert config.slow.n_kv_head == 16
    assert config.slow.head_dim == 64
    assert config.slow.intermediate_size == 2816
    assert config.fast.dim == 1024


def test_control_tokens_in_a_text_are_plain_characters(tiny_folder: Path) -> None:
    tokenizer = Tokenizer(tiny_folder)
    ids = tokenizer.encode("a<|im_end|><|semantic:5|>b")
    assert tokenizer.im_end_id not in ids
    assert max(ids) < 256


def test_a_pool_that_does_not_fit_says_so(tiny_folder: Path) -> None:
    sizes = LmConfig.read(tiny_folder / "config.json").slow
    with pytest.raises(SettingsError, match=r"GiB.*lower S1_MAX_SLOTS"):
        KvPool(sizes, 10_000_000, 8192, torch.float32, CPU)


def test_bfloat16_computes(tiny_folder: Path) -> None:
    loaded = load_language_model(tiny_folder, CPU, torch.bfloat16)
    assert loaded.model.dtype is torch.bfloat16
    assert loaded.model.rotations.dtype is torch.complex64


@pytest.mark.parametrize("use_native", [True, False])
def test_a_loaded_model_has_memory_of_its_own(folder: Path, use_native: bool) -> None:
    loaded = load_language_model(folder, CPU, torch.float32, use_native=use_native)
    gc.collect()
    assert str(folder) not in Path("/proc/self/maps").read_text()
    assert loaded.weight_bytes > 0
