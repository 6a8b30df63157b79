"""How much of everything a training does: sizes, hours of speech, steps; kept in a file, so that it can be repeated."""

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from s1_training.loop import TrainingStage
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.lm.config import LmConfig

SHARES: Final = {"decoder": 0.12, "encoder": 0.06, "lm": 0.68}
"""Of the time; the rest is for text, speech, codes and listening."""

MAX_HOURS: Final = 20.0
MAX_SOUNDING_HOURS: Final = 4.0
HOURS_A_CORE_MINUTE: Final = 0.07
"""Hours of speech made for each core and minute of the whole time; that takes some 7 % of it."""

MIN_STEPS: Final = 20
_WARM_STEPS, _TIMED_STEPS = 12, 12  # the first ones compile


@dataclass(frozen=True)
class VoiceSizes:
    """Sizes of the voice.

    Args:
        codec: Of the codec.
        lm: Of the language model; its vocabulary is set by the tokenizer.
    """

    codec: CodecConfig
    lm: LmConfig


DEMO_SIZES: Final = VoiceSizes(
    codec=CodecConfig(
        encoder_dim=12,
        encoder_transformer_layers=(0, 0, 0, 0),
        decoder_dim=256,
        decoder_rates=(2, 4, 8, 8),
        num_residual_codebooks=1,
        semantic_codebook_size=1024,
        codebook_dim=32,
        quantizer_layers=1,
        quantizer_heads=3,
        quantizer_intermediate_size=512,
        quantizer_window=32,
        quantizer_block_size=512,
    ),
    lm=LmConfig(
        n_layer=6,
        n_head=4,
        dim=256,
        intermediate_size=704,
        n_local_heads=2,
        head_dim=64,
        norm_eps=1e-6,
        max_seq_len=1024,
        tie_word_embeddings=False,
        attention_qk_norm=True,
        codebook_size=1024,
        num_codebooks=2,
        scale_codebook_embeddings=True,
        n_fast_layer=1,
        fast_attention_qk_norm=False,
    ),
)


@dataclass(frozen=True)
class TrainingPlan:
    """What a training does; steps of 0 are decided when the stage begins.

    Args:
        seed: Seed of everything.
        minutes: Time in all.
        hours: Hours of speech.
        sounding_hours: Hours of it that the codec learns from.
        decoder_steps: Steps of the codec's decoder.
        encoder_steps: Steps of the codec's encoder.
        lm_steps: Steps of the language model.
    """

    seed: int
    minutes: float
    hours: float
    sounding_hours: float
    decoder_steps: int = 0
    encoder_steps: int = 0
    lm_steps: int = 0

    @classmethod
    def of_minutes(cls, minutes: float, seed: int) -> Self:
        """A plan for some time on this machine."""
        hours = min(MAX_HOURS, HOURS_A_CORE_MINUTE * minutes * len(os.sched_getaffinity(0)))
        return cls(seed, minutes, hours, min(hours, MAX_SOUNDING_HOURS))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it from a file."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def steps_of(self, name: str) -> int:
        """Steps of a stage; 0 if that is still to be decided."""
        return int(asdict(self)[f"{name}_steps"])

    def with_steps(self, name: str, step_s: float) -> Self:
        """The plan with as many steps as fit into a stage's share of the time.

        Args:
            name: Of the stage.
            step_s: What one takes.
        """
        num_steps = max(MIN_STEPS, int(self.minutes * 60 * SHARES[name] / step_s))
        return replace(self, **{f"{name}_steps": num_steps})


def measure_step_s(stage: TrainingStage) -> float:
    """Time one step of a stage takes; its weights stay as they are, only their gradients are computed."""
    for step in range(_WARM_STEPS):
        _try_step(stage, step)
    started_s = time.monotonic()
    for step in range(_WARM_STEPS, _WARM_STEPS + _TIMED_STEPS):
        _try_step(stage, step)
    for value in stage.parameters.values():
        value.grad = None
    return (time.monotonic() - started_s) / _TIMED_STEPS


def _try_step(stage: TrainingStage, step: int) -> None:
    losses = list(stage.losses(step).values())
    sum(losses[1:], losses[0]).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    [float(loss.detach()) for loss in losses]  # waits for the device
