"""Turn the ``device`` and ``dtype`` settings into what torch computes with."""

import os

import torch

from s1_protocol.errors import SettingsError
from s1_tts.short_waits import waits_are_short

MOST_CORES_OF_ALL = 8
"""Up to so many cores the language model takes all; more would wait for each other longer than they read weights."""


def resolve_device(device: str) -> torch.device:
    """Choose the torch device for a ``device`` setting.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        SettingsError: CUDA is asked for and this machine has none, or not that many devices.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resolved = torch.device(device)
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise SettingsError(f"S1_DEVICE={device}: this machine has {torch.cuda.device_count()} CUDA device(s)")
    return resolved


def resolve_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Choose the torch dtype for a ``dtype`` setting.

    Args:
        dtype: ``auto``, ``float32`` or ``bfloat16``; auto is bfloat16 where the device multiplies it natively.
        device: Device of :func:`resolve_device`.
    """
    if dtype == "auto":
        return torch.bfloat16 if _has_native_bfloat16(device) else torch.float32
    return torch.bfloat16 if dtype == "bfloat16" else torch.float32


def limit_threads(threads: int) -> None:
    """Set the CPU threads of this process but for those of :func:`shared_threads`.

    Two models compute at once. When their threads together outnumber the cores, each waits in its barriers for a
    thread that the other one displaced, and both become many times slower unless waits are short.

    Args:
        threads: The ``threads`` setting; 0 takes half of the cores, at least one.
    """
    torch.set_num_threads(_share(threads))


def shared_threads(threads: int) -> int:
    """Threads of a model that computes all the time, beside others that compute now and then.

    Args:
        threads: The ``threads`` setting; 0 takes all cores, where waits are short: what the others leave free is
            used, and what they take is missing for that time.
    """
    if threads or not waits_are_short():
        return _share(threads)
    return max(_share(0), min(_num_cores(), MOST_CORES_OF_ALL))


def _share(threads: int) -> int:
    return threads or max(1, _num_cores() // 2)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))


def _has_native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    has_mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return bool(has_mkldnn) and not cpu_flags().isdisjoint({"avx512_bf16", "amx_bf16"})


def cpu_flags() -> frozenset[str]:
    """What Linux says that the first core can do (x86 and ARM); empty where that cannot be read."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
            line = next((line for line in info if line.startswith(("flags", "Features"))), "")
    except OSError:
        return frozenset()
    return frozenset(line.partition(":")[2].split())
