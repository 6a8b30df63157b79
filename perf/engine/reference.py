"""Speed of fish-speech 0.1.0, which says texts one after the other, as its own server does.

    python -m perf reference --checkpoint DIR [--requests 8] [--frames 64]

Its prompt, its generation loop in its server's type, its codec in float32 under autocast to that type, with all cores.
Nothing can be heard of a request before all of it is decoded, and requests wait for each other: its server has one
worker. Its attention looks at the whole context in every step, so the short one of ``--context 1024`` makes it faster.
"""

import argparse
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from perf.load.texts import read_texts, unique_texts
from perf.measurement import add_subject, recorder
from perf.server.processes import peak_mb
from tests.reference import reference_codec, reference_llama

from s1_protocol.request_options import REPETITION_PENALTY, TEMPERATURE, TOP_P
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.device import resolve_device, resolve_dtype

DEFAULT_SAMPLING = {option.field.value: option.default for option in (TEMPERATURE, TOP_P, REPETITION_PENALTY)}
"""The defaults of its server and of ours, under names that are the same in both."""


@dataclass
class ReferenceRun:
    """Requests said one after the other.

    Args:
        context: Positions that its attention looks at.
        audio_s: Length of the sound of each.
        taken_s: Seconds that each took, without waiting for those before it.
    """

    context: int
    audio_s: list[float]
    taken_s: list[float]

    @property
    def audio_s_per_s(self) -> float:
        """Seconds of sound a second, whatever the number of callers."""
        return sum(self.audio_s) / sum(self.taken_s)

    def first_audio_s(self, callers: int) -> list[float]:
        """First audio of each of the requests, sent by so many callers: those before it in the queue come first."""
        ends_s = list(itertools.accumulate(self.taken_s))
        sent_s = [0.0] * callers + ends_s
        return [end_s - sent for end_s, sent in zip(ends_s, sent_s, strict=False)]


@dataclass
class ReferenceFigures:
    """What the reference did.

    Args:
        dtype: Type of its language model.
        frames: Frames asked for in each request.
        short_context: Requests with the short context.
        peak_mb: Most memory of its process.
    """

    dtype: str
    frames: int
    short_context: ReferenceRun
    peak_mb: float


class Reference:
    """Both models of the reference.

    Args:
        folder: Checkpoint.
        device: Where they compute.
        dtype: Type of the language model, and what the codec is cast to.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self.llama: Any = reference_llama(folder).to(device=device, dtype=dtype)
        self._codec: Any = reference_codec(folder).to(device)

    def say(self, text: str, num_frames: int) -> float:
        """Say a text in so many frames at most, and tell the length of the sound in seconds."""
        # importable only since the models were made
        from fish_speech.content_sequence import ContentSequence, TextPart  # noqa: PLC0415
        from fish_speech.models.text2semantic.inference import generate  # noqa: PLC0415

        sequence = ContentSequence(modality="interleave")
        sequence.append([TextPart(text=text)], add_end=False, speaker=0)
        prompt, masks, parts = sequence.encode_for_inference(self.llama.tokenizer, self.llama.config.num_codebooks)
        produced = generate(
            model=self.llama,
            prompt=prompt.to(self._device),
            max_new_tokens=num_frames + 1,  # the last one is thrown away, since it should be the end
            audio_masks=masks,
            audio_parts=parts,
            **DEFAULT_SAMPLING,
        )
        codes = produced[1:, prompt.shape[1] : -1]
        lengths = torch.tensor([codes.shape[1]], device=self._device)
        with torch.inference_mode(), torch.autocast(self._device.type, self._dtype):
            samples = self._codec.decode(codes[None], lengths)[0].squeeze()
        return float(samples.float().cpu().numel() / SAMPLE_RATE_HZ)


def say_all(reference: Reference, texts: list[str], num_frames: int, context: int) -> ReferenceRun:
    """Say texts one after the other, after one frame to warm up."""
    reference.llama.config.max_seq_len = context
    torch.manual_seed(0)
    reference.say(texts[0], 1)
    run = ReferenceRun(context, [], [])
    for text in texts:
        started_s = time.perf_counter()
        run.audio_s.append(reference.say(text, num_frames))
        run.taken_s.append(time.perf_counter() - started_s)
    return run


def measure(arguments: argparse.Namespace) -> ReferenceFigures:
    """Run all measurements."""
    device = resolve_device(arguments.device)
    dtype = resolve_dtype("auto", device)
    texts = [text.text for text in itertools.islice(unique_texts(read_texts(), ("short",)), arguments.requests)]
    reference = Reference(arguments.checkpoint, device, dtype)
    short = say_all(reference, texts, arguments.frames, arguments.context)
    return ReferenceFigures(
        dtype=str(dtype).removeprefix("torch."),
        frames=arguments.frames,
        short_context=short,
        peak_mb=peak_mb(os.getpid()),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--frames", type=int, default=64, help="frames of a request")
    parser.add_argument("--context", type=int, default=1024, help="positions of the short context")


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    recorder("reference", arguments).print_and_record(arguments.checkpoint.name, measure(arguments))
