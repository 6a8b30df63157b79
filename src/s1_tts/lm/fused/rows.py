"""Rows of a launch: one table that goes to the device in one copy, and says all that the host knows of each row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from s1_tts.cuda import event_of
from s1_tts.speech_task import Sampling

POSITION, DRAW, SEED, AGE, FIRST_COLUMN = range(5)
"""Columns of the table, as the kernels read them; a row's own column of token and codes follows."""

NOBODY = -1
"""Position of a row that computes nothing."""

NUM_HOST_TABLES = 3

_NOT_DRAWN = Sampling()


@dataclass(frozen=True, eq=False)
class TableRow:
    """What a launch needs of one row.

    Args:
        position: Place of its column in its sequence.
        slot: Slot of the sequence.
        column: ``[1 + num_codebooks]`` int64, read when ``age`` is 0.
        age: Frames since its column was set.
        draw: Number of its draw, for the noise.
        sampling: How it draws; without meaning in a prefill.
    """

    position: int
    slot: int
    column: npt.NDArray[np.int64]
    age: int = 0
    draw: int = 0
    sampling: Sampling = _NOT_DRAWN


class RowTable:
    """A table on the device, with what fills it on the host.

    Args:
        num_rows: Rows.
        num_codebooks: Codebooks of a frame.
        device: Where kernels read it.
    """

    def __init__(self, num_rows: int, num_codebooks: int, device: torch.device) -> None:
        width = FIRST_COLUMN + 1 + num_codebooks
        self.width = width
        # one piece of memory, so that it goes to the device in one copy: whole numbers, slots, then floats
        num_words = num_rows * (width + 1)
        self._device_words = torch.zeros(num_words + 2 * num_rows, dtype=torch.int64, device=device)
        self._num_words = num_words
        self._num_rows = num_rows
        self.rows, self.slots, self.options = self._views(self._device_words)
        self._hosts = [torch.zeros_like(self._device_words, device="cpu") for _ in range(NUM_HOST_TABLES)]
        if device.type == "cuda":
            self._hosts = [host.pin_memory() for host in self._hosts]
        self._copied = [event_of(device) for _ in range(NUM_HOST_TABLES)]
        self._turn = 0

    def fill(self, rows: Sequence[TableRow | None]) -> None:
        """Copy rows to the device, without waiting for it; the rows beyond them are nobody's.

        Several tables on the host are used in turn: one is waited for only if the copy out of it is not yet over.
        """
        place = self._turn
        self._turn = (place + 1) % NUM_HOST_TABLES
        host, copied = self._hosts[place], self._copied[place]
        if copied is not None:
            copied.synchronize()
        table, slots, options = (view.numpy() for view in self._views(host))
        table[:, POSITION] = NOBODY
        for index, row in enumerate(rows):
            if row is None:
                continue
            table[index, :FIRST_COLUMN] = row.position, row.draw, row.sampling.seed, row.age
            table[index, FIRST_COLUMN:] = row.column
            slots[index] = row.slot
            options[index] = row.sampling.row
        self._send(place)

    def _send(self, place: int) -> None:
        self._device_words.copy_(self._hosts[place], non_blocking=True)
        copied = self._copied[place]
        if copied is not None:
            copied.record()

    def _views(self, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        table = words[: self._num_words]
        rows = table[: self._num_rows * self.width].view(self._num_rows, self.width)
        slots = table[self._num_rows * self.width :]
        options = words[self._num_words :].view(torch.float32)[: self._num_rows * 3].view(self._num_rows, 3)
        return rows, slots, options
