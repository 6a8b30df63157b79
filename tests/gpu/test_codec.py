"""The codec on CUDA: pieces equal the whole, neighbours change nothing that is heard, and a CPU gives the same."""

from pathlib import Path

import pytest
import torch

from s1_tts.codec.streaming import StreamingDecoder
from tests.unit.codec.conftest import random_codes

TOLERANCE = 1e-5
NUM_FRAMES = 150


@pytest.fixture(scope="module")
def decoder(mid_checkpoint: Path, device: torch.device) -> StreamingDecoder:
    return StreamingDecoder.load(mid_checkpoint, device, torch.float32)


def whole(decoder: StreamingDecoder, codes: torch.Tensor) -> torch.Tensor:
    return decoder.decode([decoder.new_state()], [codes])[0]


@pytest.mark.parametrize("lengths", [[1] * 10 + [140], [4, 8, 16, 32, 64, 26], [7, 143]])
def test_any_chunking_equals_the_whole(decoder: StreamingDecoder, lengths: list[int]) -> None:
    codes = random_codes(decoder.config, NUM_FRAMES)
    state = decoder.new_state()
    pieces = [decoder.decode([state], [chunk])[0] for chunk in codes.split(lengths, dim=1)]
    assert (torch.cat(pieces) - whole(decoder, codes)).abs().max() <= TOLERANCE


def test_rows_out_of_step_equal_each_alone(decoder: StreamingDecoder) -> None:
    streams = [random_codes(decoder.config, NUM_FRAMES, seed=row) for row in range(8)]
    states = [decoder.new_state() for _ in streams]
    heads = [3 * row for row in range(8)]
    first = decoder.decode(states, [codes[:, :head] for codes, head in zip(streams, heads, strict=True)])
    rest = decoder.decode(states, [codes[:, head:] for codes, head in zip(streams, heads, strict=True)])
    for codes, begin, end in zip(streams, first, rest, strict=True):
        assert (torch.cat([begin, end]) - whole(decoder, codes)).abs().max() <= TOLERANCE


def test_a_cpu_gives_the_same_samples(decoder: StreamingDecoder, mid_checkpoint: Path) -> None:
    on_cpu = StreamingDecoder.load(mid_checkpoint, torch.device("cpu"), torch.float32)
    codes = random_codes(decoder.config, 40)
    assert (whole(decoder, codes).cpu() - whole(on_cpu, codes)).abs().max() <= 10 * TOLERANCE
