"""How long prompts take to compute: on a GPU known only when the device has come to their end."""

import time
from collections import deque
from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass

import torch

from s1_tts.cuda import DeviceClock
from s1_tts.lm.recorder import Recorder
from s1_tts.lm.sequence import Sequence


@dataclass(frozen=True, eq=False)
class _Prefill:
    """Pieces of prompts that were computed together, or known.

    Args:
        sequences: Whose they are.
        clock: The device's time.
        is_computed: Whether anything was computed.
        host_s: Seconds that the host took.
    """

    sequences: AbstractSequence[Sequence]
    clock: DeviceClock
    is_computed: bool
    host_s: float


class PrefillClock:
    """Takes the time of prefills and tells it to a recorder.

    Args:
        device: Where they run.
        recorder: Takes it down.
    """

    def __init__(self, device: torch.device, recorder: Recorder) -> None:
        self._device = device
        self._recorder = recorder
        self._waiting: deque[_Prefill] = deque()

    def begin(self) -> None:
        """A prefill is about to be launched."""
        self._started_s = time.monotonic()
        self._clock = DeviceClock(self._device)

    def end(self, sequences: AbstractSequence[Sequence], *, is_computed: bool) -> None:
        """It was launched, and what follows from it."""
        self._clock.stop()
        host_s = time.monotonic() - self._started_s
        self._waiting.append(_Prefill(sequences, self._clock, is_computed, host_s))

    def settle(self) -> None:
        """Tell of the prefills that are over."""
        while self._waiting and self._waiting[0].clock.is_over():
            prefill = self._waiting.popleft()
            elapsed_s = prefill.clock.elapsed_s() or prefill.host_s
            self._recorder.prefilled(prefill.sequences, is_computed=prefill.is_computed, elapsed_s=elapsed_s)

    def forget(self) -> None:
        """Give up what is not over."""
        self._waiting.clear()
