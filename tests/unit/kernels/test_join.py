"""What lies between the codec's convolutions, in one kernel, changes nothing."""

from pathlib import Path

import pytest
import torch

from s1_training.development.codec import write_dev_codec
from s1_tts.codec.causal_layers import Snake, plain_join
from s1_tts.codec.fused_join import fused_join
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


def test_a_stream_sounds_the_same(tmp_path: Path) -> None:
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
