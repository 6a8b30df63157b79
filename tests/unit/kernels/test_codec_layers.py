"""What lies between the codec's convolutions, in one kernel, changes nothing."""

from pathlib import Path

import pytest
import torch

from s1_training.development.codec import write_dev_codec
from s1_tts.codec import packed
from s1_tts.codec.causal_layers import CausalConv, Snake, plain_join, plain_unit_end
from s1_tts.codec.fused_layers import fused_join, fused_unit_end
from s1_tts.codec.state import StateLayout
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.weights import Weights
from tests.unit.codec.conftest import CPU, random_codes


def make_snake(channels: int) -> Snake:
    alpha = torch.rand(1, channels, 1, generator=torch.Generator().manual_seed(channels)) + 0.1
    return Snake(Weights({"alpha": alpha}, CPU, torch.float32))


@pytest.mark.parametrize("has_snake", [True, False])
@pytest.mark.parametrize(("batch", "length", "context", "channels"), [(1, 5, 6, 3), (3, 700, 18, 4), (2, 9, 0, 16)])
def test_a_join_equals_torchs(batch: int, length: int, context: int, channels: int, has_snake: bool) -> None:
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(batch, length, channels, generator=generator)
    states = torch.randn(batch, context * channels + 7, generator=generator)
    tail = states[:, 3 : 3 + context * channels].view(batch, context, channels)
    snake = make_snake(channels) if has_snake else None
    torch.testing.assert_close(fused_join(x, tail, snake), plain_join(x, tail, snake), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e2, 1e4])
def test_the_snake_is_right_for_arguments_of_any_size(size: float) -> None:
    x = torch.linspace(-size, size, 4000).view(1, -1, 4)
    snake = Snake(Weights({"alpha": torch.tensor([1.0, 0.01, 1.3, 0.5]).view(1, 4, 1)}, CPU, torch.float32))
    wide = x.double()
    expected = wide + torch.sin(wide * snake.alpha.double()).square() * snake.inverse.double()
    joined = fused_join(x, x[:, :0], snake)
    bound = 1e-6 * snake.inverse.double().clamp(min=1) + 1e-7 * wide.abs()
    assert ((joined.double() - expected).abs() <= bound).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_value_that_is_no_sound_stays_one_and_a_huge_one_stays_finite(value: float) -> None:
    joined = fused_join(torch.tensor([[[value, 0.5]]]), torch.zeros(1, 0, 2), make_snake(2))[0, 0]
    assert bool(joined[0].isfinite()) == (value == 1e30)
    assert joined[1].isfinite()


@pytest.fixture
def plain_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights as on a GPU, where oneDNN does not lay them out."""
    monkeypatch.setattr(packed, "can_pack", lambda _: False)


@pytest.mark.parametrize(("batch", "length", "channels"), [(1, 5, 4), (2, 70, 24), (1, 3, 160), (1, 2, 272)])
def test_the_end_of_a_unit_equals_torchs(batch: int, length: int, channels: int, plain_weights: None) -> None:
    """Rows and channels that fill no tile, one tile, and several."""
    generator = torch.Generator().manual_seed(channels)
    y, x = torch.randn(2, batch, length, channels, generator=generator)
    weight = torch.randn(channels, channels, 1, generator=generator) * channels**-0.5
    conv = CausalConv(weight, torch.randn(channels, generator=generator), StateLayout(), snake=make_snake(channels))
    states = torch.zeros(batch, 0)
    before = x.clone()
    ended = fused_unit_end(y, conv, states, x)
    torch.testing.assert_close(ended, plain_unit_end(y, conv, states, before), rtol=1e-5, atol=1e-5)
    assert torch.equal(x, before)


def test_a_stream_has_the_same_bits_alone_and_in_company(plain_weights: None) -> None:
    generator = torch.Generator().manual_seed(0)
    y, x = torch.randn(2, 40, 5, 24, generator=generator)
    conv = CausalConv(torch.randn(24, 24, 1, generator=generator), torch.randn(24), StateLayout(), snake=make_snake(24))
    together = fused_unit_end(y, conv, torch.zeros(40, 0), x)
    for row in (0, 39):
        alone = fused_unit_end(y[row : row + 1], conv, torch.zeros(1, 0), x[row : row + 1])
        assert torch.equal(alone[0], together[row])


def test_another_convolution_is_no_end_of_a_unit(plain_weights: None) -> None:
    conv = CausalConv(torch.zeros(8, 8, 3), torch.zeros(8), StateLayout(), snake=make_snake(8))
    with pytest.raises(ValueError, match="no end of a residual unit"):
        fused_unit_end(torch.zeros(1, 2, 8), conv, torch.zeros(1, 16), torch.zeros(1, 2, 8))


def test_a_stream_sounds_the_same(tmp_path: Path, plain_weights: None) -> None:
    write_dev_codec(tmp_path, "tiny", seed=1)
    sounds = []
    for with_kernels in (False, True):
        decoder = StreamingDecoder.load(tmp_path, CPU, torch.float32)
        if with_kernels:
            decoder.use_kernels()
        states = [decoder.new_state() for _ in range(2)]
        codes = [random_codes(decoder.config, 4, seed=row) for row in range(2)]
        begun = decoder.decode(states, [chunk[:, :3] for chunk in codes])
        ended = decoder.decode(states, [chunk[:, 3:] for chunk in codes])
        sounds.append([torch.cat(pair) for pair in zip(begun, ended, strict=True)])
    for plain, by_kernels in zip(*sounds, strict=True):
        assert (plain - by_kernels).abs().max() <= 1e-5
