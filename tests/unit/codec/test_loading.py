import gc
import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from s1_protocol.errors import CheckpointError
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.lm.loading import read_llama_weights
from s1_tts.state_dict import load_strict, read_state_dict, unchanged
from tests.unit.codec.conftest import CPU, random_codes


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    made = Path(shutil.copytree(tiny_folder, tmp_path / "codec"))
    shutil.copyfile(made / "codec.pth", made / "kept.pth")
    return made


def rewrite(folder: Path, **changes: torch.Tensor | None) -> None:
    tensors = dict(torch.load(folder / "codec.pth"))
    for key, value in changes.items():
        if value is None:
            del tensors[key]
        else:
            tensors[key] = value
    torch.save(tensors, folder / "codec.pth")


def load(folder: Path) -> StreamingDecoder:
    return StreamingDecoder.load(folder, CPU, torch.float32)


@pytest.mark.parametrize(
    "key", ["encoder.block.0.conv.bias", "decoder.model.5.alpha", "quantizer.pre_module.norm.weight"]
)
def test_a_missing_key_is_named(folder: Path, key: str) -> None:
    rewrite(folder, **{key: None})
    with pytest.raises(CheckpointError, match=rf"missing \(1\): {key}"):
        load(folder)


def test_a_surplus_key_is_named(folder: Path) -> None:
    rewrite(folder, **{"decoder.model.9.alpha": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"not of this model \(1\): decoder.model.9.alpha"):
        load(folder)


def test_a_wrong_shape_is_named(folder: Path) -> None:
    rewrite(folder, **{"decoder.model.5.alpha": torch.zeros(1, 7, 1)})
    with pytest.raises(CheckpointError, match=r"decoder.model.5.alpha is \[1, 7, 1\], allowed: \[1, 2, 1\]"):
        load(folder)


def test_many_faults_are_counted(folder: Path) -> None:
    CodecConfig().save(folder)
    with pytest.raises(CheckpointError, match=r"and \d+ more"):
        load(folder)


def test_tables_may_be_left_out(folder: Path) -> None:
    rewrite(folder, **{"quantizer.post_module.freqs_cis": None, "quantizer.pre_module.causal_mask": None})
    load(folder)


def test_both_weight_norm_styles_and_a_wrapper_give_the_same_sound(folder: Path, decoder: StreamingDecoder) -> None:
    tensors = {}
    for key, value in torch.load(folder / "codec.pth").items():
        other = key.replace(".parametrizations.weight.original0", ".weight_g")
        other = other.replace(".parametrizations.weight.original1", ".weight_v")
        if key.startswith("quantizer"):
            other = key.replace(".weight_g", ".parametrizations.weight.original0")
            other = other.replace(".weight_v", ".parametrizations.weight.original1")
        tensors[f"generator.{other}"] = value
    tensors["discriminator.weight"] = torch.zeros(1)
    torch.save({"state_dict": tensors}, folder / "codec.pth")
    codes = random_codes(decoder.config, 3)
    other_decoder = load(folder)
    actual = other_decoder.decode([other_decoder.new_state()], [codes])[0]
    assert torch.equal(actual, decoder.decode([decoder.new_state()], [codes])[0])


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"codec.pth does not exist"):
        load(tmp_path)
    for content in (b"", b"not a checkpoint", b"PK\x03\x04" + bytes(100)):
        (tmp_path / "codec.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"codec.pth is no readable weights file"):
            load(tmp_path)
    torch.save([1, 2], tmp_path / "codec.pth")
    with pytest.raises(CheckpointError, match="holds a list"):
        read_state_dict(tmp_path / "codec.pth")
    torch.save({"epoch": 3}, tmp_path / "codec.pth")
    with pytest.raises(CheckpointError, match="epoch is a int"):
        read_state_dict(tmp_path / "codec.pth")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"decoder_dims": 32}', "unknown key 'decoder_dims'"),
        ('{"decoder_dim": "32"}', "decoder_dim is '32'"),
        ('{"decoder_dim": true}', "decoder_dim is True"),
        ('{"decoder_dim": -32}', "decoder_dim is -32"),
        ('{"decoder_dim": 40}', "a multiple of 16"),
        ('{"decoder_rates": [8, 8, 4, 4]}', "differ in their product"),
        ('{"encoder_rates": 8}', "encoder_rates is 8; allowed: a list"),
        ('{"encoder_transformer_layers": [4]}', "one for each of the 4"),
        ("[]", "holds a list"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_wrong_config_is_refused(tmp_path: Path, content: str, fault: str) -> None:
    (tmp_path / "codec.json").write_text(content)
    with pytest.raises(CheckpointError, match=fault):
        CodecConfig.load(tmp_path)


def test_a_config_is_read_back_as_written(tmp_path: Path) -> None:
    config = CodecConfig(decoder_dim=64, rope_base=1e6)
    config.save(tmp_path)
    assert CodecConfig.load(tmp_path) == config
    (tmp_path / "codec.json").write_text(json.dumps({"decoder_dim": 64, "rope_base": 1_000_000}))
    assert CodecConfig.load(tmp_path) == config


def test_load_strict_takes_the_tensors_themselves(tmp_path: Path) -> None:
    torch.save({"model.weight": torch.ones(2, 3), "model.audio_projector": torch.ones(1)}, tmp_path / "model.pth")
    weights = read_llama_weights(tmp_path / "model.pth")
    with torch.device("meta"):
        module = nn.Linear(3, 2, bias=False)
    load_strict(module, weights, source="model.pth")
    assert module.weight.data_ptr() == weights["weight"].data_ptr()
    with pytest.raises(CheckpointError, match=r"model.pth does not fit the model: missing \(1\): bias"):
        load_strict(nn.Linear(3, 2), weights, source="model.pth")


@pytest.mark.parametrize("kind", [StreamingDecoder, CodecEncoder])
def test_what_is_loaded_has_memory_of_its_own(folder: Path, kind: type[StreamingDecoder] | type[CodecEncoder]) -> None:
    loaded = kind.load(folder, CPU, torch.float32)
    gc.collect()
    assert str(folder) not in Path("/proc/self/maps").read_text()
    assert loaded is not None


def test_a_running_decoder_does_not_hear_weights_written_over_its_file(folder: Path) -> None:
    decoder = load(folder)
    codes = random_codes(decoder.config, 8)
    path = folder / "codec.pth"
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    late = decoder.decode([decoder.new_state()], [codes])[0]
    path.unlink()
    shutil.copyfile(folder / "kept.pth", path)
    whole = load(folder)
    assert torch.equal(late, whole.decode([whole.new_state()], [codes])[0])


def test_weights_that_change_while_they_are_read_are_refused(folder: Path) -> None:
    path = folder / "codec.pth"
    with pytest.raises(CheckpointError, match="changed while it was read"), unchanged(path):
        path.write_bytes(path.read_bytes())
