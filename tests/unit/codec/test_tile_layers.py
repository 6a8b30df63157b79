"""Convolutions by AMX give what float64 gives, to what their parts hold; machines without AMX go without."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv1d, linear

from s1_tts.codec.batcher import CodecBatcher
from s1_tts.codec.encoder import PARTS, CodecEncoder
from s1_tts.codec.native import tile_layers
from s1_tts.codec.native.tile_layers import Activation, TileConv, TileKernels, TileProjection
from s1_tts.codec.state import StateLayout
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.settings import Settings
from tests.reference import reference_codec
from tests.unit.codec.conftest import CPU, random_codes

NEAR = {1: 2**-6.9, 2: 2**-14}
"""What rounding each input and weight by 2^-8 or 2^-16 may come to, as a share of the sum of absolute products."""


def assert_near(actual: Tensor, expected: Tensor, sizes: Tensor, parts: int) -> None:
    assert ((actual.double() - expected).abs() <= NEAR[parts] * sizes + 1e-5).all()


needs_tiles = pytest.mark.skipif(TileKernels.find(parts=2) is None, reason="needs a CPU with AMX and a C++ compiler")


@pytest.fixture(params=[1, 2])
def kernels(request: pytest.FixtureRequest) -> TileKernels:
    found = TileKernels.find(parts=request.param)
    assert found is not None
    return found


def snake(x: Tensor, alpha: Tensor) -> Tensor:
    return x + torch.sin(x * alpha).square() / (alpha + 1e-9)


class Layer:
    """A layer by tiles and the same in float64.

    Args:
        kernels: Make it.
        shape: Inputs, outputs, taps, dilation, stride.
        has_snake: An activation goes before.
    """

    def __init__(self, kernels: TileKernels, shape: tuple[int, int, int, int, int], *, has_snake: bool = True) -> None:
        channels, outputs, taps, self.dilation, self.stride = shape
        self.weight = torch.randn(outputs, channels, taps) / (channels * taps) ** 0.5
        self.bias, self.alpha = torch.randn(outputs), torch.rand(channels) + 0.5
        self.has_snake = has_snake
        activation = Activation(self.alpha, (self.alpha + 1e-9).reciprocal()) if has_snake else None
        self.layout = StateLayout()
        self.layout.take(3)  # the layer's span is not the first
        self.conv = TileConv(
            kernels,
            self.weight,
            self.bias,
            self.layout,
            stride=self.stride,
            dilation=self.dilation,
            activation=activation,
        )

    def states(self, batch: int) -> Tensor:
        return torch.randn(batch, self.layout.size)

    def expected(self, x: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs, the sums of their absolute products, and what the next piece needs."""
        tail = self.conv.span.of(states).double()
        new = snake(x.double(), self.alpha.double()) if self.has_snake else x.double()
        joined = torch.cat([tail, new], dim=1)
        sums, sizes = (
            conv1d(inputs.transpose(1, 2), weight, None, self.stride, 0, self.dilation).transpose(1, 2)
            for inputs, weight in ((joined, self.weight.double()), (joined.abs(), self.weight.double().abs()))
        )
        return sums + self.bias, sizes, joined[:, x.shape[1] :]


@needs_tiles
@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(
        st.sampled_from([1, 8, 31, 32, 96, 128]),
        st.sampled_from([1, 8, 32, 33, 96]),
        st.integers(1, 7),
        st.sampled_from([1, 3, 9]),
        st.sampled_from([1, 2, 8]),
    ),
    batch=st.integers(1, 3),
    steps=st.integers(1, 50),
    parts=st.sampled_from([1, 2]),
    has_snake=st.booleans(),
)
def test_any_convolution_is_right(
    shape: tuple[int, int, int, int, int], batch: int, steps: int, parts: int, has_snake: bool
) -> None:
    channels, outputs, taps, dilation, stride = shape
    assume((taps - 1) * dilation + 1 >= stride)
    torch.manual_seed(0)
    found = TileKernels.find(parts=parts)
    assert found is not None
    layer = Layer(found, shape, has_snake=has_snake)
    states, x = layer.states(batch), torch.randn(batch, steps * stride, channels)
    residual = torch.randn(batch, steps, outputs)
    expected, sizes, expected_tail = layer.expected(x, states)
    others = states[:, :3].clone()
    assert_near(layer.conv(x, states.clone()), expected, sizes, parts)
    assert_near(layer.conv(x, states, residual), expected + residual, sizes, parts)
    torch.testing.assert_close(layer.conv.span.of(states).double(), expected_tail, rtol=0, atol=1e-5)
    assert torch.equal(states[:, :3], others)


