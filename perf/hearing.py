"""What a recogniser understands of a running server: the sentences that the demo voice never learned from.

    .venv/bin/python perf/hearing.py [--checkpoint DIR] [--device cpu] [--json]

Each sentence is said twice, streamed and in one answer, and one of them with many seeds; pocketsphinx listens, to
espeak-ng's originals too. `s1_training/listening.py` tells what it is asked.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for perf, which is not installed

from perf.command import print_result
from perf.machine import Machine
from s1_client import AsyncS1Client, SpeechOptions
from s1_protocol.errors import S1Error
from s1_training.corpus import VOICE_FOLDER, make_held_out
from s1_training.held_out import HELD_OUT
from s1_training.listening import Recogniser, Understood
from s1_training.speech import Samples, write_voice_data
from s1_tts.device import resolve_device
from s1_tts.serving.ports import Ports
from s1_tts.serving.server import ServerOptions, TritonServer

ROOT = Path(__file__).resolve().parent.parent
DEMO_VOICE = ROOT / "checkpoints" / "demo-voice"
AT_A_TIME = 4
EXACT = {"S1_DTYPE": "float32"}  # what is said does not depend on who else is served then
START_TIMEOUT_S = 600.0
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
        machine: Where.
        checkpoint: Name of what was served.
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

    machine: Machine
    checkpoint: str
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


async def hear(url: str, sentences: Sentences, machine: Machine, checkpoint: str) -> Hearing:
    """Let a server say everything, and listen.

    Args:
        url: Host and gRPC port.
        sentences: What to say.
        machine: Where it runs.
        checkpoint: Name of what is served.
    """
    texts = [HELD_OUT[place] for place in sentences.places]
    async with AsyncS1Client(url) as client:
        streamed = await _in_turn(_stream(client, text, seed=0) for text in texts)
        answered = await _in_turn(_answer(client, text, seed=0) for text in texts)
        seeded = await _in_turn(_stream(client, HELD_OUT[SEEDED], seed) for seed in range(NUM_SEEDS))
    lengths = [len(said) / len(original) for said, original in zip(streamed, sentences.originals, strict=True)]
    return Hearing(
        machine=machine,
        checkpoint=checkpoint,
        sentences=len(texts),
        original=sentences.understood(sentences.originals),
        streamed=sentences.understood(streamed),
        answered=sentences.understood(answered),
        seeded=sentences.listener.listen(seeded, [SEEDED] * NUM_SEEDS),
        original_seeded=sentences.listener.listen([sentences.originals[SEEDED]], [SEEDED]),
        longest=max(lengths),
        mean_length=float(np.mean(lengths)),
        differing=sum(not np.array_equal(*pair) for pair in zip(streamed, answered, strict=True)),
    )


def hear_checkpoint(checkpoint: Path, device: str) -> Hearing:
    """Serve a checkpoint on free ports and listen to it.

    Raises:
        S1Error: the server did not start.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w") as log:
        sentences = Sentences.make(Path(folder))
        options = ServerOptions(
            checkpoint, ROOT / "model_repository", ports=Ports(http=0, grpc=0, metrics=0), device=device, settings=EXACT
        )
        with TritonServer(options, log=log) as server:
            server.wait_until_ready(START_TIMEOUT_S)
            url = f"{server.reachable_host}:{server.ports.grpc}"
            machine = Machine.describe(resolve_device(device))
            return asyncio.run(hear(url, sentences, machine, checkpoint.name))


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


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=DEMO_VOICE, metavar="DIR")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--json", action="store_true", help="print all figures as one JSON line last")
    arguments = parser.parse_args()
    try:
        hearing = hear_checkpoint(arguments.checkpoint, arguments.device)
    except S1Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print_result(hearing, as_json=arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
