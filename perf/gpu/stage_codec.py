"""Speed of the codec's decoder with torch's operations and with this project's kernels, sound on the host."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from perf.gpu.stage import Stage
from perf.gpu.timing import first_ms, guarded, tell, timed_ms
from s1_protocol.sound import FRAME_SAMPLES, SAMPLE_RATE_HZ
from s1_training.development.codec import dev_codec_config
from s1_tts.codec.pcm import to_pcm16
from s1_tts.codec.piece_graphs import GRAPH_FRAMES, MOST_TRYING_S
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.weights import Weights, published_shapes

MAX_ROWS = 32
CHUNKS = ((1, 4), (8, 4), (8, 20), (32, 4), (32, 20), (32, 64))
ODD_FRAMES = (3, 5, 7, 19)


@dataclass(frozen=True)
class Way:
    """A way to decode.

    Args:
        name: Its name.
        frames: Frames of its graphs.
        trying_s: How long cuDNN tries its ways.
        has_kernels: Whether this project's kernels are used.
    """

    name: str
    frames: tuple[int, ...]
    trying_s: float
    has_kernels: bool = True


FEW = (1, 4, 20)
WAYS = (
    Way("kernels_untried", FEW, 0.0),
    Way("torch_untried", FEW, 0.0, has_kernels=False),
    Way("server", GRAPH_FRAMES, MOST_TRYING_S),
)
"""The quickest captured first; the last is what a server does. A rehearsal has torch's layers alone."""


def run(stage: Stage) -> None:
    """Time each way, and compare their sound."""
    config = dev_codec_config(stage.size)
    generator = torch.Generator(stage.device).manual_seed(0)
    tensors = {
        key: torch.rand(shape, device=stage.device, generator=generator).mul_(0.02).add_(0.001)
        for key, shape in published_shapes(config)
    }
    sounds = {}
    for way in WAYS if stage.is_cuda else WAYS[1:2]:
        with guarded(way.name):
            decoder = StreamingDecoder(Weights(tensors, stage.device, stage.dtype), config)
            if way.has_kernels:
                decoder.use_kernels()
            capture = partial(decoder.use_graphs, MAX_ROWS, 2 * MAX_ROWS, way.frames, way.trying_s)
            tell(**{f"{way.name}_capture_s": first_ms(stage.device, capture) / 1e3})
            sounds[way.name] = _sound(decoder)
            _time(stage, way, decoder)
            del decoder, capture
    for name, sound in list(sounds.items())[1:]:
        first = next(iter(sounds.values()))
        tell(**{f"{name}_off": float((sound - first).norm() / first.norm())})
    if stage.is_cuda:
        tell(reserved_gb=torch.cuda.memory_reserved(stage.device) / 1e9)


def _sound(decoder: StreamingDecoder) -> torch.Tensor:
    codes = torch.randint(0, 1024, (10, 27), generator=torch.Generator().manual_seed(1))
    return decoder.decode([decoder.new_state()], [codes])[0].float().cpu()


def _time(stage: Stage, way: Way, decoder: StreamingDecoder) -> None:
    name = way.name
    repeats = 10 if stage.is_cuda else 1
    for streams, frames in CHUNKS if stage.is_cuda else CHUNKS[:1]:
        decode = partial(decoder.decode, [decoder.new_state() for _ in range(streams)], _codes(streams, frames))
        ms = timed_ms(stage.device, decode, repeats)
        whole_ms = timed_ms(stage.device, partial(_pcm, decode), repeats)
        audio_s = streams * frames * FRAME_SAMPLES / SAMPLE_RATE_HZ
        figures = {"ms": ms, "with_pcm_ms": whole_ms, "audio_s_per_s": round(audio_s / whole_ms * 1e3)}
        tell(**{f"{name}_{streams}x{frames}": figures})
        del decode
    if way.frames == FEW and stage.is_cuda:
        return
    states = [decoder.new_state() for _ in range(3)]
    odd = ODD_FRAMES if stage.is_cuda else ODD_FRAMES[:1]
    first = [first_ms(stage.device, partial(decoder.decode, states, _codes(3, frames))) for frames in odd]
    tell(**{f"{name}_first_time_of_odd_chunks_ms": first})


def _codes(streams: int, frames: int) -> list[torch.Tensor]:
    return [torch.randint(0, 1024, (10, frames))] * streams


def _pcm(decode: Callable[[], list[torch.Tensor]]) -> None:
    to_pcm16(torch.cat(decode()))
