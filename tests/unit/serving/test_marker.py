from s1_tts.checkpoint.dev import MARKER_FILE
from s1_tts.serving.server import DEVELOPMENT_NOTICE


def test_launcher_knows_development_checkpoints_without_importing_what_makes_them():
    assert DEVELOPMENT_NOTICE == MARKER_FILE
