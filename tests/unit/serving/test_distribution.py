"""The server is found where it is said to be."""

from pathlib import Path

import pytest

from s1_protocol.errors import SettingsError
from s1_tts.serving.distribution import find_distribution


def test_a_server_elsewhere_is_taken_with_its_backends_and_libraries(tmp_path: Path) -> None:
    program = tmp_path / "opt" / "bin" / "tritonserver"
    for folder in ("bin", "lib", "backends"):
        (tmp_path / "opt" / folder).mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = find_distribution(program)
    assert (found.binary, found.backends) == (program, tmp_path / "opt" / "backends")
    assert str(tmp_path / "opt" / "lib") in found.environment({})["LD_LIBRARY_PATH"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("text")])
def test_what_is_no_program_is_named(tmp_path: Path, make) -> None:
    make(tmp_path / "tritonserver")
    with pytest.raises(SettingsError, match=r"S1_TRITON_SERVER=.*: is no program"):
        find_distribution(tmp_path / "tritonserver")
