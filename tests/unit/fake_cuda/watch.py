"""Tensors that say they are on a GPU, and a record of what is done with them."""

import ctypes
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CUDA = torch.device("cuda", 0)
LAUNCHING = (
    "s1_tts.lm.fused.stack",
    "s1_tts.lm.fused.step",
    "s1_tts.codec.fused.convs",
    "s1_tts.codec.fused.blocks",
)
"""Modules that launch this project's kernels."""

NO_KERNEL = {
    "lift_fresh",
    "_unsafe_view",
    "empty",
    "empty_like",
    "new_empty",
    "empty_strided",
    "new_empty_strided",
    "detach",
    "alias",
}

COPIES = {"copy_", "index_select", "index_copy_", "cat", "stack", "clone", "_to_copy"}


def set_guard(folder: Path) -> None:
    """Compile the guard, unless this torch was built for CUDA."""
    if torch.version.cuda is not None:
        return
    library = folder / "guard.so"
    include = Path(torch.__file__).parent / "include"
    source = Path(__file__).parent / "guard.cpp"
    command = ["g++", "-std=c++20", "-O0", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(library)]
    subprocess.run([*command, f"-L{include.parent / 'lib'}", "-lc10"], check=True)
    ctypes.CDLL(str(library)).set_guard()


@dataclass
class Seen:
    """What was done.

    Args:
        kernels: Calls that launch something on the GPU, by name; those of this project's kernels too.
        transfers: Copies between host and GPU: from, to, and whether the host waits for them.
        copied_bytes: What PyTorch's copies on the GPU read and write, by name.
    """

    kernels: Counter[str] = field(default_factory=Counter)
    transfers: list[tuple[str, str, bool]] = field(default_factory=list)
    copied_bytes: Counter[str] = field(default_factory=Counter)

    @property
    def num_kernels(self) -> int:
        return sum(self.kernels.values())


class Watch(TorchDispatchMode):
    """Notes every call. A value that the host reads, and a mix of devices, are errors of the fake tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Seen()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor)]
        devices = {tensor.device.type for tensor in tensors}
        is_view = any(each.alias_info is not None and not each.alias_info.is_write for each in func._schema.returns)
        if devices >= {"cpu", "cuda"} and name in ("_to_copy", "copy_"):
            is_free = bool(kwargs.get("non_blocking") or (name == "copy_" and len(args) > 2 and args[2]))
            source = args[1] if name == "copy_" else args[0]
            target = args[0] if name == "copy_" else out
            self.seen.transfers.append((source.device.type, target.device.type, not is_free))
        elif "cuda" in devices and not is_view and name not in NO_KERNEL and not name.startswith("prim::"):
            self.seen.kernels[name] += 1
            if name in COPIES:
                copied = args[3] if name == "index_copy_" else out
                self.seen.copied_bytes[name] += 2 * copied.numel() * copied.element_size()
        return out

    def launch(self, kernel: Any, grid: tuple[int, ...], *arguments: Any, **_: Any) -> None:
        """Stands for the launcher of this project's kernels."""
        tensors = [each for each in arguments if isinstance(each, torch.Tensor)]
        assert all(tensor.device.type == "cuda" for tensor in tensors), kernel
        assert all(size > 0 for size in grid), kernel
        self.seen.kernels[kernel.fn.__name__] += 1

    def attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **kwargs: Any) -> Any:
        """Stands for torch's attention: which kernels it becomes is decided on the device."""
        mask = kwargs.get("attn_mask")
        assert {tensor.device.type for tensor in (query, key, value, *([] if mask is None else [mask]))} == {"cuda"}
        self.seen.kernels["attention"] += 1
        return torch.empty_like(query)

    def convolve(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *rest: Any) -> torch.Tensor:
        """Stands for cuDNN's convolution: channels last in and out, and PyTorch adds a bias by a kernel of its own."""
        tensors = [x, weight] if bias is None else [x, weight, bias]
        assert {tensor.device.type for tensor in tensors} == {"cuda"}
        assert x.is_contiguous(memory_format=torch.channels_last)
        stride, _, dilation, _ = rest
        length = (x.shape[3] - (weight.shape[3] - 1) * dilation[1] - 1) // stride[1] + 1
        self.seen.kernels["convolution"] += 1
        self.seen.kernels["bias"] += bias is not None
        return x.new_empty(x.shape[0], 1, length, weight.shape[0]).permute(0, 3, 1, 2)

    def norm(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        """Stands for torch's RMS norm, one kernel on a GPU."""
        self.seen.kernels["rms_norm"] += 1
        return torch.empty_like(x)


@contextmanager
def watching() -> Iterator[Seen]:
    """Watch what is done inside, on fake tensors."""
    watch = Watch()
    with (
        mock.patch.object(functional, "scaled_dot_product_attention", watch.attend),
        mock.patch.object(functional, "rms_norm", watch.norm),
        mock.patch.object(functional, "conv2d", watch.convolve),
        watch,
        torch.no_grad(),
    ):
        launchers = [mock.patch(f"{name}.launch", watch.launch) for name in LAUNCHING]
        for launcher in launchers:
            launcher.start()
        try:
            yield watch.seen
        finally:
            for launcher in launchers:
                launcher.stop()


@contextmanager
def fake_cuda() -> Iterator[None]:
    """Make tensors without memory that may say they are on a GPU."""

    def unpinned(self: torch.Tensor, *_: Any) -> torch.Tensor:
        return self

    event = mock.MagicMock()
    with (
        FakeTensorMode(),
        mock.patch("s1_tts.lm.kv_cache._free_bytes", return_value=1 << 60),
        mock.patch.object(torch.Tensor, "pin_memory", unpinned),
        mock.patch("torch.cuda.Event", event),
        torch.no_grad(),
    ):
        yield
