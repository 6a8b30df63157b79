import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s1_protocol.errors import InvalidArgumentError
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.codec.pcm import UNSOUND, to_pcm16
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.weights import Weights
from tests.unit.codec.conftest import random_codes

TOLERANCE = 1e-5
NUM_FRAMES = 192


def decode_in_chunks(decoder: StreamingDecoder, codes: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    state = decoder.new_state()
    return torch.cat([decoder.decode([state], [chunk])[0] for chunk in codes.split(lengths, dim=1)])


def whole(decoder: StreamingDecoder, codes: torch.Tensor) -> torch.Tensor:
    return decoder.decode([decoder.new_state()], [codes])[0]


@pytest.fixture(scope="module")
def codes(decoder: StreamingDecoder) -> torch.Tensor:
    return random_codes(decoder.config, NUM_FRAMES)


@pytest.fixture(scope="module")
def samples(decoder: StreamingDecoder, codes: torch.Tensor) -> torch.Tensor:
    return whole(decoder, codes)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(1, 64), min_size=1, max_size=12))
def test_any_chunking_equals_the_whole(
    decoder: StreamingDecoder, codes: torch.Tensor, samples: torch.Tensor, lengths: list[int]
) -> None:
    cut: list[int] = []
    for length in lengths:
        cut.append(min(length, NUM_FRAMES - sum(cut)))
    cut.append(NUM_FRAMES - sum(cut))
    assert (decode_in_chunks(decoder, codes, cut) - samples).abs().max() <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_chunks_and_company_do_not_change_a_single_bit_on_a_cpu(
    decoder: StreamingDecoder, codes: torch.Tensor, threads: int
) -> None:
    """Otherwise 16-bit samples would differ where rounding tips over."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        expected = whole(decoder, codes)
        for lengths in ([1] * 5 + [187], [4, 8, 16, 32, 132], [64, 64, 64]):
            assert torch.equal(decode_in_chunks(decoder, codes, lengths), expected)
        others = [random_codes(decoder.config, NUM_FRAMES, seed=row) for row in range(7)]
        states = [decoder.new_state() for _ in range(8)]
        assert torch.equal(decoder.decode(states, [*others, codes])[-1], expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(steps=st.lists(st.tuples(*[st.integers(0, 24)] * 4), max_size=6))
def test_rows_out_of_step_equal_each_alone(decoder: StreamingDecoder, steps: list[tuple[int, ...]]) -> None:
    """Each step gives every row so many frames; a row of 0 frames is left out; at last all go to their ends."""
    ends = (60, 47, 60, 3)
    rows = [random_codes(decoder.config, end, seed=end + row) for row, end in enumerate(ends)]
    states = [decoder.new_state() for _ in rows]
    heard: list[list[torch.Tensor]] = [[] for _ in rows]
    for step in [*steps, ends]:
        taking = [row for row, length in enumerate(step) if length]
        chunks = [rows[row][:, states[row].position : states[row].position + step[row]] for row in taking]
        for row, part in zip(taking, decoder.decode([states[row] for row in taking], chunks), strict=True):
            heard[row].append(part)
    for row, parts in zip(rows, heard, strict=True):
        assert (torch.cat(parts) - whole(decoder, row)).abs().max() <= TOLERANCE


@pytest.mark.slow
def test_a_stream_has_no_end(decoder: StreamingDecoder) -> None:
    """Past the 4096 rows of the reference's rotary table, and with the chunks out of step with the pieces."""
    codes = random_codes(decoder.config, 4200)
    chunked = decode_in_chunks(decoder, codes, [61] * 68 + [4200 - 61 * 68])
    assert (chunked - whole(decoder, codes)).abs().max() <= TOLERANCE


def test_a_late_start_depends_on_its_window_only_through_the_state(decoder: StreamingDecoder) -> None:
    state = decoder.new_state()
    decoder.decode([state], [random_codes(decoder.config, 40)])
    fresh = decoder.new_state()
    chunk = random_codes(decoder.config, 4, seed=9)
    assert (decoder.decode([state], [chunk])[0] - decoder.decode([fresh], [chunk])[0]).abs().max() > 1e-3


def test_full_size_state_is_small() -> None:
    config = CodecConfig()
    decoder = StreamingDecoder(Weights.on_meta(config, torch.float32), config)
    assert decoder.state_bytes <= 9_000_000


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (torch.full((10, 3), -1), "codes from -1 to -1"),
        (torch.full((10, 3), 4096), "codes from 4096 to 4096"),
        (torch.zeros(9, 3, dtype=torch.int64), r"shape \[9, 3\]"),
        (torch.zeros(3, dtype=torch.int64), r"shape \[3\]"),
        (torch.full((10, 3), float("nan")), "type torch.float32"),
    ],
)
def test_a_wrong_chunk_moves_no_state(decoder: StreamingDecoder, bad: torch.Tensor, fault: str) -> None:
    good = random_codes(decoder.config, 4)
    states = [decoder.new_state(), decoder.new_state()]
    with pytest.raises(InvalidArgumentError, match=f"codes: .*{fault}"):
        decoder.decode(states, [good, bad])
    assert [state.position for state in states] == [0, 0]
    assert not any(state.values.any() for state in states)
    assert (decoder.decode(states[:1], [good])[0] - whole(decoder, good)).abs().max() <= TOLERANCE


def test_an_empty_chunk_has_no_samples(decoder: StreamingDecoder) -> None:
    empty = torch.zeros(10, 0, dtype=torch.int64)
    state = decoder.new_state()
    assert decoder.decode([state], [empty])[0].shape == (0,)
    assert state.position == 0


def test_a_failure_inside_moves_no_state(decoder: StreamingDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    state = decoder.new_state()
    codes = random_codes(decoder.config, 8)

    def fail(*_: object) -> torch.Tensor:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(decoder, "_to_samples", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            decoder.decode([state], [codes])
    assert (decoder.decode([state], [codes])[0] - whole(decoder, codes)).abs().max() <= TOLERANCE


def test_encoding_in_pieces_equals_one_piece(encoder: CodecEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * 0.2
    codes = encoder.encode(samples)
    monkeypatch.setattr("s1_tts.codec.encoder.PIECE_FRAMES", 1000)
    assert torch.equal(encoder.encode(samples), codes)
    assert codes.shape == (10, 49)


def test_pcm_rounds_and_clips() -> None:
    samples = torch.tensor(
        [0.0, 1.0, -1.0, 1.7, -1.7, 0.4 / 32767, 0.6 / 32767, -0.6 / 32767, 1.5 / 32767, 2.5 / 32767]
    )
    assert to_pcm16(samples).tolist() == [0, 32767, -32767, 32767, -32767, 0, 1, -1, 2, 2]
    assert to_pcm16(torch.tensor([torch.nan, 0.0, torch.inf, -torch.inf])).tolist() == [UNSOUND, 0, UNSOUND, UNSOUND]


def test_pcm_is_the_same_for_every_chunking(samples: torch.Tensor) -> None:
    parts = [to_pcm16(part).tolist() for part in samples[:9999].split(1234)]
    assert [step for part in parts for step in part] == to_pcm16(samples[:9999]).tolist()
