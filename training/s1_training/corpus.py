"""Texts and their speech on disk, made by all cores, shard by shard; what is made is not made again."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from s1_training.held_out import HELD_OUT
from s1_training.mel import log_mel
from s1_training.progress import StageProgress
from s1_training.sentences import TrainingTexts
from s1_training.speech import FRAME_SAMPLES, SAMPLE_RATE, Samples, Speaker, write_voice_data
from s1_tts.text.front_end import EspeakPhonemes

TEXTS_A_SHARD: Final = 100
VOICE_FOLDER: Final = "espeak-ng-data"
TYPICAL_TEXT_S: Final = 5.2
"""Speech of a text on average; decides how many shards some hours take."""


@dataclass(frozen=True, eq=False)
class Shard:
    """Some texts with their speech.

    Args:
        phonemes: What the front end makes of each text.
        num_frames: Frames of each text ``[texts]``.
        features: Log-mel features of all texts, one after another ``[frames, features]``, float16.
        samples: Their samples ``[frames * FRAME_SAMPLES]``, int16; empty where only features are kept.
    """

    phonemes: list[str]
    num_frames: npt.NDArray[np.int64]
    features: npt.NDArray[np.float16]
    samples: npt.NDArray[np.int16]

    @classmethod
    def load(cls, path: Path) -> "Shard":
        """Read a shard."""
        with np.load(path) as arrays:
            phonemes = [str(text) for text in arrays["phonemes"]]
            return cls(phonemes, arrays["num_frames"], arrays["features"], arrays["samples"])

    def without_sound(self) -> "Shard":
        """The same without samples and features, which are large."""
        return replace(self, features=self.features[:0], samples=self.samples[:0])

    def recordings(self) -> list[Samples]:
        """Samples of each text ``[samples]``, from -1 to 1."""
        ends = np.cumsum(self.num_frames)[:-1] * FRAME_SAMPLES
        return np.split(self.samples.astype(np.float32) / 32767, ends)

    def save(self, path: Path) -> None:
        """Write a shard; it appears whole or not at all."""
        part = path.with_suffix(".part.npz")
        np.savez(
            part,
            phonemes=np.array(self.phonemes),
            num_frames=self.num_frames,
            features=self.features,
            samples=self.samples,
        )
        os.replace(part, path)


class Corpus:
    """Shards in a folder.

    Args:
        folder: Where they are.
        num_shards: How many there are to be.
        num_sounding: How many of the first ones keep their samples.
        shard_texts: Texts of each.
    """

    def __init__(self, folder: Path, num_shards: int, num_sounding: int, shard_texts: int) -> None:
        self._folder = folder
        self.num_shards = num_shards
        self._num_sounding = num_sounding
        self._shard_texts = shard_texts

    @classmethod
    def of_hours(cls, folder: Path, hours: float, sounding_hours: float) -> "Corpus":
        """A corpus of about so many hours, of which some keep their samples."""
        num_texts = max(2, round(hours * 3600 / TYPICAL_TEXT_S))
        num_shards = max(2, round(num_texts / TEXTS_A_SHARD))
        num_sounding = min(num_shards, max(1, round(num_shards * sounding_hours / hours)))
        return cls(folder, num_shards, num_sounding, -(-num_texts // num_shards))

    def make(self, seed: int, progress: StageProgress) -> None:
        """Make what is missing.

        Args:
            seed: Seed of the texts.
            progress: Shows how far it is.
        """
        voice = self._folder / VOICE_FOLDER
        write_voice_data(voice)
        texts = iter(TrainingTexts(seed))
        batches = [list(islice(texts, self._shard_texts)) for _ in range(self.num_shards)]
        missing = [index for index in range(self.num_shards) if not self._path(index).is_file()]
        progress.start("speech", len(missing))
        with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
            jobs = [
                pool.submit(
                    make_shard, voice, batches[index], self._path(index), is_sounding=index < self._num_sounding
                )
                for index in missing
            ]
            for job in jobs:
                job.result()
                progress.advance({})
        progress.finish()

    def shards(self) -> Iterator[Shard]:
        """All shards in order, read one by one."""
        for index in range(self.num_shards):
            yield Shard.load(self._path(index))

    def sounding_shards(self) -> Iterator[Shard]:
        """Those that keep their samples."""
        for index in range(self._num_sounding):
            yield Shard.load(self._path(index))

    def _path(self, index: int) -> Path:
        return self._folder / f"shard-{index:04}.npz"


def make_shard(voice: Path, texts: list[str], path: Path, *, is_sounding: bool) -> None:
    """Say some texts and keep what is needed of it.

    Args:
        voice: Folder of :func:`write_voice_data`.
        texts: What to say.
        path: Where the shard goes.
        is_sounding: Whether to keep the samples.
    """
    front_end = EspeakPhonemes()
    phonemes = [front_end(text) for text in texts]
    speaker = Speaker(voice)  # after the front end: the voice set last is the one that is heard
    speech = [speaker.say(text) for text in texts]
    samples = np.concatenate(speech)
    kept = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16) if is_sounding else np.zeros(0, np.int16)
    num_frames = np.array([len(one) // FRAME_SAMPLES for one in speech])
    features = np.concatenate([log_mel(one) for one in speech]).astype(np.float16)
    Shard(phonemes, num_frames, features, kept).save(path)


def make_held_out(folder: Path) -> Shard:
    """Speech of the held-out sentences.

    Args:
        folder: The corpus's folder, its shards made.
    """
    path = folder / "held-out.npz"
    if not path.is_file():
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # espeak-ng is one voice a process
            pool.submit(make_shard, folder / VOICE_FOLDER, list(HELD_OUT), path, is_sounding=True).result()
    return Shard.load(path)


def hours_of(num_frames: int) -> float:
    """Hours of so many frames."""
    return num_frames * FRAME_SAMPLES / SAMPLE_RATE / 3600
