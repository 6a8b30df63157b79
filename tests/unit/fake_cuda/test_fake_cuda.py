"""What runs on a GPU, run on tensors that only say they are there: no mix of devices, no value that the host reads, no
copy inside a graph, and no more kernels than the budget allows."""

from collections.abc import Iterator
from unittest import mock

import pytest
import torch

from s1_training.development.language_model import dev_lm_config
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.encoder import PIECE_FRAMES, CodecEncoder
from s1_tts.codec.piece_graphs import FixedPieces, Shape
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.weights import Weights, published_shapes
from s1_tts.lm.cuda_graphs import Bucket, BucketedDecode
from s1_tts.lm.decode import SlotState
from s1_tts.lm.fused.runner import PREFILL_SIZES
from s1_tts.lm.fused.step import FusedPrefill, FusedStep
from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.model import DualArModel
from tests.unit.fake_cuda.watch import CUDA, fake_cuda, set_guard, watching

pytestmark = pytest.mark.slow

MOST_KERNELS_OF_A_STEP = 450
MOST_KERNELS_OF_A_PREFILL = 220
MOST_KERNELS_OF_A_PIECE = 150
MOST_KERNELS_OF_AN_ENCODER_PIECE = 960
NUM_SEMANTIC = 4096
NUM_UNITS = 12
NUM_POSITIONS = 2048
NUM_SLOTS = 64


@pytest.fixture(scope="module", autouse=True)
def on_fake_tensors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    set_guard(tmp_path_factory.mktemp("guard"))
    with fake_cuda():
        yield


@pytest.fixture(scope="module")
def model(on_fake_tensors: None) -> DualArModel:
    config = dev_lm_config("full")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with CUDA:
        model = DualArModel(config)
    torch.set_default_dtype(before)
    begin = config.vocab_size - NUM_SEMANTIC - 22
    model.cut_heads(begin, NUM_SEMANTIC, begin - 11)
    model.eval().requires_grad_(False).make_tables(NUM_POSITIONS + 1)
    return model


@pytest.fixture(scope="module")
def pool(model: DualArModel) -> KvPool:
    return KvPool(model.config.slow, NUM_SLOTS, NUM_POSITIONS, model.dtype, CUDA)


@pytest.mark.parametrize("rows", [16, 32, 64])
def test_a_step_by_kernels(model: DualArModel, pool: KvPool, rows: int) -> None:
    step = FusedStep(model, pool)
    with watching() as seen:
        step.run(rows)
    assert seen.transfers == []
    assert seen.num_kernels <= MOST_KERNELS_OF_A_STEP
    assert seen.kernels["draw"] == model.config.num_codebooks


@pytest.mark.parametrize("tokens", PREFILL_SIZES)
def test_a_prefill_by_kernels(model: DualArModel, pool: KvPool, tokens: int) -> None:
    prefill = FusedPrefill(model, pool, PREFILL_SIZES[-1])
    with watching() as seen:
        prefill.run(tokens)
    assert seen.transfers == []
    assert seen.num_kernels <= MOST_KERNELS_OF_A_PREFILL


def test_what_goes_to_the_gpu_with_a_step_is_one_copy_that_does_not_wait(model: DualArModel, pool: KvPool) -> None:
    step = FusedStep(model, pool)
    with watching() as seen:
        step.table._send(0)
    assert seen.transfers == [("cpu", "cuda", False)]


@pytest.mark.parametrize("rows", [1, 8])
def test_a_step_by_torch(model: DualArModel, rows: int) -> None:
    pool = KvPool(model.config.slow, 8, NUM_POSITIONS + 1, model.dtype, CUDA)
    decode = BucketedDecode(model, SlotState(model, 8), pool)
    with watching() as seen:
        decode._step(Bucket(rows, 512))
    assert seen.transfers == []


@pytest.fixture(scope="module")
def weights(on_fake_tensors: None) -> Weights:
    tensors = {key: torch.empty(shape) for key, shape in published_shapes(CodecConfig())}
    return Weights(tensors, CUDA, torch.bfloat16)


@pytest.mark.parametrize(("rows", "frames"), [(1, 1), (1, 4), (8, 20), (32, 4), (32, 20)])
def test_a_codec_piece(weights: Weights, rows: int, frames: int) -> None:
    decoder = StreamingDecoder(weights, CodecConfig())
    decoder.use_kernels()
    pieces = FixedPieces(decoder, 32, 64)
    with watching() as seen:
        pieces._piece(Shape(rows, frames))
    assert seen.transfers == []
    assert seen.num_kernels <= MOST_KERNELS_OF_A_PIECE
    assert seen.kernels["join"] > 0
    assert seen.kernels["pointwise_added"] == NUM_UNITS
    # samples become float32; no stream's state is copied
    assert seen.copied_bytes == {"_to_copy": 2 * 4 * rows * frames * CodecConfig().samples_per_frame}


def test_what_goes_to_the_gpu_with_a_codec_piece_does_not_wait(weights: Weights) -> None:
    decoder = StreamingDecoder(weights, CodecConfig())
    pieces = FixedPieces(decoder, 32, 64)
    codes, positions = torch.zeros(3, 10, 4, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)
    with watching() as seen:
        pieces.decode(codes, decoder.sight(positions, 4), [0, 1, 2])
    assert seen.transfers == [("cpu", "cuda", False)] * 4


def test_what_goes_around_a_codec_piece_does_not_grow_with_its_rows(weights: Weights) -> None:
    decoder = StreamingDecoder(weights, CodecConfig())
    pieces = FixedPieces(decoder, 8, 64)
    counts = []
    with mock.patch.object(pieces, "_run", lambda shape: torch.empty(shape.num_rows, 4 * 2048, device=CUDA)):
        for rows in (2, 8):
            states = [pieces.new_state() for _ in range(rows)]
            with watching() as seen:
                decoder._decode_fixed(pieces, states, [torch.zeros(10, 4, dtype=torch.int64)] * rows)
            counts.append(seen.num_kernels)
    assert counts == [1, 1]  # the sound is taken out of the graph's memory


def test_an_encoder_piece() -> None:
    config = CodecConfig()
    tensors = {key: torch.empty(shape) for key, shape in published_shapes(config)}
    encoder = CodecEncoder(Weights(tensors, CUDA, torch.float32), config)
    states = torch.zeros(1, encoder._state_size, device=CUDA)
    samples = torch.empty(1, PIECE_FRAMES * config.samples_per_frame, 1, device=CUDA)
    with watching() as seen:
        encoder._encode_piece(samples, 0, states)
    assert all(source == "cpu" for source, _, _ in seen.transfers)
    assert seen.num_kernels <= MOST_KERNELS_OF_AN_ENCODER_PIECE
