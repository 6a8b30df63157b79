"""Rows of chains: every text comes once an epoch, chains do not see each other, the same step is the same batch."""

import numpy as np
import pytest
import torch

from s1_training.codes import CodedCorpus
from s1_training.sequences import BATCH_COLUMNS, ROW_COLUMNS, Batch, Sequences
from s1_training.voice_checkpoint import write_tokenizer
from s1_tts.lm.tokenizer import Tokenizer

NUM_CODES = 64
NUM_TEXTS = 90


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"), NUM_CODES)


@pytest.fixture(scope="module")
def coded() -> CodedCorpus:
    """Texts from a word to more than the longest row holds; each one's first frames spell its number."""
    random = np.random.default_rng(0)
    lengths = [*random.integers(4, 200, NUM_TEXTS - 2).tolist(), 700, 1100]
    codes = random.integers(0, NUM_CODES, (2, sum(lengths)))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    for index, start in enumerate(starts[:-1]):
        codes[0, start : start + 2] = divmod(index, NUM_CODES)
    return CodedCorpus(["həlˈoʊ wˈɜːld."] * NUM_TEXTS, starts, codes.astype(np.int16))


def make(tokenizer: Tokenizer, coded: CodedCorpus, noise_share: float = 0.0) -> Sequences:
    return Sequences(tokenizer, coded, 2, seed=5, noise_share=noise_share)


def texts_in(batch: Batch, tokenizer: Tokenizer) -> list[int]:
    """Numbers of the texts of a batch, by the first frames of each."""
    tokens = batch.read[:, 0].numpy() - tokenizer.semantic_begin_id
    is_code = (tokens >= 0) & (tokens < NUM_CODES)
    begins = is_code & ~np.pad(is_code, ((0, 0), (1, 0)))[:, :-1]
    return [int(NUM_CODES * tokens[row, at] + tokens[row, at + 1]) for row, at in np.argwhere(begins)]


def test_every_text_that_fits_comes_once_an_epoch(tokenizer: Tokenizer, coded: CodedCorpus) -> None:
    found = [text for batch in make(tokenizer, coded).epoch(3) for text in texts_in(batch, tokenizer)]
    assert sorted(found) == list(range(NUM_TEXTS - 1))  # the last one fits no row


def test_batches_have_few_shapes_and_are_nearly_full(tokenizer: Tokenizer, coded: CodedCorpus) -> None:
    batches = list(make(tokenizer, coded).epoch(0))
    assert {batch.read.shape[2] for batch in batches} <= set(ROW_COLUMNS)
    assert all(batch.chains.numel() == BATCH_COLUMNS for batch in batches)
    full = [float((batch.chains >= 0).float().mean()) for batch in batches]
    assert np.median(full) > 0.85


def test_a_column_sees_its_own_chain_up_to_itself(tokenizer: Tokenizer, coded: CodedCorpus) -> None:
    batch = make(tokenizer, coded).batch_of([[[0, 1], [2]], [[3]]])
    visible = batch.visible()
    for row, column in ((0, 0), (0, 7), (0, 120), (0, 300), (1, 40)):
        seen = torch.nonzero(visible[row, column])[:, 0].tolist()
        first = int(torch.nonzero(batch.chains[row] == batch.chains[row, column])[0, 0])
        assert seen == list(range(first, column + 1))
        assert int(batch.positions[row, column]) == column - first


def test_the_same_step_is_the_same_batch_wherever_one_begins(tokenizer: Tokenizer, coded: CodedCorpus) -> None:
    walked, jumped = make(tokenizer, coded, 0.3), make(tokenizer, coded, 0.3)
    num_steps = 40  # several epochs
    batches = [walked.batch(step) for step in range(num_steps)]
    last = jumped.batch(num_steps - 1)
    assert torch.equal(last.read, batches[-1].read)
    assert torch.equal(last.wanted, batches[-1].wanted)
    with pytest.raises(ValueError, match="steps only go on"):
        jumped.batch(0)


def test_noise_changes_some_frames_that_are_read_and_nothing_that_is_wanted(
    tokenizer: Tokenizer, coded: CodedCorpus
) -> None:
    plain, noisy = make(tokenizer, coded).batch(0), make(tokenizer, coded, 0.3).batch(0)
    assert torch.equal(plain.wanted, noisy.wanted)
    tokens = plain.read[:, 0] - tokenizer.semantic_begin_id
    is_code = (tokens >= 0) & (tokens < NUM_CODES) & (plain.chains >= 0)
    is_changed = (plain.read != noisy.read).any(1)
    assert not is_changed[~is_code].any()
    assert 0.25 < float(is_changed[is_code].float().mean()) < 0.35
    changed = noisy.read[:, 0][is_changed] - tokenizer.semantic_begin_id
    assert torch.equal(changed, noisy.read[:, 1][is_changed])  # the semantic code is said twice
    assert 0 <= int(changed.min()) <= int(changed.max()) < NUM_CODES


def test_a_row_that_is_too_long_is_refused(tokenizer: Tokenizer, coded: CodedCorpus) -> None:
    with pytest.raises(ValueError, match="at most 1024"):
        make(tokenizer, coded).batch_of([[[NUM_TEXTS - 1]]])
