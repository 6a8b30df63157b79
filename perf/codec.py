"""Speed of the codec's streaming decoder, beside the reference in the same run.

    .venv/bin/python perf/codec.py --checkpoint DIR [--device cpu] [--quick] [--json]

RTF is compute seconds per second of audio of all streams together, the best of several calls: on a shared machine the
best is the nearest to what the code costs. ``fp32_rtf`` and ``reference_fp32_rtf`` decode the same codes of one stream
at once, the others chunk by chunk. ``late_chunk_ratio`` is a chunk at frame 4000 over one at frame 40, called in turn.
On a GPU the bfloat16 decoder has CUDA graphs, as the server's: ``lone_4_frames_ms`` is a first chunk of 4 frames with
nobody beside it. Figures with ``eager`` in their names are without graphs, those with ``compiled`` with graphs and
compiled as ``S1_COMPILE`` has it.
A CPU without bfloat16 products (``bf16_is_native`` false) computes that type by conversion: its figure then tells
nothing about the code.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for tests.reference, which is not installed

from perf.command import print_result
from perf.machine import Machine
from s1_protocol.sound import SAMPLE_RATE_HZ
from s1_tts.codec.config import CodecConfig
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.device import resolve_device, resolve_dtype

EARLY, LATE = 40, 4000
"""Positions of the two chunks compared, in frames."""

CHUNK_FRAMES = 20
FIRST_CHUNK_FRAMES = 4
MANY_STREAMS = 32


@dataclass
class Result:
    """Figures of one run; none: not measured."""

    machine: Machine
    checkpoint: str
    is_quick: bool
    bf16_is_native: bool
    bf16_8_streams_20_frames_rtf: float | None
    bf16_8_streams_5_frames_rtf: float | None
    fp32_rtf: float
    fp32_8_streams_20_frames_rtf: float
    fp32_8_streams_5_frames_rtf: float
    fp32_first_chunk_ms: float
    bf16_first_chunk_ms: float | None
    lone_4_frames_ms: float | None
    eager_lone_4_frames_ms: float | None
    bf16_32_streams_20_frames_audio_s_per_s: float | None
    eager_bf16_32_streams_20_frames_audio_s_per_s: float | None
    capture_s: float | None
    compiled_lone_4_frames_ms: float | None
    compiled_bf16_32_streams_20_frames_audio_s_per_s: float | None
    compiled_capture_s: float | None
    reference_fp32_rtf: float | None
    late_chunk_ratio: float
    state_mb: float
    load_s: float
    multiply_gflop_per_s: float


def random_codes(config: CodecConfig, num_frames: int) -> Tensor:
    """Codes ``[num_codebooks, num_frames]``."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randint(size, (num_frames,), generator=generator) for size in config.codebook_sizes])


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, the device's work included."""
    started_s = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started_s


class Bench:
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
        call = self._chunks(num_streams, num_frames, EARLY)
        call()
        return min(seconds(call, self.decoder.device) for _ in range(self.repeats))

    def rtf(self, num_streams: int, num_frames: int) -> float:
        """Compute seconds per second of audio."""
        return self.chunk_s(num_streams, num_frames) / self.audio_s(num_streams * num_frames)

    def late_ratio(self, num_frames: int) -> float:
        """Time of a late chunk over that of an early one: medians of calls in turn."""
        early, late = (self._chunks(1, num_frames, position) for position in (EARLY, LATE))
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(2 + 3 * self.repeats):
            for call, taken in zip((early, late), times, strict=True):
                taken.append(seconds(call, self.decoder.device))
        return median(times[1][2:]) / median(times[0][2:])

    def audio_s(self, num_frames: int) -> float:
        """Seconds of sound that so many frames are."""
        return num_frames * self.decoder.config.samples_per_frame / SAMPLE_RATE_HZ

    def _chunks(self, num_streams: int, num_frames: int, position: int) -> Callable[[], object]:
        """A call that decodes one chunk of each stream at a position; what the state holds costs the same."""
        states = [self.decoder.new_state() for _ in range(num_streams)]
        codes = [random_codes(self.decoder.config, num_frames)] * num_streams

        def decode() -> None:
            for state in states:
                state.position = position
            self.decoder.decode(states, codes)

        return decode


def reference_rtf(folder: Path, codes: Tensor, repeats: int, device: torch.device) -> float:
    """Compute seconds per second of audio of fish-speech 0.1.0, which decodes a whole stream in float32."""
    from tests.reference import reference_codec  # noqa: PLC0415  # needs the development extra

    codec = reference_codec(folder).to(device)
    num_frames = codes.shape[1]
    lengths = torch.tensor([num_frames], device=device)
    rows = codes[None].to(device)

    def decode() -> None:
        with torch.inference_mode():
            codec.decode(rows, lengths)

    decode()
    best_s = min(seconds(decode, device) for _ in range(repeats))
    return best_s * SAMPLE_RATE_HZ / (num_frames * codec.frame_length)


