"""The ``config.pbtxt`` files say what ``s1_protocol`` says."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from s1_protocol import tensors
from s1_protocol.names import ModelName
from s1_protocol.tensors import MAX_BATCH_SIZE, TensorSpec

REPOSITORY = Path(__file__).resolve().parents[3] / "model_repository"


def read_config(model):
    text = (REPOSITORY / model / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def as_specs(declared):
    """Tensors of a configuration, as far as s1_protocol describes them."""
    return [
        TensorSpec(
            tensor.name,
            model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_"),
            tuple(tensor.dims),
            getattr(tensor, "optional", False),
        )
        for tensor in declared
    ]


CASES = {
    ModelName.ONE_ANSWER: ([*tensors.SPEECH_INPUTS], [*tensors.AUDIO_OUTPUTS]),
    ModelName.STREAM: ([*tensors.SPEECH_INPUTS], [*tensors.CHUNK_OUTPUTS]),
    ModelName.VOICE: ([*tensors.VOICE_INPUTS], [*tensors.VOICE_OUTPUTS]),
    ModelName.LLAMA: ([*tensors.LLAMA_INPUTS], [*tensors.CODES_TENSORS]),
    ModelName.CODEC: ([*tensors.CODEC_INPUTS], [*tensors.CHUNK_OUTPUTS]),
}


@pytest.mark.parametrize("model", CASES)
def test_tensors(model):
    inputs, outputs = CASES[model]
    config = read_config(model)
    assert as_specs(config.input) == inputs
    assert as_specs(config.output) == outputs


@pytest.mark.parametrize("model", [path.parent.name for path in sorted(REPOSITORY.glob("*/config.pbtxt"))])
def test_name_batch_and_version_folder(model):
    config = read_config(model)
    assert config.name == model
    assert config.max_batch_size == MAX_BATCH_SIZE
    assert any((REPOSITORY / model / "1").iterdir())  # git keeps no empty folder


def test_transaction_policies():
    assert {model: read_config(model).model_transaction_policy.decoupled for model in CASES} == {
        ModelName.ONE_ANSWER: False,
        ModelName.STREAM: True,
        ModelName.VOICE: True,
        ModelName.LLAMA: True,
        ModelName.CODEC: True,
    }


def test_language_model_gathers_arrivals_and_the_codec_does_not():
    batching = read_config(ModelName.LLAMA).dynamic_batching
    assert list(batching.preferred_batch_size) == [8]
    assert batching.max_queue_delay_microseconds == 100_000
    assert not read_config(ModelName.CODEC).HasField("dynamic_batching")


def test_instances():
    counts = {model: sum(group.count for group in read_config(model).instance_group) for model in CASES}
    assert counts == {
        ModelName.ONE_ANSWER: 8,
        ModelName.STREAM: 0,
        ModelName.VOICE: 1,
        ModelName.LLAMA: 1,
        ModelName.CODEC: 1,
    }
