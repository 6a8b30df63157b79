"""The compiled layers as a CPU has them that knows AVX2 and nothing newer."""

import shutil

import pytest
import torch
from torch import nn

from s1_tts.device import cpu_flags
from s1_tts.lm.native.installation import PROGRAM
from s1_tts.lm.native.native_layers import Layout, NativeLinear, Packer, to_bytes
from s1_tts.native.compiler import load_library


@pytest.mark.parametrize(("as_bytes", "layout"), [(False, Layout.FLOAT_PANELS), (True, Layout.BYTE_PANELS)])
def test_products_are_torchs(monkeypatch: pytest.MonkeyPatch, as_bytes: bool, layout: Layout) -> None:
    if "avx2" not in cpu_flags() or not shutil.which("g++"):
        pytest.skip("needs a CPU with AVX2 and g++")
    monkeypatch.setenv("CXX", "g++ -mno-avx512f -mno-avxvnni")
    library = load_library(PROGRAM)
    assert library is not None
    packer = Packer(library, torch.float32, as_bytes=as_bytes)
    assert packer.layouts == [layout]
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(100, 70, bias=False).requires_grad_(False)
    linear.weight.copy_(torch.randn(70, 100, generator=generator))
    x = torch.randn(9, 100, generator=generator)
    numbers, scales = to_bytes(linear.weight)
    weight = numbers.float() * scales[:, None] if as_bytes else linear.weight
    found = NativeLinear(linear, packer)(x)
    torch.testing.assert_close(found, x @ weight.T, rtol=1e-4, atol=1e-4)
    assert torch.equal(NativeLinear(linear, packer)(x[4:5])[0], found[4]), "a row alone has the same bits"
