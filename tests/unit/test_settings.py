"""Settings come from the environment over the parameters over the defaults, and a mistake is told at once."""

from pathlib import Path

import pytest

from s1_protocol.errors import SettingsError
from s1_tts.settings import ENV_PREFIX, Settings


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}", raising=False)


def test_defaults() -> None:
    settings = Settings.load()
    assert (settings.checkpoint, settings.device, settings.dtype) == (None, "auto", "auto")
    assert (settings.max_slots, settings.max_queue, settings.voices) == (8, 64, None)


def test_parameters_are_turned_into_the_fields_types() -> None:
    settings = Settings.load({"checkpoint": "/some/where", "max_slots": "16", "codec_wait_ms": "0.5"})
    assert (settings.checkpoint, settings.max_slots, settings.codec_wait_ms) == (Path("/some/where"), 16, 0.5)


def test_the_environment_goes_before_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S1_MAX_SLOTS", "4")
    assert Settings.load({"max_slots": "16", "max_queue": "3"}).max_slots == 4
    assert Settings.load({"max_slots": "16", "max_queue": "3"}).max_queue == 3


def test_an_empty_parameter_is_one_that_is_not_set() -> None:
    assert Settings.load({"max_slots": "", "voices": ""}) == Settings.load()


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S1_CHECKPOINT", "")
    monkeypatch.setenv("S1_MAX_SLOTS", "")
    settings = Settings.load({"max_slots": "3"})
    assert (settings.checkpoint, settings.max_slots) == (None, 3)


@pytest.mark.parametrize(
    "name", ["S1_URL", "S1_GATEWAY", "S1_TOKEN", "S1_TOKEN_FILE", "S1_GATEWAY_PORT", "S1_GATEWAY_ANYTHING"]
)
def test_variables_of_other_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "localhost:9001")
    assert Settings.load() == Settings()


def test_a_zero_is_a_value() -> None:
    assert Settings.load({"max_queue": "0"}).max_queue == 0


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_devices(device: str) -> None:
    assert Settings.load({"device": device}).device == device


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "gpu"),
        ("device", "cuda:"),
        ("device", "cpu:0"),
        ("dtype", "float16"),
        ("max_slots", "0"),
        ("max_slots", "257"),
        ("max_slots", "eight"),
        ("max_slots", "1.5"),
        ("max_queue", "-1"),
        ("call_slots", "-1"),
        ("context_tokens", "-1"),
        ("threads", "-2"),
        ("max_streams", "0"),
        ("stream_idle_s", "0"),
        ("stream_idle_s", "nan"),
        ("codec_wait_ms", "-0.1"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_came(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for from_environment in (False, True):
        if from_environment:
            monkeypatch.setenv(f"S1_{name.upper()}", value)
        with pytest.raises(SettingsError) as caught:
            Settings.load({} if from_environment else {name: value})
        assert f"S1_{name.upper()}={value!r}" in str(caught.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"S1_MAX_SLOTS.*S1_MAX_QUEUE"):
        Settings.load({"max_slots": "0", "max_queue": "-1"})


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [("S1_MAX_SLOT", "did you mean S1_MAX_SLOTS"), ("S1_DEVISE", "did you mean S1_DEVICE")],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_one(
    unknown: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(unknown, "1")
    with pytest.raises(SettingsError, match=f"unknown setting {unknown}; {hint}"):
        Settings.load()


def test_an_unknown_name_like_no_other_has_no_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S1_XYZZY", "1")
    with pytest.raises(SettingsError, match=r"unknown setting S1_XYZZY$"):
        Settings.load()


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown setting max_slot; did you mean S1_MAX_SLOTS"):
        Settings.load({"max_slot": "1"})


def test_other_peoples_variables_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_SLOTS", "0")
    monkeypatch.setenv("XS1_MAX_SLOTS", "0")
    assert Settings.load().max_slots == 8


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().max_slots = 3


def test_a_checkpoint_is_asked_for_by_its_variable() -> None:
    with pytest.raises(SettingsError, match="S1_CHECKPOINT is not set"):
        Settings.load().require_checkpoint()
    assert Settings.load({"checkpoint": "/a"}).require_checkpoint() == Path("/a")


def test_the_start_up_line_tells_every_setting() -> None:
    line = Settings.load({"max_slots": "3"}).describe()
    assert "max_slots=3" in line
    assert all(f"{name}=" in line for name in Settings.model_fields)
    assert "\n" not in line


LINKS = {
    "S1_TTS_SERVICE_HOST": "10.0.0.1",
    "S1_TTS_SERVICE_PORT": "8001",
    "S1_TTS_SERVICE_PORT_GRPC": "8001",
    "S1_TTS_PORT": "tcp://10.0.0.1:8001",
    "S1_TTS_PORT_8001_TCP": "tcp://10.0.0.1:8001",
    "S1_TTS_PORT_8001_TCP_PROTO": "tcp",
    "S1_TTS_PORT_8001_TCP_PORT": "8001",
    "S1_TTS_PORT_8001_TCP_ADDR": "10.0.0.1",
    "S1_PORT": "tcp://10.0.0.1:80",
    "S1_SERVICE_HOST": "10.0.0.1",
}


def test_what_kubernetes_makes_of_a_service_of_our_name_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == Settings()


@pytest.mark.parametrize(("name", "value"), [("S1_PORT", "8001"), ("S1_SERVICE_HOSTS", "a"), ("S1_MAX_SLOT", "3")])
def test_a_misspelt_setting_is_found_among_them(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"unknown setting {name}"):
        Settings.load()


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(("memory_gb", "slots"), [(8, 8), (16, 8), (24, 16), (48, 32), (80, 64), (141, 64)])
def test_on_a_gpu_slots_and_context_follow_from_its_memory(memory_gb: int, slots: int) -> None:
    sized = Settings.load().sized_for(memory_gb * 10**9)
    assert (sized.max_slots, sized.context_tokens) == (slots, 2048)
    assert sized.max_slots * sized.context_tokens * 114_688 < 0.25 * memory_gb * 1e9


def test_what_is_set_stays_on_a_gpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load({"max_slots": "8"}).sized_for(80 * 10**9) == Settings.load({"max_slots": "8"})
    monkeypatch.setenv("S1_CONTEXT_TOKENS", "4096")
    assert Settings.load().sized_for(80 * 10**9).max_slots == 8


def test_without_a_gpu_nothing_changes() -> None:
    assert Settings.load().sized_for(0) == Settings.load()
