"""``serve`` in our image reads the environment as Triton's own script does, and refuses what it cannot do."""

from pathlib import Path

import pytest

from s1_protocol.errors import SettingsError
from s1_tts.serving import sagemaker_container, sagemaker_serve
from s1_tts.serving.ports import Ports
from s1_tts.serving.repository import Profile
from s1_tts.serving.sagemaker_serve import read_options
from s1_tts.serving.server import ServerOptions
from s1_tts.settings import Settings


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "checkpoint").mkdir(parents=True)
    return tmp_path / "model"


def options(folder: Path, **environment: str) -> ServerOptions:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return read_options(environment, Settings.load(), folder)


def test_defaults(model_folder: Path) -> None:
    read = options(model_folder)
    assert read.checkpoint == model_folder / "checkpoint"
    assert read.model_repository == model_folder
    assert read.host == "127.0.0.1"
    assert read.ports == Ports(http=0, grpc=0, metrics=0, sagemaker=8080)
    assert read.profile is Profile.NOTES
    assert read.device == "auto"
    assert read.settings == {"SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "s1_mini"}
    assert read.flags == ()


def test_streaming_serves_the_stream_and_does_not_wait_for_others(model_folder: Path) -> None:
    read = options(model_folder, SAGEMAKER_TRITON_INFERENCE_TYPE="generate_stream")
    assert read.settings == {"SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "s1_mini_stream"}
    assert read.profile is Profile.CALLS
    asked = options(model_folder, SAGEMAKER_TRITON_INFERENCE_TYPE="generate_stream", S1_PROFILE="notes")
    assert asked.profile is Profile.NOTES


def test_settings_of_tritons_script_become_arguments(model_folder: Path) -> None:
    read = options(
        model_folder,
        SAGEMAKER_BIND_TO_PORT="9000",
        SAGEMAKER_TRITON_METRICS_PORT="9002",
        SAGEMAKER_TRITON_GRPC_PORT="9001",
        SAGEMAKER_TRITON_LOG_VERBOSE="1",
        SAGEMAKER_TRITON_THREAD_COUNT="16",
        SAGEMAKER_TRITON_SHM_DEFAULT_BYTE_SIZE="2097152",
        SAGEMAKER_TRITON_ADDITIONAL_ARGS="--log-format=ISO8601 --strict-readiness=true",
        S1_DEVICE="cpu",
    )
    assert read.ports == Ports(http=0, grpc=9001, metrics=9002, sagemaker=9000)
    assert read.flags == (
        "--sagemaker-thread-count=16",
        "--log-verbose=1",
        "--backend-config=python,shm-default-byte-size=2097152",
        "--log-format=ISO8601",
        "--strict-readiness=true",
    )
    assert read.device == "cpu"


def test_other_ports_stay_in_the_range_that_sagemaker_allows(model_folder: Path) -> None:
    read = options(model_folder, SAGEMAKER_SAFE_PORT_RANGE="9000-9010", SAGEMAKER_BIND_TO_PORT="9001")
    assert read.ports == Ports(http=9000, grpc=9002, metrics=9003, sagemaker=9001)
    assert read.flags == ("--sagemaker-safe-port-range=9000-9010",)


def test_checkpoint_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel, packed, given = tmp_path / "channel", tmp_path / "checkpoint", tmp_path / "given"
    monkeypatch.setattr(sagemaker_serve, "CHANNEL_CHECKPOINT", channel)
    with pytest.raises(SettingsError, match=f"no checkpoint: .* {packed} or {channel}"):
        options(tmp_path)
    channel.mkdir()
    assert options(tmp_path).checkpoint == channel
    packed.mkdir()
    assert options(tmp_path).checkpoint == packed
    assert options(tmp_path, S1_CHECKPOINT=str(given)).checkpoint == given


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SAGEMAKER_MULTI_MODEL", "true", "SAGEMAKER_MULTI_MODEL=true: this container serves one model"),
        ("SAGEMAKER_TRITON_INFERENCE_TYPE", "generate", "got 'generate'; allowed: infer, generate_stream"),
        ("SAGEMAKER_TRITON_DEFAULT_MODEL_NAME", "s1_llama", "got 's1_llama'; allowed with infer: s1_mini"),
        ("SAGEMAKER_BIND_TO_PORT", "http", "SAGEMAKER_BIND_TO_PORT: got 'http'; allowed: a port number"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "9000", "got '9000'; allowed: FIRST-LAST, at least four ports"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "9000-9001", "at least four ports"),
    ],
)
def test_wrong_variables_are_told(model_folder: Path, name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        options(model_folder, **{name: value})


def test_folders_are_those_of_sagemaker() -> None:
    assert str(sagemaker_container.PACKED_CHECKPOINT) == "/opt/ml/model/checkpoint"
    assert str(sagemaker_container.CHANNEL_CHECKPOINT) == "/opt/ml/additional-model-data-sources/checkpoint"
