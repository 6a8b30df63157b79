"""The fixed-shape decode that CUDA graphs capture, run eagerly on a CPU, equals the ordinary one."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s1_tts.buckets import row_buckets
from s1_tts.codec import piece_graphs
from s1_tts.codec.piece_graphs import GRAPH_FRAMES, SMALLEST_TRIED, FixedPieces, GraphedPieces
from s1_tts.codec.streaming import StreamingDecoder
from tests.unit.codec.conftest import CPU, random_codes

MAX_ROWS = 6
MAX_STREAMS = 20
NUM_FRAMES = 64


@pytest.fixture(scope="module")
def fixed(tiny_folder: Path) -> StreamingDecoder:
    decoder = StreamingDecoder.load(tiny_folder, CPU, torch.float32)
    decoder.use_fixed_shapes(MAX_ROWS, MAX_STREAMS)
    return decoder


class Pair:
    """Streams that two decoders decode side by side."""

    def __init__(self, plain: StreamingDecoder, fixed: StreamingDecoder, num_streams: int) -> None:
        self.decoders = plain, fixed
        self.states = [[decoder.new_state() for _ in range(num_streams)] for decoder in self.decoders]

    def check(self, rows: Sequence[int], chunks: Sequence[torch.Tensor]) -> None:
        """Decode the next chunks of some streams; samples and states must have the same bits."""
        plain, fixed = (
            decoder.decode([states[row] for row in rows], chunks)
            for decoder, states in zip(self.decoders, self.states, strict=True)
        )
        assert all(torch.equal(one, other) for one, other in zip(plain, fixed, strict=True))
        for one, other in zip(*self.states, strict=True):  # also of the streams that took no part
            assert one.position == other.position
            assert torch.equal(one.values, other.values)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(steps=st.lists(st.tuples(*[st.sampled_from([0, 3, 4, 7, 8, 20, 24, 41, 64])] * 8), min_size=1, max_size=4))
def test_rows_at_different_positions_equal_the_ordinary_ones(
    decoder: StreamingDecoder, fixed: StreamingDecoder, steps: list[tuple[int, ...]]
) -> None:
    """Of eight streams six fit into a piece; the others have one of their own."""
    pair = Pair(decoder, fixed, 8)
    for number, step in enumerate(steps):
        rows = [row for row, length in enumerate(step) if length]
        chunks = [random_codes(decoder.config, step[row], seed=10 * number + row) for row in rows]
        pair.check(rows, chunks)


def test_positions_past_the_reference_s_table(decoder: StreamingDecoder, fixed: StreamingDecoder) -> None:
    pair = Pair(decoder, fixed, 3)
    for states in pair.states:
        states[0].position, states[1].position = 4090, 100_000
    for number in range(3):
        pair.check((0, 1, 2), [random_codes(decoder.config, 8, seed=3 * number + row) for row in range(3)])


def test_what_a_row_over_holds_is_heard_by_nobody(decoder: StreamingDecoder, fixed: StreamingDecoder) -> None:
    """Rows that are rounded up compute with what the streams before them left."""
    loud = [fixed.new_state() for _ in range(MAX_ROWS)]
    fixed.decode(loud, [random_codes(fixed.config, 20, seed=row) for row in range(MAX_ROWS)])
    Pair(decoder, fixed, 5).check(range(5), [random_codes(decoder.config, 20, seed=90 + row) for row in range(5)])


def test_any_chunk_is_cut_into_pieces_that_have_graphs(
    fixed: StreamingDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[int, int]] = []
    ordinary = FixedPieces.decode

    def decode(self: FixedPieces, codes: torch.Tensor, *rest: object) -> torch.Tensor:
        taken.append((codes.shape[0], codes.shape[2]))
        return ordinary(self, codes, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(FixedPieces, "decode", decode)
    lengths = (64, 23, 4)
    fixed.decode([fixed.new_state() for _ in lengths], [random_codes(fixed.config, length) for length in lengths])
    # 4 of all; 19 more of two of them; 41 more of the longest
    assert taken == [(3, 4), (2, 16), (2, 2), (2, 1), (1, 20), (1, 20), (1, 1)]


def test_a_state_s_place_is_free_again_when_nobody_holds_it(tiny_folder: Path) -> None:
    decoder = StreamingDecoder.load(tiny_folder, CPU, torch.float32)
    decoder.use_fixed_shapes(2, 2)
    first, second = decoder.new_state(), decoder.new_state()
    with pytest.raises(RuntimeError, match="2 streams"):
        decoder.new_state()
    decoder.decode([second], [random_codes(decoder.config, 4)])
    slot = second.slot
    del second
    third = decoder.new_state()
    assert (third.slot, third.position) == (slot, 0)
    assert not third.values.any()
    assert first.slot != slot


def test_a_failure_inside_moves_no_state(fixed: StreamingDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> torch.Tensor:
        raise RuntimeError("out of memory")

    states = [fixed.new_state()]
    with monkeypatch.context() as patch:
        patch.setattr(fixed, "_to_samples", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            fixed.decode(states, [random_codes(fixed.config, 8)])
    assert states[0].position == 0
    assert not states[0].values.any()


def test_without_a_cuda_device_nothing_is_captured(tiny_folder: Path) -> None:
    decoder = StreamingDecoder.load(tiny_folder, CPU, torch.float32)
    decoder.use_graphs(MAX_ROWS, MAX_STREAMS)
    codes = random_codes(decoder.config, 4)
    assert decoder.decode([decoder.new_state()], [codes])[0].shape == (4 * decoder.config.samples_per_frame,)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 32])
def test_buckets_cover_every_number_of_rows(count: int) -> None:
    buckets = row_buckets(count)
    assert buckets == sorted(set(buckets))
    assert (buckets[0], buckets[-1]) == (1, count)


class Captures:
    """Takes the place of captures: runs what would be captured, and notes whether cuDNN tries its ways."""

    def __init__(self, _: torch.device) -> None:
        self.tried: list[tuple[int, bool]] = []

    def capture(self, run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        self.tried.append((run().shape[1], torch.backends.cudnn.benchmark))
        return run


@pytest.fixture
def captured(decoder: StreamingDecoder, monkeypatch: pytest.MonkeyPatch) -> GraphedPieces:
    monkeypatch.setattr(piece_graphs, "GraphCapture", Captures)
    return GraphedPieces(decoder, MAX_ROWS, MAX_STREAMS)


def test_the_largest_shapes_are_captured_first_and_cudnn_tries_its_ways_for_them(captured: GraphedPieces) -> None:
    captured.capture_all()
    shapes = [(rows, frames) for rows in reversed(row_buckets(MAX_ROWS)) for frames in reversed(GRAPH_FRAMES)]
    assert [tried for _, tried in captured._graphs.tried] == [r * f >= SMALLEST_TRIED for r, f in shapes]
    assert not torch.backends.cudnn.benchmark


def test_once_its_time_is_over_cudnn_tries_nothing_more(captured: GraphedPieces) -> None:
    captured.capture_all(trying_s=0.0)
    assert not any(tried for _, tried in captured._graphs.tried)


def test_a_capture_that_fails_leaves_cudnn_as_it_was(captured: GraphedPieces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Captures, "capture", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        captured.capture_all()
    assert not torch.backends.cudnn.benchmark


def test_chunks_may_be_made_of_few_sizes(decoder: StreamingDecoder) -> None:
    pieces = FixedPieces(decoder, 1, 1, frames=(1, 4))
    assert [pieces.piece_frames(left) for left in (1, 3, 4, 20)] == [1, 1, 4, 4]