def multiply_rate(device: torch.device) -> float:
    """Floating-point operations per second of a float32 matrix product of a convolution's size."""
    a, b = torch.randn(2048, 768, device=device), torch.randn(768, 768, device=device)
    return 2 * a.numel() * b.shape[1] / min(seconds(lambda: a @ b, device) for _ in range(20))


def measure(arguments: argparse.Namespace) -> Result:
    """Run all measurements."""
    device = resolve_device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    machine = Machine.describe(device)
    repeats = 1 if arguments.quick else 3
    folder: Path = arguments.checkpoint
    reference = None
    whole = random_codes(CodecConfig.load(folder), CHUNK_FRAMES * (1 if arguments.quick else 3))
    if not arguments.alone:
        reference = reference_rtf(folder, whole, repeats, device)
    started_s = time.perf_counter()
    exact = Bench(StreamingDecoder.load(folder, device, torch.float32), repeats)
    load_s = time.perf_counter() - started_s
    is_native = resolve_dtype("auto", device) is torch.bfloat16
    result = Result(
        machine=machine,
        checkpoint=folder.name,
        is_quick=arguments.quick,
        bf16_is_native=is_native,
        bf16_8_streams_20_frames_rtf=None,
        bf16_8_streams_5_frames_rtf=None,
        fp32_rtf=exact.rtf(1, whole.shape[1]),
        fp32_8_streams_20_frames_rtf=exact.rtf(8, CHUNK_FRAMES),
        fp32_8_streams_5_frames_rtf=exact.rtf(8, 5),
        fp32_first_chunk_ms=exact.chunk_s(1, FIRST_CHUNK_FRAMES) * 1e3,
        bf16_first_chunk_ms=None,
        lone_4_frames_ms=None,
        eager_lone_4_frames_ms=None,
        bf16_32_streams_20_frames_audio_s_per_s=None,
        eager_bf16_32_streams_20_frames_audio_s_per_s=None,
        capture_s=None,
        compiled_lone_4_frames_ms=None,
        compiled_bf16_32_streams_20_frames_audio_s_per_s=None,
        compiled_capture_s=None,
        reference_fp32_rtf=reference,
        late_chunk_ratio=exact.late_ratio(FIRST_CHUNK_FRAMES),
        state_mb=exact.decoder.state_bytes / 1e6,
        load_s=load_s,
        multiply_gflop_per_s=multiply_rate(device) / 1e9,
    )
    if not arguments.no_bf16:
        rounded = Bench(StreamingDecoder.load(folder, device, torch.bfloat16), repeats if is_native else 1)
        if device.type == "cuda":
            result.eager_lone_4_frames_ms = rounded.chunk_s(1, FIRST_CHUNK_FRAMES) * 1e3
            result.eager_bf16_32_streams_20_frames_audio_s_per_s = 1 / rounded.rtf(MANY_STREAMS, CHUNK_FRAMES)
            result.capture_s = seconds(lambda: rounded.decoder.use_graphs(MANY_STREAMS), device)
        result.bf16_8_streams_20_frames_rtf = rounded.rtf(8, CHUNK_FRAMES)
        result.bf16_8_streams_5_frames_rtf = rounded.rtf(8, 5)
        result.bf16_first_chunk_ms = rounded.chunk_s(1, FIRST_CHUNK_FRAMES) * 1e3
        if device.type == "cuda":
            result.lone_4_frames_ms = result.bf16_first_chunk_ms
            result.bf16_32_streams_20_frames_audio_s_per_s = 1 / rounded.rtf(MANY_STREAMS, CHUNK_FRAMES)
            compiled = Bench(StreamingDecoder.load(folder, device, torch.bfloat16), repeats)
            compiled.decoder.compile()
            result.compiled_capture_s = seconds(lambda: compiled.decoder.use_graphs(MANY_STREAMS), device)
            result.compiled_lone_4_frames_ms = compiled.chunk_s(1, FIRST_CHUNK_FRAMES) * 1e3
            result.compiled_bf16_32_streams_20_frames_audio_s_per_s = 1 / compiled.rtf(MANY_STREAMS, CHUNK_FRAMES)
    return result


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch's own choice")
    parser.add_argument("--quick", action="store_true", help="one call each, and a shorter whole")
    parser.add_argument("--alone", action="store_true", help="leave the reference out")
    parser.add_argument("--no-bf16", action="store_true", help="leave bfloat16 out")
    parser.add_argument("--json", action="store_true", help="print one JSON line last")
    arguments = parser.parse_args()
    print_result(measure(arguments), as_json=arguments.json)


if __name__ == "__main__":
    main()
