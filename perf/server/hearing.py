"""What a recogniser understands of a running server: the sentences that the demo voice never learned from.

    python -m perf hearing [--checkpoint DIR] [--device cpu]

Each sentence is said twice, streamed and in one answer, and one of them with many seeds; pocketsphinx listens, to
espeak-ng's originals too. `s1_training/listening.py` tells what it is asked.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from perf.conditions import ROOT
from perf.measurement import add_subject, recorder
from perf.server.running import running_server, url_of

from s1_client import AsyncS1Client, SpeechOptions
from s1_training.corpus import VOICE_FOLDER, make_held_out
from s1_training.held_out import HELD_OUT
from s1_training.listening import Recogniser, Understood
from s1_training.speech import Samples, write_voice_data

DEMO_VOICE = ROOT / "checkpoints" / "demo-voice"
AT_A_TIME = 4
EXACT = {"dtype": "float32"}  # what is said does not depend on who else is served then
NUM_SEEDS = 10
SEEDED = 0
"""The sentence that is said with many seeds."""


@dataclass(frozen=True, eq=False)
class Sentences:
    """Sentences to say, with espeak-ng's speech of them.

    Args:
        places: Which of the held-out sentences.
        originals: ``[samples]`` of each.
        listener: Knows all held-out sentences.
    """

    places: Sequence[int]
    originals: Sequence[Samples]
    listener: Recogniser

    @classmethod
    def make(cls, folder: Path, count: int = len(HELD_OUT)) -> "Sentences":
        """The first held-out sentences; speech and the recogniser's files go into a folder.

        Args:
            folder: Any that can be written.
            count: How many.
        """
        write_voice_data(folder / VOICE_FOLDER)
        originals = make_held_out(folder).recordings()
        return cls(range(count), originals[:count], Recogniser(HELD_OUT, folder))

    def understood(self, recordings: Sequence[Samples]) -> Understood:
        """What is understood of one recording of each."""
        return self.listener.listen(recordings, self.places)


@dataclass(frozen=True)
class Hearing:
    """What was understood of a server.

    Args:
        sentences: How many were said.
        original: Of espeak-ng's speech.
        streamed: Of the streams.
        answered: Of the same in one answer.
        seeded: Of one sentence with many seeds.
        original_seeded: Of espeak-ng's speech of that sentence.
        longest: Longest spoken sentence, as a multiple of its original.
        mean_length: The mean of these multiples.
        differing: Sentences of which stream and answer were not the same samples.
    """

    sentences: int
    original: Understood
    streamed: Understood
    answered: Understood
    seeded: Understood
    original_seeded: Understood
    longest: float
    mean_length: float
    differing: int

    @property
    def share_of_words(self) -> float:
        """Words understood of the streams, as a share of those of the originals."""
        return self.streamed.words / self.original.words


async def hear(url: str, sentences: Sentences) -> Hearing:
    """Let a server say everything, and listen.

    Args:
        url: Host and gRPC port.
        sentences: What to say.
    """
    texts = [HELD_OUT[place] for place in sentences.places]
    async with AsyncS1Client(url) as client:
        streamed = await _in_turn(_stream(client, text, seed=0) for text in texts)
        answered = await _in_turn(_answer(client, text, seed=0) for text in texts)
        seeded = await _in_turn(_stream(client, HELD_OUT[SEEDED], seed) for seed in range(NUM_SEEDS))
    understood = sentences.understood(streamed)
    differing = sum(not np.array_equal(*pair) for pair in zip(streamed, answered, strict=True))
    lengths = [len(said) / len(original) for said, original in zip(streamed, sentences.originals, strict=True)]
    return Hearing(
        sentences=len(texts),
        original=sentences.understood(sentences.originals),
        streamed=understood,
        answered=sentences.understood(answered) if differing else understood,
        seeded=sentences.listener.listen(seeded, [SEEDED] * NUM_SEEDS),
        original_seeded=sentences.listener.listen([sentences.originals[SEEDED]], [SEEDED]),
        longest=max(lengths),
        mean_length=float(np.mean(lengths)),
        differing=differing,
    )


def hear_checkpoint(checkpoint: Path, device: str) -> Hearing:
    """Serve a checkpoint on free ports and listen to it.

    Raises:
        S1Error: the server did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        sentences = Sentences.make(Path(folder))
        with running_server(checkpoint, device, settings=EXACT) as server:
            return asyncio.run(hear(url_of(server), sentences))


async def _in_turn(speeches: Iterable[Awaitable[Samples]]) -> list[Samples]:
    """Await some speeches, a few at a time, in their order."""
    turn = asyncio.Semaphore(AT_A_TIME)

    async def in_turn(speech: Awaitable[Samples]) -> Samples:
        async with turn:
            return await speech

    return await asyncio.gather(*map(in_turn, speeches))


async def _stream(client: AsyncS1Client, text: str, seed: int) -> Samples:
    chunks = [chunk.samples async for chunk in client.stream(text, SpeechOptions(seed=seed))]
    return _wide(np.concatenate(chunks))


async def _answer(client: AsyncS1Client, text: str, seed: int) -> Samples:
    return _wide((await client.speak(text, SpeechOptions(seed=seed))).samples)


def _wide(samples: npt.NDArray[np.int16]) -> Samples:
    return samples.astype(np.float32) / 32768


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, checkpoint=DEMO_VOICE)


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    figures = hear_checkpoint(arguments.checkpoint, arguments.device)
    recorder("hearing", arguments).print_and_record(arguments.checkpoint.name, figures)
