"""Read published weights and load them strictly: every key and every shape must match."""

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from s1_protocol.errors import CheckpointError

StateDict = dict[str, Tensor]

MAX_SHOWN = 5
"""Keys named in an error message; the rest are counted."""


def read_state_dict(path: Path) -> StateDict:
    """Map a weights file into memory without reading it.

    Args:
        path: A file written by ``torch.save``: a state dict, or an object that holds one under ``state_dict``.

    Returns:
        Tensors on the CPU, backed by the file: they cost memory only where they are read. A program that goes on takes
        copies, since the file may be overwritten or cut while it is mapped; see :func:`unchanged`.

    Raises:
        CheckpointError: the file is missing, is no weights file, or holds something other than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; give a checkpoint folder that holds {path.name}")
    try:
        loaded = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (RuntimeError, OSError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path} is no readable weights file (torch.save format): {reason}") from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds a {type(loaded).__name__}; allowed: a state dict")
    for key, value in loaded.items():
        if not isinstance(value, Tensor):
            raise CheckpointError(f"{path}: {key} is a {type(value).__name__}; allowed: a tensor")
    return dict(loaded)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Make sure that a mapped weights file stays as it is while memory of one's own is filled from it.

    Raises:
        CheckpointError: it was written to or replaced meanwhile; what was read may be of two files.
    """
    before = file_state(path)
    yield
    if file_state(path) != before:
        raise CheckpointError(f"{path} was changed while it was read; start again when it is whole")


def take_into_memory(module: nn.Module) -> None:
    """Give every weight of a module memory of its own, so that none depends on the file it was mapped from."""
    for weight in (*module.parameters(), *module.buffers()):
        if weight.device.type == "cpu":
            weight.data = weight.data.clone()


def file_state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written to or replaced; none where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def strip_prefix(state_dict: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> StateDict:
    """Take the wrapper's name off the keys, as a Lightning checkpoint has it.

    When some keys begin with one of the prefixes, only those are kept (a codec checkpoint may carry its
    discriminator beside ``generator.``); when none does, nothing changes.

    Args:
        state_dict: Tensors by key.
        prefixes: Prefixes with their dot, tried in order; the first that occurs is taken.
    """
    for prefix in prefixes:
        kept = {key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)}
        if kept:
            return kept
    return dict(state_dict)


def check_keys(expected: Mapping[str, torch.Size], state_dict: Mapping[str, Tensor], source: str) -> None:
    """Compare every key and shape with what a model needs.

    Args:
        expected: Shape by key.
        state_dict: What the checkpoint holds.
        source: Name of the checkpoint for the message.

    Raises:
        CheckpointError: keys are missing, surplus, or have another shape; the message names the first of each.
    """
    faults = []
    if missing := [key for key in expected if key not in state_dict]:
        faults.append(f"missing {_shorten(missing)}")
    if surplus := [key for key in state_dict if key not in expected]:
        faults.append(f"not of this model {_shorten(surplus)}")
    misshapen = [
        f"{key} is {list(state_dict[key].shape)}, allowed: {list(shape)}"
        for key, shape in expected.items()
        if key in state_dict and state_dict[key].shape != shape
    ]
    if misshapen:
        faults.append(f"wrong shape {_shorten(misshapen)}")
    if faults:
        raise CheckpointError(f"{source} does not fit the model: {'; '.join(faults)}")


def load_strict(module: nn.Module, state_dict: Mapping[str, Tensor], *, source: str) -> None:
    """Give a module its weights, taking the tensors themselves (no copy).

    Args:
        module: Usually built on the meta device. Non-persistent buffers are the module's own affair.
        state_dict: Tensor for every key of ``module.state_dict()``, and no other.
        source: Name of the checkpoint for error messages.

    Raises:
        CheckpointError: a key is missing, surplus, or has another shape.
    """
    expected = {key: value.shape for key, value in module.state_dict().items()}
    check_keys(expected, state_dict, source)
    module.load_state_dict(dict(state_dict), strict=True, assign=True)


def _shorten(items: list[str]) -> str:
    shown = ", ".join(items[:MAX_SHOWN])
    more = len(items) - MAX_SHOWN
    return f"({len(items)}): {shown}" + (f" and {more} more" if more > 0 else "")
