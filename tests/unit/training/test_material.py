"""Texts, speech and codes: what the voice learns from."""

import re
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from s1_training.codes import assign
from s1_training.corpus import VOICE_FOLDER, Corpus, Shard, make_shard
from s1_training.held_out import HELD_OUT, HeldOutCheck, words_of
from s1_training.listening import Recogniser, bigram_model, edit_distance
from s1_training.mel import NUM_FEATURES, log_mel
from s1_training.phrases import FILLERS, PATTERNS
from s1_training.progress import StageProgress
from s1_training.sentences import NUM_WORDS, TrainingTexts, everyday_words
from s1_training.speech import FRAME_SAMPLES, PERIOD_SAMPLES, PITCH_HZ, SAMPLE_RATE, _fundamental, lock_phase
from s1_tts.text.front_end import EspeakPhonemes
from tests.unit.training.conftest import PLAN

pytestmark = pytest.mark.slow

TEXTS_OF_AN_HOUR = 690


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """About six hours' texts."""
    return list(islice(TrainingTexts(0), 6 * TEXTS_OF_AN_HOUR))


def test_fifty_sentences_are_held_out_and_none_is_in_the_training(texts: list[str]) -> None:
    assert len(set(HELD_OUT)) == 50
    spoken = {f" {' '.join(words_of(text))} " for text in texts}
    for sentence in HELD_OUT:
        assert not any(f" {' '.join(words_of(sentence))} " in text for text in spoken)


def test_a_held_out_sentence_is_found_whatever_its_marks() -> None:
    check = HeldOutCheck()
    assert check.is_in(f"Well: {HELD_OUT[3].upper().replace(' ', '  ')} And so on.")
    assert not check.is_in(HELD_OUT[3].replace("brother", "sister"))


def test_everyday_words_come_about_evenly(texts: list[str]) -> None:
    """Twice in six hours at least; words of single letters come as names of letters too."""
    counts = Counter(word for text in texts for word in words_of(text))
    rare = [word for word in everyday_words(NUM_WORDS) if counts[word] < 2]
    assert rare == []


def test_the_seed_decides_on_the_texts(texts: list[str]) -> None:
    assert list(islice(TrainingTexts(0), 20)) == texts[:20]
    assert list(islice(TrainingTexts(1), 20)) != texts[:20]
    assert max(map(len, texts)) <= 300


def test_every_slot_of_every_pattern_has_fillers() -> None:
    for pattern in PATTERNS:
        assert pattern.format(**dict.fromkeys([*FILLERS, "digits", "letters"], "x"))


def test_a_recording_of_each_text_lies_on_the_grid_of_frames(trained: Path) -> None:
    shard = next(iter(Corpus.of_hours(trained / "work", PLAN.hours, PLAN.sounding_hours).sounding_shards()))
    recordings = shard.recordings()
    assert [len(one) for one in recordings] == (shard.num_frames * FRAME_SAMPLES).tolist()
    assert len(shard.features) == shard.num_frames.sum()
    wave = _fundamental(np.concatenate(recordings), PITCH_HZ, SAMPLE_RATE)
    late = np.angle(wave[np.abs(wave) > 0.012]) / (2 * np.pi) * PERIOD_SAMPLES
    assert len(late) > SAMPLE_RATE
    assert np.mean(np.abs(late) < 4) > 0.97  # of 256 samples: 1.5 %
    texts = list(islice(TrainingTexts(PLAN.seed), len(recordings)))
    assert shard.phonemes == [EspeakPhonemes()(text) for text in texts]


def test_the_same_texts_sound_the_same(trained: Path, tmp_path: Path) -> None:
    """In every process: what is random in espeak-ng's noise has a seed."""
    voice, texts = trained / "work" / VOICE_FOLDER, ["She sells six shells.", "Fish and chips."]
    paths = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for path in paths:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(make_shard, voice, texts, path, is_sounding=True).result()
    first, second = map(Shard.load, paths)
    assert np.array_equal(first.samples, second.samples)


def test_locking_moves_a_stretch_by_less_than_a_period() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    is_voiced = (time > 0.2) & (time < 0.7)
    tone = (0.1 * np.cos(2 * np.pi * PITCH_HZ * time + 2.0) * is_voiced).astype(np.float32)
    locked = lock_phase(tone)
    middle = slice(round(0.3 * SAMPLE_RATE), round(0.6 * SAMPLE_RATE))
    wanted = 0.1 * np.cos(2 * np.pi * PITCH_HZ * time)
    assert np.abs(locked[middle] - wanted[middle]).max() < 0.003
    assert len(locked) == len(tone)


def test_features_follow_loudness() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(4 * FRAME_SAMPLES) / SAMPLE_RATE).astype(np.float32)
    loud, soft = log_mel(tone), log_mel(tone / 10)
    assert loud.shape == (4, NUM_FEATURES)
    band = int(loud[1].argmax())
    assert loud[1, band] - soft[1, band] == pytest.approx(np.log(10), abs=1e-3)


def test_codes_are_the_nearest_entries_of_what_is_left() -> None:
    generator = torch.Generator().manual_seed(0)
    codebooks = torch.randn(2, 16, 8, generator=generator)
    points = codebooks[0, torch.arange(16)] + 0.01 * codebooks[1, torch.arange(16)]
    codes, rest = assign(points, torch.stack([codebooks[0], 0.01 * codebooks[1]]))
    assert codes.tolist() == [list(range(16))] * 2
    assert rest.abs().max() < 1e-5


def test_a_corpus_is_not_made_twice(trained: Path) -> None:
    corpus = Corpus.of_hours(trained / "work", PLAN.hours, PLAN.sounding_hours)
    shards = sorted((trained / "work").glob("shard-*.npz"))
    before = [path.stat().st_mtime_ns for path in shards]
    corpus.make(PLAN.seed, StageProgress())
    assert len(shards) == corpus.num_shards
    assert [path.stat().st_mtime_ns for path in shards] == before


def test_edit_distance_counts_words() -> None:
    assert edit_distance(["a", "b", "c"], ["a", "b", "c"]) == 0
    assert edit_distance(["a", "b", "c"], ["x", "a", "c"]) == 2
    assert edit_distance([], ["a", "b"]) == 2


def test_a_bigram_model_shares_out_all_probability() -> None:
    arpa = bigram_model([("a", "b"), ("a", "c")])
    rows = [line.split() for line in arpa.splitlines() if re.fullmatch(r"-\S+ \S+ [a-z<]\S*", line)]
    follow_a = [10 ** float(row[0]) for row in rows if row[1] == "a"]
    assert sum(follow_a) == pytest.approx(0.8, abs=1e-3)


def test_the_recogniser_hears_which_sentence_is_said(trained: Path, tmp_path: Path) -> None:
    with np.load(trained / "work" / "held-out.npz") as arrays:
        ends = np.cumsum(arrays["num_frames"])[:3] * FRAME_SAMPLES
        first, second = np.split(arrays["samples"].astype(np.float32) / 32767, ends)[:2]
    recogniser = Recogniser(HELD_OUT[:2], tmp_path)
    assert recogniser.listen([first, second]).picks == 1.0
    assert recogniser.listen([second, first]).picks == 0.0
