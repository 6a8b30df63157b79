"""The codec on CUDA: pieces equal the whole, neighbours change nothing, graphs neither, and a CPU gives the same."""

from pathlib import Path

import pytest
import torch

from s1_tts.codec.streaming import StreamingDecoder
from tests.unit.codec.conftest import random_codes

TOLERANCE = 1e-5
NUM_FRAMES = 150
MAX_ROWS = 8
MAX_STREAMS = 24


@pytest.fixture(scope="module")
def decoder(mid_checkpoint: Path, device: torch.device) -> StreamingDecoder:
    return StreamingDecoder.load(mid_checkpoint, device, torch.float32)


@pytest.fixture(scope="module")
def graphed(mid_checkpoint: Path, device: torch.device) -> StreamingDecoder:
    """A decoder with graphs; in a rehearsal, with the fixed shapes that they need."""
    graphed = StreamingDecoder.load(mid_checkpoint, device, torch.float32)
    if device.type == "cuda":
        graphed.use_graphs(MAX_ROWS, MAX_STREAMS)
    else:
        graphed.use_fixed_shapes(MAX_ROWS, MAX_STREAMS)
    return graphed


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


@pytest.mark.parametrize("num_rows", [1, 3, 8])
def test_graphs_equal_the_eager_decode(decoder: StreamingDecoder, graphed: StreamingDecoder, num_rows: int) -> None:
    """Rows at different positions, one of them past 4096; sizes with a graph and without; and the states after them."""
    plain = [decoder.new_state() for _ in range(num_rows)]
    replayed = [graphed.new_state() for _ in range(num_rows)]
    plain[0].position = replayed[0].position = 4090
    for number, num_frames in enumerate([4, 8, 3, 20, 64, 12, 16]):
        lengths = [num_frames + 4 * (row % 3) for row in range(num_rows)]
        chunks = [random_codes(decoder.config, length, seed=10 * number + row) for row, length in enumerate(lengths)]
        expected, given = decoder.decode(plain, chunks), graphed.decode(replayed, chunks)
        for one, other in zip(expected, given, strict=True):
            assert (one - other).abs().max() <= TOLERANCE
    for before, after in zip(plain, replayed, strict=True):
        assert before.position == after.position
        torch.testing.assert_close(before.values, after.values, rtol=1e-4, atol=1e-4)


def test_graphs_give_any_chunking_the_samples_of_the_whole(
    decoder: StreamingDecoder, graphed: StreamingDecoder
) -> None:
    codes = random_codes(decoder.config, NUM_FRAMES)
    state = graphed.new_state()
    pieces = [graphed.decode([state], [chunk])[0] for chunk in codes.split([4, 8, 12, 16, 20, 64, 26], dim=1)]
    assert (torch.cat(pieces) - whole(decoder, codes)).abs().max() <= TOLERANCE


def test_kernels_change_nothing_that_is_heard(
    decoder: StreamingDecoder, mid_checkpoint: Path, cuda: torch.device
) -> None:
    """Not rehearsed: Triton's interpreter takes minutes for so much; the unit tests run it on less."""
    with_kernels = StreamingDecoder.load(mid_checkpoint, cuda, torch.float32)
    with_kernels.use_kernels()
    with_kernels.use_graphs(2, 2)
    streams = [random_codes(decoder.config, 24, seed=row) for row in range(2)]
    states = [with_kernels.new_state() for _ in streams]
    first = with_kernels.decode(states, [codes[:, :8] for codes in streams])
    rest = [with_kernels.decode([state], [codes[:, 8:]])[0] for state, codes in zip(states, streams, strict=True)]
    for codes, begin, end in zip(streams, first, rest, strict=True):
        assert (torch.cat([begin, end]) - whole(decoder, codes)).abs().max() <= TOLERANCE
