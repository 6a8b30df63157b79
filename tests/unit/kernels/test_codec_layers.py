"""What lies between the codec's convolutions, in one kernel, changes nothing."""

import pytest
import torch

from s1_tts.codec import packed
from s1_tts.codec.causal_layers import CausalConv, Snake, join
from s1_tts.codec.fused.convs import convolve, joined_inputs, plain_conv, unit_end
from s1_tts.codec.state import SlotStates, StateLayout
from s1_tts.codec.weights import Weights
from tests.unit.codec.conftest import CPU


def make_snake(channels: int) -> Snake:
    alpha = torch.rand(1, channels, 1, generator=torch.Generator().manual_seed(channels)) + 0.1
    return Snake(Weights({"alpha": alpha}, CPU, torch.float32))


@pytest.fixture(autouse=True)
def plain_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights as on a GPU, where oneDNN does not lay them out."""
    monkeypatch.setattr(packed, "can_pack", lambda _: False)


def make_conv(channels: int, taps: int, *, dilation: int = 1, snake: Snake | None = None) -> CausalConv:
    """A convolution whose state begins in the midst of a slot."""
    layout = StateLayout()
    layout.take(3)
    generator = torch.Generator().manual_seed(channels)
    weight = torch.randn(channels, channels, taps, generator=generator) * (channels * taps) ** -0.5
    bias = torch.randn(channels, generator=generator)
    return CausalConv(weight, bias, layout, dilation=dilation, snake=snake)


def activate(x: torch.Tensor, snake: Snake) -> torch.Tensor:
    """By the kernel, without a past."""
    return joined_inputs(x, make_conv(x.shape[2], 1, snake=snake), SlotStates(torch.zeros(1, 4), torch.zeros(1).long()))


@pytest.mark.parametrize("has_snake", [True, False])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(
    ("batch", "length", "taps", "dilation", "channels"),
    [(1, 5, 7, 1, 3), (3, 700, 7, 3, 4), (2, 9, 1, 1, 16), (2, 1, 2, 1, 96), (3, 32, 7, 9, 40), (1, 6, 7, 1, 8)],
)
def test_a_join_equals_torchs(
    batch: int, length: int, taps: int, dilation: int, channels: int, has_snake: bool, has_bias: bool
) -> None:
    """Pieces longer than the past, as long and shorter; of rows whose slots are in no order."""
    generator = torch.Generator().manual_seed(length)
    conv = make_conv(channels, taps, dilation=dilation, snake=make_snake(channels) if has_snake else None)
    x = torch.randn(batch, length, channels, generator=generator)
    bias = torch.randn(channels, generator=generator) if has_bias else None
    pool = torch.randn(6, 3 + conv.context * channels + 5, generator=generator)
    slots = torch.tensor([4, 0, 3])[:batch]
    before, kept = pool.clone(), conv.span.of(pool[slots])
    expected = join(x if bias is None else x + bias, kept, conv.snake)
    joined = joined_inputs(x, conv, SlotStates(pool, slots), bias)
    torch.testing.assert_close(joined, expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(conv.span.of(pool[slots]), joined[:, length:])
    conv.span.of(before)[slots] = joined[:, length:]
    assert torch.equal(pool, before)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e2, 1e4])
def test_the_snake_is_right_for_arguments_of_any_size(size: float) -> None:
    x = torch.linspace(-size, size, 4000).view(1, -1, 4)
    snake = Snake(Weights({"alpha": torch.tensor([1.0, 0.01, 1.3, 0.5]).view(1, 4, 1)}, CPU, torch.float32))
    wide = x.double()
    expected = wide + torch.sin(wide * snake.alpha.double()).square() * snake.inverse.double()
    joined = activate(x, snake)
    bound = 1e-6 * snake.inverse.double().clamp(min=1) + 1e-7 * wide.abs()
    assert ((joined.double() - expected).abs() <= bound).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_value_that_is_no_sound_stays_one_and_a_huge_one_stays_finite(value: float) -> None:
    joined = activate(torch.tensor([[[value, 0.5]]]), make_snake(2))[0, 0]
    assert bool(joined[0].isfinite()) == (value == 1e30)
    assert joined[1].isfinite()


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(("batch", "length", "channels"), [(1, 5, 4), (2, 70, 24), (1, 3, 160), (1, 2, 272)])
def test_the_end_of_a_unit_equals_torchs(batch: int, length: int, channels: int, has_bias: bool) -> None:
    """Rows and channels that fill no tile, one tile, and several."""
    generator = torch.Generator().manual_seed(channels)
    y, x = torch.randn(2, batch, length, channels, generator=generator)
    y_bias, x_bias = torch.randn(2, channels, generator=generator)
    conv = make_conv(channels, 1, snake=make_snake(channels))
    before = x.clone()
    ended = unit_end(y, y_bias, conv, x, x_bias if has_bias else None)
    expected = conv(y + y_bias, torch.zeros(batch, 3)) + before + (x_bias if has_bias else 0)
    torch.testing.assert_close(ended, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(x, before)


def test_a_stream_has_the_same_bits_alone_and_in_company() -> None:
    generator = torch.Generator().manual_seed(0)
    y, x = torch.randn(2, 40, 5, 24, generator=generator)
    conv, bias = make_conv(24, 1, snake=make_snake(24)), torch.randn(24, generator=generator)
    together = unit_end(y, bias, conv, x)
    for row in (0, 39):
        assert torch.equal(unit_end(y[row : row + 1], bias, conv, x[row : row + 1])[0], together[row])


def test_a_convolution_leaves_its_bias_to_what_comes_after() -> None:
    conv, x = make_conv(8, 3, dilation=2), torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(convolve(x, conv) + conv.conv.bias, conv.conv(x))


def test_another_convolution_is_no_end_of_a_unit() -> None:
    with pytest.raises(ValueError, match="no end of a residual unit"):
        unit_end(torch.zeros(1, 2, 8), torch.zeros(8), make_conv(8, 3, snake=make_snake(8)), torch.zeros(1, 2, 8))


def test_weights_that_are_laid_out_for_a_cpu_have_no_kernels() -> None:
    conv = make_conv(8, 3)
    conv.conv.is_packed = True
    with pytest.raises(ValueError, match="laid out for a CPU"):
        plain_conv(conv)
