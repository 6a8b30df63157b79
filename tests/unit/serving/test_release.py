"""A server with holes that are public is warned of."""

import pytest

from s1_tts.serving.release import ask_version, warn_of


@pytest.mark.parametrize("version", ["2.51.0", "2.70.9", "1.99.0"])
def test_an_older_release_is_warned_of(version: str) -> None:
    warning = warn_of(version)
    assert warning is not None
    assert version in warning
    assert "26.07" in warning


@pytest.mark.parametrize("version", ["2.71.0", "2.75.0", "3.0.0", "", "dev", "2.x"])
def test_a_newer_one_or_one_that_is_not_told_is_not(version: str) -> None:
    assert warn_of(version) is None


def test_a_server_that_does_not_answer_tells_no_version() -> None:
    assert ask_version("127.0.0.1", 1) == ""
