"""What goes wrong before a server's process is started."""

import tempfile
from pathlib import Path

import pytest

from s1_protocol.errors import SettingsError
from s1_tts.checkpoint_files import CHECKPOINT_FILES
from s1_tts.serving.ports import Ports
from s1_tts.serving.repository import PACKAGED_REPOSITORY
from s1_tts.serving.server import ServerOptions, TritonServer
from tests.full_disk import disk_with_room_for


def test_a_full_temporary_folder_is_told_and_left_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, temporary = tmp_path / "checkpoint", tmp_path / "temporary"
    checkpoint.mkdir()
    for name in CHECKPOINT_FILES:
        (checkpoint / name).touch()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    options = ServerOptions(checkpoint, PACKAGED_REPOSITORY, ports=Ports(http=0, grpc=0, metrics=0))
    with disk_with_room_for(10_000), pytest.raises(SettingsError, match="set TMPDIR to one with room"):
        TritonServer(options)
    assert list(temporary.iterdir()) == []
