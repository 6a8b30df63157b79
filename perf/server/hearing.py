"""What a recogniser understands of a running server: the sentences that the demo voice never learned from.

    python -m perf hearing [--checkpoint DIR] [--device cpu] [--setting dtype=bfloat16 --setting weights=int8]

Each sentence is streamed, with as many seeds as are wanted, and said once more in one answer; one of them is said with
many seeds. pocketsphinx listens, to espeak-ng's originals too. `s1_training/listening.py` tells what it is asked.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from perf.conditions import ROOT
from perf.measurement import add_settings, add_subject, recorder
from perf.server.running import running_server, url_of

from s1_client import AsyncS1Client, SpeechOptions
from s1_training.corpus import VOICE_FOLDER, make_held_out
from s1_training.held_out import HELD_OUT
from s1_training.listening import Recogniser, Understood
from s1_training.speech import Samples, write_voice_data
from s1_tts.settings import Settings

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
        streams_of_each: Seeds that each sentence was streamed with.
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
    streams_of_each: int = 1

    @property
    def share_of_words(self) -> float:
        """Words understood of the streams, as a share of those of the originals."""
        return self.streamed.words / self.original.words


async def hear(url: str, sentences: Sentences, num_seeds: int = 1) -> Hearing:
    """Let a server say everything, and listen.

    Args:
        url: Host and gRPC port.
        sentences: What to say.
        num_seeds: Seeds that each sentence is streamed with; the answers have the first.
    """
    texts = [HELD_OUT[place] for place in sentences.places]
    async with AsyncS1Client(url) as client:
        streamed = await _in_turn(_stream(client, text, seed) for seed in range(num_seeds) for text in texts)
        answered = await _in_turn(_answer(client, text, seed=0) for text in texts)
        seeded = await _in_turn(_stream(client, HELD_OUT[SEEDED], seed) for seed in range(NUM_SEEDS))
    understood = sentences.listener.listen(streamed, list(sentences.places) * num_seeds)
    differing = sum(not np.array_equal(*pair) for pair in zip(streamed[: len(texts)], answered, strict=True))
    lengths = [
        len(said) / len(wanted) for said, wanted in zip(streamed, [*sentences.originals] * num_seeds, strict=True)
    ]
    return Hearing(
        sentences=len(texts),
        original=sentences.understood(sentences.originals),
        streamed=understood,
        answered=sentences.understood(answered) if differing or num_seeds > 1 else understood,
        seeded=sentences.listener.listen(seeded, [SEEDED] * NUM_SEEDS),
        original_seeded=sentences.listener.listen([sentences.originals[SEEDED]], [SEEDED]),
        longest=max(lengths),
        mean_length=float(np.mean(lengths)),
        differing=differing,
        streams_of_each=num_seeds,
    )


def hear_checkpoint(checkpoint: Path, device: str, settings: Mapping[str, str] = EXACT, num_seeds: int = 1) -> Hearing:
    """Serve a checkpoint on free ports and listen to it; arguments as of :func:`running_server` and :func:`hear`.

    Raises:
        S1Error: the server did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        sentences = Sentences.make(Path(folder))
        with running_server(checkpoint, device, settings=settings) as server:
            return asyncio.run(hear(url_of(server), sentences, num_seeds))


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
    add_settings(parser)
    parser.add_argument("--seeds", type=int, default=1, help="that each sentence is streamed with (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and record.

    Raises:
        SettingsError: a setting is wrong.
        S1Error: the server did not start.
    """
    chosen = dict(arguments.setting)
    Settings.load(chosen)
    figures = hear_checkpoint(arguments.checkpoint, arguments.device, {**EXACT, **chosen}, arguments.seeds)
    subject = ", ".join([arguments.checkpoint.name, *(f"{name}={value}" for name, value in sorted(chosen.items()))])
    recorder("hearing", arguments).print_and_record(subject, figures)
