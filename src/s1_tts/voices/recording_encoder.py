"""Samples of a recording to codes: the codec's encoder, which takes memory from the first recording on."""

import logging
import time
from pathlib import Path

import numpy as np
import torch

from s1_protocol.errors import UnavailableError
from s1_tts.codec.codec_config import CODEC_WEIGHTS_FILE, CodecConfig
from s1_tts.codec.encoder import PARTS, CodecEncoder
from s1_tts.codec.native.tile_layers import TileKernels
from s1_tts.codec.weights import Weights
from s1_tts.state_dict import file_state
from s1_tts.voices.audio import Samples
from s1_tts.voices.voice import Codes

log = logging.getLogger(__name__)


class RecordingEncoder:
    """Encodes recordings, in float32 whatever the other models compute in: codes are made once and kept.

    On a CPU the weights are read when the first recording comes: most servers of stored voices never see one. One
    thread at a time.

    Args:
        folder: Folder of the checkpoint.
        device: Where to encode.
        use_native: On a CPU with AMX, compile the layers.

    Raises:
        CheckpointError: the checkpoint is missing, unreadable, or not of the published layout.
    """

    def __init__(self, folder: Path, device: torch.device, *, use_native: bool) -> None:
        self._folder = folder
        self._device = device
        self._use_native = use_native
        self._state = file_state(folder / CODEC_WEIGHTS_FILE)
        Weights.load(folder, CodecConfig.load(folder), device, torch.float32)  # refuses what does not fit
        self._encoder = None if device.type == "cpu" else self._load()

    def __call__(self, samples: Samples) -> Codes:
        """Encode samples ``[N]`` at 44 100 Hz to codes ``[num_codebooks, frames]``.

        Raises:
            UnavailableError: the checkpoint is no longer the one that the server started with.
        """
        if self._encoder is None:
            self._encoder = self._load()
        return np.asarray(self._encoder.encode(torch.tensor(samples)).cpu().numpy(), dtype=np.int32)

    def _load(self) -> CodecEncoder:
        path, started_s = self._folder / CODEC_WEIGHTS_FILE, time.monotonic()
        if file_state(path) != self._state:
            raise UnavailableError(f"{path} was changed since the server started; start it again")
        kernels = TileKernels.find(parts=PARTS) if self._use_native and self._device.type == "cpu" else None
        encoder = CodecEncoder.load(self._folder, self._device, torch.float32, kernels)
        layers = "torch's" if kernels is None else "compiled"
        log.info("encoder of %s: %s layers, loaded in %.1f s", self._folder, layers, time.monotonic() - started_s)
        return encoder
