import pytest

from s1_protocol.errors import SettingsError
from s1_tts.serving.repository import Profile, render

CONFIG = "dynamic_batching {\n  max_queue_delay_microseconds: 100000\n}\n"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source" / "s1_llama"
    (folder / "1" / "__pycache__").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    return folder.parent


def test_notes_are_served_with_the_files_as_they_are(source, tmp_path):
    render(source, tmp_path / "target", Profile.NOTES)
    assert (tmp_path / "target" / "s1_llama" / "config.pbtxt").read_text() == CONFIG
    assert not (tmp_path / "target" / "s1_llama" / "1" / "__pycache__").exists()


def test_calls_do_not_wait_for_others(source, tmp_path):
    render(source, tmp_path / "target", Profile.CALLS)
    text = (tmp_path / "target" / "s1_llama" / "config.pbtxt").read_text()
    assert text == CONFIG.replace("100000", "0")
    assert (source / "s1_llama" / "config.pbtxt").read_text() == CONFIG


def test_profile_that_finds_nothing_to_set(source, tmp_path):
    (source / "s1_llama" / "config.pbtxt").write_text("")
    with pytest.raises(SettingsError, match="0 times"):
        render(source, tmp_path / "target", Profile.CALLS)


def test_folder_that_is_no_repository(tmp_path):
    with pytest.raises(SettingsError, match="no model repository"):
        render(tmp_path, tmp_path / "target", Profile.NOTES)
