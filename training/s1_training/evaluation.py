"""Judge a voice's checkpoint: espeak-ng's originals, the codec alone on their codes, and the whole path from text."""

import json
import queue
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from s1_training.codes import CodedCorpus
from s1_training.corpus import Shard
from s1_training.held_out import HELD_OUT
from s1_training.listening import Recogniser, Understood
from s1_training.speech import Samples
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.lm.engine import LmEngine
from s1_tts.settings import Settings
from s1_tts.speech_task import Sampling, SpeechTask
from s1_tts.stream_events import CodesChunk, StreamFailed

MAX_LENGTH: Final = 1.5
"""Times the original's length, in which a sentence must have ended by itself."""

RUNAWAY_LENGTH: Final = 3
TIMEOUT_S: Final = 300.0


@dataclass(frozen=True)
class Evaluation:
    """Figures of a voice over the held-out sentences.

    Args:
        original: The recogniser on espeak-ng's speech.
        copy: On the codec's decoder alone, from the codes of that speech.
        round_trip: On the codec's encoder and decoder.
        voice: On the whole path from text, with the server's default options.
        ended: Share of sentences that ended by themselves within ``MAX_LENGTH``.
        mean_length: Mean length of the spoken sentences, as a multiple of the originals'.
        encoder_agreement: Share of semantic codes that the encoder finds as they were learned.
    """

    original: Understood
    copy: Understood
    round_trip: Understood
    voice: Understood
    ended: float
    mean_length: float
    encoder_agreement: float

    def save(self, path: Path) -> None:
        """Write the figures as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def evaluate(checkpoint: Path, held_out: Shard, coded: CodedCorpus, folder: Path) -> Evaluation:
    """Let the recogniser listen.

    Args:
        checkpoint: Of the voice.
        held_out: The sentences' speech.
        coded: Their codes.
        folder: Where the recogniser's files go.
    """
    device = torch.device("cpu")
    recogniser = Recogniser(HELD_OUT, folder)
    decoder = StreamingDecoder.load(checkpoint, device, torch.float32)
    encoder = CodecEncoder.load(checkpoint, device, torch.float32)
    originals = held_out.recordings()
    learned = [torch.from_numpy(coded.codes_of(index).astype(np.int64)) for index in range(len(HELD_OUT))]
    found = [encoder.encode(torch.from_numpy(samples)) for samples in originals]
    said = say_all(checkpoint, HELD_OUT, [RUNAWAY_LENGTH * codes.shape[1] for codes in learned])
    lengths = [ours.shape[1] / theirs.shape[1] for ours, theirs in zip(said, learned, strict=True)]
    agreement = [(ours[0] == theirs[0]).float().mean() for ours, theirs in zip(found, learned, strict=True)]
    return Evaluation(
        original=recogniser.listen(originals),
        copy=recogniser.listen(_decode_all(decoder, learned)),
        round_trip=recogniser.listen(_decode_all(decoder, found)),
        voice=recogniser.listen(_decode_all(decoder, said)),
        ended=float(np.mean([length <= MAX_LENGTH for length in lengths])),
        mean_length=float(np.mean(lengths)),
        encoder_agreement=float(torch.stack(agreement).mean()),
    )


def say_all(checkpoint: Path, texts: Sequence[str], max_frames: Sequence[int]) -> list[Tensor]:
    """Codes that the server's engine gives for texts, with default options and seed 0.

    Args:
        checkpoint: Of the voice.
        texts: What to say.
        max_frames: Frames at most, of each.

    Returns:
        ``[num_codebooks, frames]`` of each.

    Raises:
        S1Error: a text could not be said.
    """
    engine = LmEngine.load(Settings(checkpoint=checkpoint, device="cpu"))
    engine.start()
    try:
        return [
            _codes_of(engine, SpeechTask(text, Sampling(seed=0), max_frames=most))
            for text, most in zip(texts, max_frames, strict=True)
        ]
    finally:
        engine.close()


def _codes_of(engine: LmEngine, request: SpeechTask) -> Tensor:
    events: queue.Queue[CodesChunk | StreamFailed] = queue.Queue()
    engine.submit(request, events.put)
    codes = []
    while True:
        event = events.get(timeout=TIMEOUT_S)
        if isinstance(event, StreamFailed):
            raise event.error
        codes.append(torch.from_numpy(event.codes.astype(np.int64)))
        if event.is_last:
            return torch.cat(codes, dim=1)


def _decode_all(decoder: StreamingDecoder, codes: Sequence[Tensor]) -> list[Samples]:
    return [decoder.decode([decoder.new_state()], [one])[0].numpy() for one in codes]
