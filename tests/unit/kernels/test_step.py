"""Prefill and decode by kernels give what torch's layers give, and a row does not depend on its company."""

import numpy as np
import pytest
import torch

from s1_training.development.language_model import dev_lm_config
from s1_tts.lm.config import LmConfig
from s1_tts.lm.fused import step
from s1_tts.lm.fused.rows import TableRow
from s1_tts.lm.fused.sizes import can_fuse
from s1_tts.lm.fused.step import FusedPrefill, FusedStep
from s1_tts.lm.fused.tiles import AttentionTile
from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.layers import RMSNorm
from s1_tts.lm.model import DualArModel
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling

pytestmark = pytest.mark.slow

NUM_SEMANTIC = 60
NUM_POSITIONS = 40
SAMPLINGS = (
    Sampling(seed=5, temperature=0.9),
    Sampling(seed=9, temperature=0.0),
    Sampling(seed=2**60 + 7, temperature=0.7, top_p=0.5, repetition_penalty=1.3),
)
SLOTS = (0, 1, 3)
LENGTHS = (5, 17, 8)


def small_config() -> LmConfig:
    """Few codes, so that the interpreter is soon through; grouped heads and both kinds of norm."""
    return LmConfig(
        vocab_size=200,
        n_layer=2,
        n_head=4,
        dim=48,
        intermediate_size=80,
        n_local_heads=2,
        head_dim=16,
        rope_base=10_000,
        norm_eps=1e-6,
        max_seq_len=64,
        tie_word_embeddings=False,
        attention_qkv_bias=True,
        attention_o_bias=True,
        attention_qk_norm=True,
        codebook_size=NUM_SEMANTIC,
        num_codebooks=4,
        scale_codebook_embeddings=True,
        n_fast_layer=2,
        fast_dim=32,
        fast_n_head=4,
        fast_n_local_heads=2,
        fast_head_dim=8,
        fast_intermediate_size=64,
        fast_attention_qk_norm=True,
    )


@pytest.fixture(scope="module")
def model() -> DualArModel:
    generator = torch.Generator().manual_seed(0)
    made = DualArModel(small_config()).eval().requires_grad_(False)
    for module in made.modules():
        for weight in module.parameters(recurse=False):
            weight.normal_(0, 1 if isinstance(module, RMSNorm) else weight.shape[-1] ** -0.5, generator=generator)
            if isinstance(module, RMSNorm):
                weight.mul_(0.1).add_(1)
    made.cut_heads(100, NUM_SEMANTIC, 99)
    made.make_tables(NUM_POSITIONS + 1)
    return made


def prompts(model: DualArModel) -> list[np.ndarray]:
    """A text, and semantic columns behind it."""
    random = np.random.default_rng(0)
    columns = []
    for length in LENGTHS:
        column = random.integers(0, NUM_SEMANTIC, (1 + model.config.num_codebooks, length + 1))
        column[0] = np.where(np.arange(length + 1) < 3, random.integers(0, 99, length + 1), 100 + column[1])
        columns.append(column)
    return columns


def make_pool(model: DualArModel, num_slots: int = 4) -> KvPool:
    pool = KvPool(model.config.slow, num_slots, NUM_POSITIONS + 1, model.dtype, model.device)
    pool.keys.fill_(float("nan"))
    pool.values.fill_(float("nan"))
    return pool


def prefilled(model: DualArModel, pool: KvPool, which: list[int]) -> None:
    """Prompts one behind another in one table, each from a multiple of 8 on."""
    rows: list[TableRow | None] = []
    for index in which:
        columns = prompts(model)[index]
        rows += [TableRow(place, SLOTS[index], columns[:, place]) for place in range(LENGTHS[index])]
        rows += [None] * (-len(rows) % 8)
    prefill = FusedPrefill(model, pool, 40)
    prefill.table.fill(rows)
    prefill.run(40)