@needs_tiles
@pytest.mark.parametrize("shape", [(64, 64, 7, 9, 1), (512, 64, 16, 1, 8), (256, 512, 1, 1, 1)])
def test_pieces_company_and_threads_do_not_change_a_bit(
    kernels: TileKernels, shape: tuple[int, int, int, int, int]
) -> None:
    torch.manual_seed(0)
    layer = Layer(kernels, shape)
    channels, stride = shape[0], shape[4]
    x = torch.randn(3, 80 * stride, channels)
    begin = layer.states(3)
    alone = begin[1:2].clone()
    expected = layer.conv(x[1:2], alone)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            states = begin.clone()
            pieces = [layer.conv(piece, states) for piece in x.split([stride, 31 * stride, 48 * stride], dim=1)]
        finally:
            torch.set_num_threads(1)
        assert torch.equal(torch.cat(pieces, dim=1)[1:2], expected)
        assert torch.equal(states[1:2], alone)


@needs_tiles
def test_what_is_no_number_stays_in_its_row(kernels: TileKernels) -> None:
    torch.manual_seed(0)
    layer = Layer(kernels, (32, 32, 3, 1, 1))
    x = torch.randn(2, 40, 32)
    expected = layer.conv(x[:1], torch.zeros(1, layer.layout.size))
    x[1] = float("nan")
    y = layer.conv(x, torch.zeros(2, layer.layout.size))
    assert torch.equal(y[:1], expected)
    assert y[1].isnan().all()


@needs_tiles
def test_a_linear_layer_is_right(kernels: TileKernels) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(50, 70) / 8, torch.randn(50), torch.randn(2, 21, 70)
    for each in (bias, None):
        expected = linear(x.double(), weight.double(), None if each is None else each.double())
        sizes = linear(x.double().abs(), weight.double().abs())
        assert_near(TileProjection(kernels, weight, each)(x), expected, sizes, kernels.parts)


@needs_tiles
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("folder", ["tiny_folder", "mid_folder"])
@pytest.mark.parametrize("num_samples", [1, 2048, 5 * 44_100 + 77])
def test_codes_by_tiles_equal_the_reference(folder: str, num_samples: int, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(folder)
    samples = torch.randn(num_samples, generator=torch.Generator().manual_seed(3)) * 0.2
    with torch.inference_mode():
        expected = reference_codec(path).encode(samples[None, None])[0][0]
    encoder = CodecEncoder.load(path, CPU, torch.float32, TileKernels.find(parts=PARTS))
    assert torch.equal(encoder.encode(samples), expected)


def tile_decoder(folder: Path, parts: int) -> StreamingDecoder:
    return StreamingDecoder.load(folder, CPU, torch.float32, TileKernels.find(parts=parts))


@needs_tiles
def test_sound_by_tiles_is_nearer_to_float32_than_bfloat16s(mid_folder: Path) -> None:
    exact, rounded, by_tiles = (
        decoder.decode([decoder.new_state()], [random_codes(decoder.config, 8)])[0]
        for decoder in (
            StreamingDecoder.load(mid_folder, CPU, torch.float32),
            StreamingDecoder.load(mid_folder, CPU, torch.bfloat16),
            tile_decoder(mid_folder, 1),
        )
    )
    assert (by_tiles - exact).pow(2).mean() < (rounded - exact).pow(2).mean()


@needs_tiles
def test_chunks_and_company_do_not_change_a_bit_of_sound(mid_folder: Path) -> None:
    decoder = tile_decoder(mid_folder, 1)
    rows = [random_codes(decoder.config, 24, seed=row) for row in range(3)]
    expected = decoder.decode([decoder.new_state()], [rows[0]])[0]
    state = decoder.new_state()
    chunked = [decoder.decode([state], [chunk])[0] for chunk in rows[0].split([1, 2, 5, 16], dim=1)]
    assert torch.equal(torch.cat(chunked), expected)
    assert torch.equal(decoder.decode([decoder.new_state() for _ in rows], rows)[0], expected)


@needs_tiles
@pytest.mark.parametrize(
    ("given", "layers"),
    [
        ({"weights": "int8"}, "compiled"),
        ({}, "torch's"),
        ({"weights": "int8", "dtype": "float32"}, "torch's"),
        ({"weights": "int8", "native_layers": False}, "torch's"),
    ],
)
def test_int8_weights_compile_the_codec_too(
    tiny_folder: Path, caplog: pytest.LogCaptureFixture, given: dict[str, Any], layers: str
) -> None:
    with caplog.at_level(logging.INFO):
        CodecBatcher.load(Settings(checkpoint=tiny_folder, device="cpu", **given))
    assert f": {layers} layers" in caplog.text


def test_without_amx_or_a_compiler_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    assert TileKernels.find(parts=2) is None
    monkeypatch.undo()
    monkeypatch.setattr(tile_layers, "cpu_flags", lambda: frozenset({"avx2"}))
    assert TileKernels.find(parts=2) is None
