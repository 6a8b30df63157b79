"""One stage, in its own process: ``python -m perf.gpu.stage NAME DEVICE SIZE CHECKPOINT OUT``.

On a CPU it is a rehearsal: the same lines run, with sizes that take seconds, the kernels in Triton's interpreter.
"""

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch

NUM_POSITIONS = 2048
"""Longest sequence, as in a server: kernels are compiled for it, and one stage finds what another one compiled."""


@dataclass(frozen=True)
class Stage:
    """What a stage works on.

    Args:
        device: Where it computes.
        size: Of the models: ``tiny``, ``mid`` or ``full``.
        checkpoint: Folder of a development checkpoint of that size.
        out: Folder for files of its own.
    """

    device: torch.device
    size: Literal["tiny", "mid", "full"]
    checkpoint: Path
    out: Path

    @property
    def is_cuda(self) -> bool:
        """Whether there is a GPU."""
        return self.device.type == "cuda"

    @property
    def is_rehearsal(self) -> bool:
        """Whether all that matters is that it runs."""
        return not self.is_cuda

    @property
    def dtype(self) -> torch.dtype:
        """What a server computes in."""
        return torch.bfloat16 if self.is_cuda else torch.float32


def main() -> None:
    """Run the stage that the command line names."""
    name, device, size, checkpoint, out = sys.argv[1:]
    if device == "cpu":
        torch.set_num_threads(1)  # a rehearsal computes next to nothing
    if os.environ.get("TRITON_INTERPRET"):
        from tests.unit.kernels.quick_interpreter import make_quick  # noqa: PLC0415  # changes a rehearsal alone

        make_quick()
    stage = Stage(torch.device(device), cast("Literal['tiny', 'mid', 'full']", size), Path(checkpoint), Path(out))
    importlib.import_module(f"perf.gpu.stage_{name}").run(stage)


if __name__ == "__main__":
    main()
