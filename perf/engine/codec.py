"""Speed of the codec's streaming decoder, beside fish-speech in the same run.

    python -m perf codec --checkpoint DIR [--device cpu]

RTF is compute seconds per second of audio of all streams together, the best of several calls: on a shared machine the
best is nearest to what the code costs. ``fp32_rtf`` and ``reference_fp32_rtf`` decode the same codes of one stream at
once, the others chunk by chunk. ``late_chunk_ratio`` is a chunk at frame 4000 over one at frame 40, called in turns.
On a CUDA device ``cuda`` compares the bfloat16 decoder without CUDA graphs, with them, and with this project's kernels.
A CPU without bfloat16 products (``bf16_is_native`` false) converts each value: its bfloat16 figures say nothing about
the code.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from perf.engine.ready import EARLY, chunks
from perf.measurement import add_subject, best_s, in_turns, recorder, seconds
from torch import Tensor

from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.encoder import PARTS, CodecEncoder
from s1_tts.codec.native.tile_layers import TileKernels
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.device import resolve_device, resolve_dtype

LATE = 4000
"""Position of the chunk that is compared with an early one, in frames."""

CHUNK_FRAMES = 20
WHOLE_FRAMES = 60
FIRST_CHUNK_FRAMES = 4
PIECE_FRAMES = 8
MANY_STREAMS = 32


@dataclass
class CudaFigures:
    """One way to run the bfloat16 decoder on a CUDA device.

    Args:
        lone_4_frames_ms: A first chunk of 4 frames, with no other stream.
        audio_s_per_s: Seconds of sound a second of 32 streams in chunks of 20 frames.
        capture_s: Time to capture the graphs; none without graphs.
    """

    lone_4_frames_ms: float
    audio_s_per_s: float
    capture_s: float | None = None


@dataclass
class CompiledFigures:
    """The compiled layers of a CPU with AMX, each in turns with torch's.

    Args:
        piece_rtf: A piece of 8 frames of one stream, products of bfloat16.
        torch_piece_rtf: The same by torch's layers in bfloat16.
        first_chunk_ms: A first chunk of 4 frames.
        torch_first_chunk_ms: By torch's.
        encode_10_s: Seconds to encode 10 seconds of noise.
        torch_encode_10_s: By torch's layers in float32.
        codes: Codes of that recording.
        other_codes: Of them, those that differ from float32's.
    """

    piece_rtf: float
    torch_piece_rtf: float
    first_chunk_ms: float
    torch_first_chunk_ms: float
    encode_10_s: float
    torch_encode_10_s: float
    codes: int
    other_codes: int


@dataclass
class CodecFigures:
    """Figures of the codec; none: not measured."""

    bf16_is_native: bool
    bf16_8_streams_20_frames_rtf: float | None
    bf16_8_streams_5_frames_rtf: float | None
    bf16_first_chunk_ms: float | None
    fp32_rtf: float
    fp32_8_streams_20_frames_rtf: float
    fp32_8_streams_5_frames_rtf: float
    fp32_first_chunk_ms: float
    reference_fp32_rtf: float | None
    late_chunk_ratio: float
    state_mb: float
    load_s: float
    multiply_gflop_per_s: float
    cuda: dict[str, CudaFigures]
    compiled: CompiledFigures | None = None


class CodecBench:
    """Decodes chunks of streams that are all at the same position.

    Args:
        decoder: The decoder.
        repeats: Calls of which the best counts, after one to warm up.
    """

    def __init__(self, decoder: StreamingDecoder, repeats: int) -> None:
        self.decoder = decoder
        self.repeats = repeats

    def chunk_s(self, num_streams: int, num_frames: int) -> float:
        """Seconds of a batch of chunks."""
        return best_s(chunks(self.decoder, [num_frames] * num_streams), self.repeats)

    def rtf(self, num_streams: int, num_frames: int) -> float:
        """Compute seconds per second of audio."""
        audio_s = num_streams * num_frames * self.decoder.config.samples_per_frame / SAMPLE_RATE_HZ
        return self.chunk_s(num_streams, num_frames) / audio_s

    def late_ratio(self, num_frames: int) -> float:
        """Median time of a late chunk over that of an early one."""
        calls = [chunks(self.decoder, [num_frames], position) for position in (EARLY, LATE)]
        early, late = in_turns(calls, 3 * self.repeats, warm_up=2)
        return median(late) / median(early)

    def cuda(self, capture_s: float | None = None) -> CudaFigures:
        """Figures of the decoder as it is now."""
        first_ms = self.chunk_s(1, FIRST_CHUNK_FRAMES) * 1e3
        return CudaFigures(first_ms, 1 / self.rtf(MANY_STREAMS, CHUNK_FRAMES), capture_s)

    def captured(self) -> CudaFigures:
        """The same after its CUDA graphs were captured."""
        return self.cuda(seconds(lambda: self.decoder.use_graphs(MANY_STREAMS, MANY_STREAMS), self.decoder.device))


def random_codes(config: CodecConfig, num_frames: int) -> Tensor:
    """Codes ``[num_codebooks, num_frames]``."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randint(size, (num_frames,), generator=generator) for size in config.codebook_sizes])


