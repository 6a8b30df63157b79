"""A voice of the smallest sizes, trained for a few steps on a minute of speech."""

from dataclasses import replace
from pathlib import Path

import pytest

from s1_training.plan import DEMO_SIZES, TrainingPlan, VoiceSizes
from s1_training.run import VoiceTraining

TINY = VoiceSizes(
    codec=replace(
        DEMO_SIZES.codec,
        encoder_dim=4,
        decoder_dim=32,
        semantic_codebook_size=64,
        residual_codebook_size=64,
        codebook_dim=8,
        quantizer_heads=1,
        quantizer_intermediate_size=64,
    ),
    lm=replace(
        DEMO_SIZES.lm, n_layer=2, n_head=2, dim=32, intermediate_size=64, n_local_heads=1, head_dim=16, codebook_size=64
    ),
)
PLAN = TrainingPlan(
    seed=3, minutes=0.1, hours=0.01, sounding_hours=0.005, decoder_steps=5, encoder_steps=5, lm_steps=24
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a training that ran to its end, but for the listening."""
    folder = tmp_path_factory.mktemp("trained")
    VoiceTraining(folder, PLAN, sizes=TINY, use_compile=False).train()
    return folder
