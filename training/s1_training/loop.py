"""One training loop for all stages: AdamW, a warm-up and a cosine, averaged weights, resumable at any step.

All that is random in a step comes from the step's number, so a run that was interrupted goes on as if it had not been.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from s1_training.progress import StageProgress

SAVE_INTERVAL_STEPS = 250
AVERAGE_DECAY = 0.999

Check = Callable[[], Mapping[str, float]]


class TrainingStage(Protocol):
    """Something to train."""

    name: str

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Leaves to train by name."""

    def losses(self, step: int) -> dict[str, Tensor]:
        """Losses of a step by name; their sum is what is made smaller. Nothing but the step decides on the batch."""


@dataclass(frozen=True)
class Optimisation:
    """How a stage is trained.

    Args:
        num_steps: Steps in all.
        rate: Highest learning rate.
        warm_up_steps: Steps until it is reached.
        weight_decay: Of AdamW, for matrices.
        clip: Largest norm of the gradients.
    """

    num_steps: int = 0
    rate: float = 1.5e-3
    warm_up_steps: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        if step < self.warm_up_steps:
            return self.rate * (step + 1) / self.warm_up_steps
        done = (step - self.warm_up_steps) / max(1, self.num_steps - self.warm_up_steps)
        return self.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


def train(
    stage: TrainingStage,
    how: Optimisation,
    folder: Path,
    progress: StageProgress,
    check: Check | None = None,
) -> dict[str, Tensor]:
    """Train a stage to its end, from where its last checkpoint stands.

    Args:
        stage: What to train.
        how: Steps and rates.
        folder: Checkpoints ``<name>.pt`` and losses ``<name>-losses.csv`` go here.
        progress: Shows steps and losses.
        check: Gives losses on what is not trained on; asked at every checkpoint, noted in ``<name>-held-out.csv``.

    Returns:
        The averaged weights by name, on the CPU. The stage's own parameters hold the last ones.
    """
    parameters = stage.parameters
    average = {name: value.detach().clone() for name, value in parameters.items()}
    optimizer = _optimizer(parameters, how)
    path, log = folder / f"{stage.name}.pt", folder / f"{stage.name}-losses.csv"
    start = _resume(path, parameters, average, optimizer)
    _cut_log(log, start)
    progress.start(stage.name, how.num_steps, start)
    with log.open("a", encoding="ascii") as lines:
        for step in range(start, how.num_steps):
            values = _step(stage, how, step, optimizer)
            decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
            for name, value in parameters.items():
                average[name].lerp_(value.detach(), 1 - decay)
            lines.write(f"{step},{','.join(f'{name}={value:.6f}' for name, value in values.items())}\n")
            progress.advance(values)
            if (step + 1) % SAVE_INTERVAL_STEPS == 0 or step + 1 == how.num_steps:
                lines.flush()
                _save(path, step + 1, parameters, average, optimizer)
                if check is not None:
                    _note(folder / f"{stage.name}-held-out.csv", step + 1, check(), progress)
    progress.finish()
    return {name: value.cpu() for name, value in average.items()}


def _step(stage: TrainingStage, how: Optimisation, step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    for group in optimizer.param_groups:
        group["lr"] = how.rate_at(step)
    optimizer.zero_grad(set_to_none=True)
    losses = stage.losses(step)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.nn.utils.clip_grad_norm_(stage.parameters.values(), how.clip)
    optimizer.step()
    values = {name: float(loss.detach()) for name, loss in losses.items()}
    if not all(math.isfinite(value) for value in values.values()):
        raise ArithmeticError(f"{stage.name}: step {step} has losses {values}; use another seed or a lower rate")
    return values


def _optimizer(parameters: Mapping[str, Tensor], how: Optimisation) -> torch.optim.Optimizer:
    matrices = [value for value in parameters.values() if value.ndim > 1]
    vectors = [value for value in parameters.values() if value.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": how.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    given = [group for group in groups if group["params"]]
    return torch.optim.AdamW(given, lr=how.rate, betas=(0.9, 0.98), fused=True)


def _save(
    path: Path,
    step: int,
    parameters: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    values = {name: value.detach() for name, value in parameters.items()}
    part = path.with_suffix(".part")
    torch.save(
        {"step": step, "parameters": values, "average": dict(average), "optimizer": optimizer.state_dict()}, part
    )
    os.replace(part, path)


def _resume(
    path: Path, parameters: Mapping[str, Tensor], average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> int:
    """Take over a checkpoint, if there is one; returns the step to go on with."""
    if not path.is_file():
        return 0
    saved = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(saved["parameters"][name])
            average[name].copy_(saved["average"][name])
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"])


def _note(path: Path, step: int, losses: Mapping[str, float], progress: StageProgress) -> None:
    shown = ",".join(f"{name}={value:.4f}" for name, value in losses.items())
    with path.open("a", encoding="ascii") as lines:
        lines.write(f"{step},{shown}\n")
    progress.say(f"held out, after {step} steps: {shown}")


def _cut_log(log: Path, steps: int) -> None:
    """Drop the losses of steps after the last checkpoint; they are computed again."""
    if log.is_file():
        lines = log.read_text(encoding="ascii").splitlines(keepends=True)[:steps]
        log.write_text("".join(lines), encoding="ascii")