def reference_rtf(folder: Path, codes: Tensor, repeats: int, device: torch.device) -> float:
    """Compute seconds per second of audio of fish-speech 0.1.0, which decodes a whole stream in float32."""
    from tests.reference import reference_codec  # noqa: PLC0415  # needs the development extra

    codec: Any = reference_codec(folder).to(device)
    num_frames = codes.shape[1]
    lengths = torch.tensor([num_frames], device=device)
    rows = codes[None].to(device)
    with torch.inference_mode():
        taken_s = best_s(lambda: codec.decode(rows, lengths), repeats, device=device)
    return taken_s * SAMPLE_RATE_HZ / (num_frames * int(codec.frame_length))


def multiply_rate(device: torch.device) -> float:
    """Floating-point operations per second of a float32 matrix product of a convolution's size."""
    a, b = torch.randn(2048, 768, device=device), torch.randn(768, 768, device=device)
    return 2 * a.numel() * b.shape[1] / best_s(lambda: a @ b, 20, device=device)


def compiled_figures(folder: Path, repeats: int) -> CompiledFigures | None:
    """Compare the compiled layers with torch's; none where this machine has none."""
    cpu, rounding, splitting = torch.device("cpu"), TileKernels.find(parts=1), TileKernels.find(parts=PARTS)
    if rounding is None or splitting is None:
        return None
    decoders = (
        StreamingDecoder.load(folder, cpu, torch.float32, rounding),
        StreamingDecoder.load(folder, cpu, torch.bfloat16),
    )
    piece_s, torch_piece_s, first_s, torch_first_s = (
        min(times)
        for num_frames in (PIECE_FRAMES, FIRST_CHUNK_FRAMES)
        for times in in_turns([chunks(each, [num_frames]) for each in decoders], 3 * repeats, warm_up=2)
    )
    del decoders
    encoders = [CodecEncoder.load(folder, cpu, torch.float32, each) for each in (splitting, None)]
    noise = torch.randn(10 * SAMPLE_RATE_HZ, generator=torch.Generator().manual_seed(0)) * 0.1
    encode_s, torch_encode_s = (
        min(times) for times in in_turns([partial(each.encode, noise) for each in encoders], repeats, warm_up=1)
    )
    codes, exact = (each.encode(noise) for each in encoders)
    frame_s = encoders[0].config.samples_per_frame / SAMPLE_RATE_HZ
    return CompiledFigures(
        piece_rtf=piece_s / PIECE_FRAMES / frame_s,
        torch_piece_rtf=torch_piece_s / PIECE_FRAMES / frame_s,
        first_chunk_ms=first_s * 1e3,
        torch_first_chunk_ms=torch_first_s * 1e3,
        encode_10_s=encode_s,
        torch_encode_10_s=torch_encode_s,
        codes=codes.numel(),
        other_codes=int((codes != exact).sum()),
    )


def measure(arguments: argparse.Namespace) -> CodecFigures:
    """Run all measurements."""
    device = resolve_device(arguments.device)
    folder: Path = arguments.checkpoint
    repeats: int = arguments.repeats
    whole = random_codes(CodecConfig.load(folder), WHOLE_FRAMES)
    reference = None if arguments.alone else reference_rtf(folder, whole, repeats, device)
    loaded: list[StreamingDecoder] = []
    load_s = seconds(lambda: loaded.append(StreamingDecoder.load(folder, device, torch.float32)))
    exact = CodecBench(loaded[0], repeats)
    is_native = resolve_dtype("auto", device) is torch.bfloat16
    figures = CodecFigures(
        bf16_is_native=is_native,
        bf16_8_streams_20_frames_rtf=None,
        bf16_8_streams_5_frames_rtf=None,
        bf16_first_chunk_ms=None,
        fp32_rtf=exact.rtf(1, WHOLE_FRAMES),
        fp32_8_streams_20_frames_rtf=exact.rtf(8, CHUNK_FRAMES),
        fp32_8_streams_5_frames_rtf=exact.rtf(8, 5),
        fp32_first_chunk_ms=exact.chunk_s(1, FIRST_CHUNK_FRAMES) * 1e3,
        reference_fp32_rtf=reference,
        late_chunk_ratio=exact.late_ratio(FIRST_CHUNK_FRAMES),
        state_mb=exact.decoder.state_bytes / 1e6,
        load_s=load_s,
        multiply_gflop_per_s=multiply_rate(device) / 1e9,
        cuda={},
    )
    if not arguments.no_bf16:
        rounded = CodecBench(StreamingDecoder.load(folder, device, torch.bfloat16), repeats if is_native else 1)
        if device.type == "cuda":
            figures.cuda["eager"] = rounded.cuda()
            figures.cuda["graphs"] = rounded.captured()
            with_kernels = CodecBench(StreamingDecoder.load(folder, device, torch.bfloat16), repeats)
            with_kernels.decoder.use_kernels()
            figures.cuda["kernels"] = with_kernels.captured()
        figures.bf16_8_streams_20_frames_rtf = rounded.rtf(8, CHUNK_FRAMES)
        figures.bf16_8_streams_5_frames_rtf = rounded.rtf(8, 5)
        figures.bf16_first_chunk_ms = rounded.chunk_s(1, FIRST_CHUNK_FRAMES) * 1e3
    if device.type == "cpu":
        figures.compiled = compiled_figures(folder, repeats)
    return figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_subject(parser, threads=0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="leave fish-speech out")
    parser.add_argument("--no-bf16", action="store_true", help="leave bfloat16 out")


def run(arguments: argparse.Namespace) -> None:
    """Measure and record."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    made = recorder("codec", arguments)
    made.print_and_record(arguments.checkpoint.name, measure(arguments))