def decoded(model: DualArModel, pool: KvPool, which: list[int], num_frames: int) -> np.ndarray:
    stepper = FusedStep(model, pool)
    frames = []
    for number in range(num_frames):
        table: list[TableRow | None] = [None] * pool.num_slots
        for index in which:
            place = LENGTHS[index] + number
            column = prompts(model)[index][:, -1]
            table[SLOTS[index]] = TableRow(place, SLOTS[index], column, number, number, SAMPLINGS[index])
        stepper.table.fill(table)
        stepper.run(pool.num_slots)
        frames.append(stepper.frames.numpy()[[SLOTS[index] for index in which]].copy())
    return np.array(frames)  # [num_frames, rows, num_codebooks]


def expected(model: DualArModel, num_frames: int) -> tuple[np.ndarray, KvPool]:
    runner = ModelRunner(model, 4, NUM_POSITIONS)
    for index, columns in enumerate(prompts(model)):
        runner.open(SLOTS[index], SAMPLINGS[index])
        runner.prefill(SLOTS[index], columns[:, :-1], start=0)
        runner.start(SLOTS[index], columns[:, -1])
    frames = []
    for number in range(num_frames):
        rows = [Row(SLOTS[index], LENGTHS[index] + number, number) for index in range(3)]
        frames.append([frame.codes for frame in runner.decode(rows)])
    return np.array(frames), runner.pool


@pytest.fixture(scope="module")
def together(model: DualArModel) -> tuple[KvPool, np.ndarray]:
    pool = make_pool(model)
    prefilled(model, pool, [0, 1, 2])
    return pool, decoded(model, pool, [0, 1, 2], 2)


def test_keys_values_and_codes_equal_torchs(model: DualArModel, together: tuple[KvPool, np.ndarray]) -> None:
    """The pool was full of NaN, so nothing was read that a sequence had not written."""
    pool, frames = together
    frames_by_torch, pool_of_torch = expected(model, 2)
    np.testing.assert_array_equal(frames, frames_by_torch)
    for slot, length in zip(SLOTS, LENGTHS, strict=True):
        for kept, kept_by_torch in ((pool.keys, pool_of_torch.keys), (pool.values, pool_of_torch.values)):
            seen = slice(0, length + 2)
            torch.testing.assert_close(kept[:, slot, seen], kept_by_torch[:, slot, seen], rtol=1e-5, atol=1e-5)
    assert pool.keys[:, 2].isnan().all()  # nobody's slot


def test_a_row_has_the_same_bits_alone_and_in_company(model: DualArModel, together: tuple[KvPool, np.ndarray]) -> None:
    pool, frames = together
    alone = make_pool(model)
    prefilled(model, alone, [1])
    np.testing.assert_array_equal(decoded(model, alone, [1], 2)[:, 0], frames[:, 1])
    for one, other in ((alone.keys, pool.keys), (alone.values, pool.values)):
        assert torch.equal(one[:, 1, : LENGTHS[1] + 2], other[:, 1, : LENGTHS[1] + 2])


def test_split_keys_are_put_together(model: DualArModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """With parts of 8 keys the sequences have one to three of them."""
    small = AttentionTile(queries=1, keys=8, split_keys=8)
    monkeypatch.setattr(step, "DECODE_ATTENTION", small)
    monkeypatch.setattr(step, "PREFILL_ATTENTION", AttentionTile(queries=8, keys=8, split_keys=8))
    pool = make_pool(model)
    prefilled(model, pool, [0, 1, 2])
    frames_by_torch, _ = expected(model, 1)
    np.testing.assert_array_equal(decoded(model, pool, [0, 1, 2], 1), frames_by_torch)


def test_sizes_that_the_kernels_can_compute() -> None:
    assert can_fuse(dev_lm_config("full"))
    assert can_fuse(dev_lm_config("tiny"))
    odd = {**vars(dev_lm_config("full")), "head_dim": 96}
    assert not can_fuse(LmConfig(**odd))
