from pathlib import Path

import pytest
import torch

from s1_protocol.errors import InvalidArgumentError
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.transformer import Rotary
from s1_tts.codec.weights import published_shapes
from tests.reference import build_codec, reference_codec
from tests.unit.codec.conftest import CPU, random_codes

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


@pytest.mark.parametrize(("folder", "num_frames"), [("tiny_folder", 300), ("mid_folder", 40), ("tiny_folder", 1)])
def test_samples_equal_the_reference(folder: str, num_frames: int, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(folder)
    decoder = StreamingDecoder.load(path, CPU, torch.float32)
    codes = random_codes(decoder.config, num_frames)
    with torch.inference_mode():
        expected = reference_codec(path).decode(codes[None].clone(), torch.tensor([num_frames]))[0][0, 0]
    actual = decoder.decode([decoder.new_state()], [codes])[0]
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= 1e-5
    assert expected.std() > 0.05


@pytest.mark.parametrize("folder", ["tiny_folder", "mid_folder"])
@pytest.mark.parametrize("num_samples", [1, 2047, 2048, 44_100, 5 * 44_100 + 77])
def test_codes_equal_the_reference(folder: str, num_samples: int, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(folder)
    samples = torch.randn(num_samples, generator=torch.Generator().manual_seed(3)) * 0.2
    with torch.inference_mode():
        expected = reference_codec(path).encode(samples[None, None])[0][0]
    assert torch.equal(CodecEncoder.load(path, CPU, torch.float32).encode(samples), expected)


def test_residual_codes_past_their_codebook_count_as_its_last(tiny_folder: Path, decoder: StreamingDecoder) -> None:
    codes = random_codes(decoder.config, 5)
    codes[3, 2] = 4000
    with torch.inference_mode():
        expected = reference_codec(tiny_folder).decode(codes[None].clone(), torch.tensor([5]))[0][0, 0]
    assert (decoder.decode([decoder.new_state()], [codes])[0] - expected).abs().max() <= 1e-5


def test_development_codec_has_the_published_format(tiny_folder: Path, decoder: StreamingDecoder) -> None:
    published = build_codec(decoder.config).state_dict()
    written = torch.load(tiny_folder / "codec.pth")
    assert list(written) == list(published)
    for key, tensor in published.items():
        assert (written[key].shape, written[key].dtype) == (tensor.shape, tensor.dtype), key
        if key.endswith(("freqs_cis", "causal_mask")):
            assert torch.equal(written[key], tensor), key
    assert dict(published_shapes(decoder.config)) == {key: tuple(tensor.shape) for key, tensor in published.items()}


@pytest.mark.slow
def test_published_layout_at_full_size_is_the_references() -> None:
    with torch.device("meta"):
        published = build_codec(CodecConfig()).state_dict()
    assert dict(published_shapes(CodecConfig())) == {key: tuple(tensor.shape) for key, tensor in published.items()}


def test_rotary_angles_equal_the_table_wherever_a_chunk_begins(decoder: StreamingDecoder, tiny_folder: Path) -> None:
    table = torch.load(tiny_folder / "codec.pth")["quantizer.post_module.freqs_cis"]
    rotary = Rotary(decoder.config.quantizer_transformer)
    for first, length in ((0, 512), (1, 3), (77, 19), (509, 3)):
        angles = rotary.angles(torch.arange(first, first + length)[None])
        assert torch.equal(angles[0, :, 0], table[first : first + length])


def test_bfloat16_stays_near_float32(mid_folder: Path) -> None:
    exact = StreamingDecoder.load(mid_folder, CPU, torch.float32)
    rounded = StreamingDecoder.load(mid_folder, CPU, torch.bfloat16)
    codes = random_codes(exact.config, 8)
    expected = exact.decode([exact.new_state()], [codes])[0]
    actual = rounded.decode([rounded.new_state()], [codes])[0]
    assert actual.dtype == torch.float32
    assert (actual - expected).pow(2).mean().sqrt() < 0.1 * expected.std()
    assert rounded.state_bytes * 2 == exact.state_bytes


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_samples_of_a_cpu_in_any_chunking(mid_folder: Path) -> None:
    cpu = StreamingDecoder.load(mid_folder, CPU, torch.float32)
    gpu = StreamingDecoder.load(mid_folder, torch.device("cuda"), torch.float32)
    codes = random_codes(cpu.config, 60)
    expected = cpu.decode([cpu.new_state()], [codes])[0]
    state = gpu.new_state()
    chunked = torch.cat([gpu.decode([state], [part])[0].cpu() for part in codes.split(7, dim=1)])
    whole = gpu.decode([gpu.new_state()], [codes])[0].cpu()
    assert (chunked - whole).abs().max() <= 1e-5
    assert (whole - expected).abs().max() <= 1e-4


@pytest.mark.parametrize(
    "samples",
    [torch.zeros(0), torch.zeros(2, 100), torch.zeros(100, dtype=torch.int16), torch.tensor([0.0, float("nan")])],
)
def test_encoder_refuses_what_is_no_recording(encoder: CodecEncoder, samples: torch.Tensor) -> None:
    with pytest.raises(InvalidArgumentError, match="reference_audio"):
        encoder.encode(samples)
