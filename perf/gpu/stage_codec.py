"""Speed of the codec's decoder with torch's operations and with this project's kernels, sound on the host."""

from collections.abc import Callable
from functools import partial

import torch

from perf.gpu.stage import Stage
from perf.gpu.timing import first_ms, guarded, tell, timed_ms
from s1_protocol.sound import FRAME_SAMPLES, SAMPLE_RATE_HZ
from s1_training.development.codec import dev_codec_config
from s1_tts.codec.pcm import to_pcm16
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.weights import Weights, published_shapes

MAX_ROWS = 32
CHUNKS = ((1, 4), (8, 4), (8, 20), (32, 4), (32, 20), (32, 64))
ODD_FRAMES = (3, 5, 7, 19)


def run(stage: Stage) -> None:
    """Time both ways, and compare their sound."""
    config = dev_codec_config(stage.size)
    generator = torch.Generator(stage.device).manual_seed(0)
    tensors = {
        key: torch.rand(shape, device=stage.device, generator=generator).mul_(0.02).add_(0.001)
        for key, shape in published_shapes(config)
    }
    dtype = torch.bfloat16 if stage.is_cuda else torch.float32
    sounds = {}
    for name in ("kernels", "torch") if stage.is_cuda else ("torch",):
        with guarded(name):
            decoder = StreamingDecoder(Weights(tensors, stage.device, dtype), config)
            if name == "kernels":
                decoder.use_kernels()
            captured_ms = first_ms(stage.device, partial(decoder.use_graphs, MAX_ROWS, 2 * MAX_ROWS))
            tell(**{f"{name}_capture_s": captured_ms / 1e3})
            sounds[name] = _sound(decoder)
            _time(stage, name, decoder)
    if len(sounds) == 2:
        one, other = sounds.values()
        tell(kernels_off=float((one - other).norm() / other.norm()))
    if stage.is_cuda:
        tell(reserved_gb=torch.cuda.memory_reserved(stage.device) / 1e9)


def _sound(decoder: StreamingDecoder) -> torch.Tensor:
    codes = torch.randint(0, 1024, (10, 27), generator=torch.Generator().manual_seed(1))
    return decoder.decode([decoder.new_state()], [codes])[0].float().cpu()


def _time(stage: Stage, name: str, decoder: StreamingDecoder) -> None:
    repeats = 10 if stage.is_cuda else 1
    for streams, frames in CHUNKS if stage.is_cuda else CHUNKS[:1]:
        decode = partial(decoder.decode, [decoder.new_state() for _ in range(streams)], _codes(streams, frames))
        ms = timed_ms(stage.device, decode, repeats)
        whole_ms = timed_ms(stage.device, partial(_pcm, decode), repeats)
        audio_s = streams * frames * FRAME_SAMPLES / SAMPLE_RATE_HZ
        figures = {"ms": ms, "with_pcm_ms": whole_ms, "audio_s_per_s": round(audio_s / whole_ms * 1e3)}
        tell(**{f"{name}_{streams}x{frames}": figures})
        del decode
    states = [decoder.new_state() for _ in range(3)]
    odd = ODD_FRAMES if stage.is_cuda else ODD_FRAMES[:1]
    first = [first_ms(stage.device, partial(decoder.decode, states, _codes(3, frames))) for frames in odd]
    tell(**{f"{name}_first_time_of_odd_chunks_ms": first})


def _codes(streams: int, frames: int) -> list[torch.Tensor]:
    return [torch.randint(0, 1024, (10, frames))] * streams


def _pcm(decode: Callable[[], list[torch.Tensor]]) -> None:
    to_pcm16(torch.cat(decode()))
