"""CUDA as this project uses it: what a process and a thread set up, graphs, and a device that is lost."""

import logging
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

log = logging.getLogger(__name__)

EXIT_DEVICE_LOST = 86
"""Exit code of a model's process whose device is lost; nothing else ends with it."""

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter from the one that launches kernels."""

WARM_UP_RUNS = 2
"""Runs before a capture, so that libraries set themselves up, and kernels are compiled, outside the graph."""

T = TypeVar("T")


def prepare_process(device: torch.device, *, use_cudnn_attention: bool) -> None:
    """Set what holds for a process that computes on a device; on a CPU nothing.

    cuDNN's attention makes a plan for each new shape, 50 to 150 ms each and a thread's own, and refuses some masks
    without a way out; PyTorch asks it first on recent GPUs.

    Args:
        device: Where the process computes.
        use_cudnn_attention: Let PyTorch choose cuDNN's attention.
    """
    if device.type != "cuda":
        return
    torch.backends.cuda.enable_cudnn_sdp(use_cudnn_attention)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    enter(device)


def memory_bytes(device: torch.device) -> int:
    """Memory of a GPU; 0 for a CPU."""
    return int(torch.cuda.mem_get_info(device)[1]) if device.type == "cuda" else 0


def enter(device: torch.device) -> None:
    """Make a device the current one of this thread: threads begin on device 0."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def is_lost(device: torch.device) -> bool:
    """Whether a device answers every call with an error, as after an illegal access: only a new process helps."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as fault:
        log.critical("the device %s is lost: %s", device, fault)
        return True
    return False


def event_of(device: torch.device) -> torch.cuda.Event | None:
    """Make an event of a device's stream; none on a CPU, where nothing runs by itself."""
    return torch.cuda.Event() if device.type == "cuda" else None  # type: ignore[no-untyped-call]


class GraphCapture:
    """Captures functions as CUDA graphs that share memory, and one stream.

    A stream keeps a workspace of the matrix library for good, so there is one; and the graphs must live as long as
    each other, which the holder of this sees to. Replays take turns.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        enter(device)
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def capture(self, run: Callable[[], T]) -> Callable[[], T]:
        """Capture what a function launches; the largest ones first, so that the smaller ones reuse their memory.

        Args:
            run: Launches the work, always the same, on tensors that stay where they are.

        Returns:
            Replays the work; gives what the captured run gave.
        """
        enter(self._device)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UP_RUNS):
                run()
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            result = run()

        def replay() -> T:
            graph.replay()
            return result

        return replay


class Landing:
    """Copies of a device's tensor on their way to the host, in memory that the device writes by itself.

    Args:
        like: What is copied.
        num_copies: Copies on their way at once.
    """

    def __init__(self, like: torch.Tensor, num_copies: int) -> None:
        is_cuda = like.device.type == "cuda"
        self._hosts = [torch.zeros_like(like, device="cpu") for _ in range(num_copies)]
        if is_cuda:
            self._hosts = [host.pin_memory() for host in self._hosts]
        self._events = [event_of(like.device) for _ in range(num_copies)]
        self._num_sent = 0
        self._num_read = 0

    @property
    def num_waiting(self) -> int:
        """Copies that were not read."""
        return self._num_sent - self._num_read

    def send(self, values: torch.Tensor) -> None:
        """Copy, without waiting; at most ``num_copies`` may wait to be read."""
        place = self._num_sent % len(self._hosts)
        self._hosts[place].copy_(values, non_blocking=True)
        event = self._events[place]
        if event is not None:
            event.record()
        self._num_sent += 1

    def read(self) -> torch.Tensor:
        """Wait for the oldest copy; it is overwritten by the copy after the next."""
        place = self._num_read % len(self._hosts)
        self._num_read += 1
        event = self._events[place]
        if event is not None:
            event.synchronize()
        return self._hosts[place]

    def forget(self) -> None:
        """Give up what was not read."""
        self._num_read = self._num_sent


class DeviceClock:
    """Time that launched work takes: on a GPU known only when it is over.

    Args:
        device: Where the work runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device.type == "cuda" else []  # type: ignore[no-untyped-call]
        for event in self._events[:1]:
            event.record()

    def stop(self) -> None:
        """Note the end of what was launched."""
        for event in self._events[1:]:
            event.record()

    def is_over(self) -> bool:
        """Whether the work is done; on a CPU it is when it returns."""
        return not self._events or bool(self._events[1].query())  # type: ignore[no-untyped-call]

    def elapsed_s(self) -> float | None:
        """Seconds, once it is over; none on a CPU, whose caller has a clock."""
        return self._events[0].elapsed_time(self._events[1]) / 1e3 if self._events else None
