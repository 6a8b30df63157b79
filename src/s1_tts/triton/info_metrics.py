"""What this server is, as the labels of a metric; for ``s1-tts doctor`` and for operators of many servers."""

import os
from pathlib import Path

from s1_protocol.names import InfoLabel
from s1_protocol.notices import is_dev_checkpoint
from s1_protocol.version import package_version
from s1_tts.lm.engine import LmEngine
from s1_tts.settings import Settings
from s1_tts.triton.metric_families import Gauge


class InfoMetrics:
    """Shows what is served, once; it is there as long as this object.

    Args:
        settings: The server's settings.
        engine: What became of it.
    """

    def __init__(self, settings: Settings, engine: LmEngine) -> None:
        checkpoint = settings.require_checkpoint()
        labels = {
            InfoLabel.VERSION: package_version(),
            InfoLabel.CHECKPOINT: _folder_name(checkpoint),
            InfoLabel.DEVELOPMENT: str(is_dev_checkpoint(checkpoint)).lower(),
            InfoLabel.DEVICE: engine.device,
            InfoLabel.DTYPE: engine.dtype,
            InfoLabel.SLOTS: str(engine.stats().slots),
        }
        named = {label.value: value for label, value in labels.items()}
        self._info = Gauge("s1_server_info", "Always 1; what is served, as labels", [named])
        self._info.set(1, named)


def _folder_name(folder: Path) -> str:
    """Name of a folder without the way to it, which is nobody else's business; bytes that are no UTF-8 are replaced."""
    return os.fsencode(Path(os.path.abspath(folder)).name).decode("utf-8", "replace")
