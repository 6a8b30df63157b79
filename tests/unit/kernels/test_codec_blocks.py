"""The codec's decoder by kernels, on states in slots, changes nothing; nor does a stream's company."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from s1_training.development.codec import dev_codec_config, write_dev_codec
from s1_tts.codec import packed
from s1_tts.codec.causal_layers import CausalTransposedConv, ConvNeXtBlock
from s1_tts.codec.codec_config import TransformerConfig
from s1_tts.codec.fused.blocks import FusedUpsampling, added, added_and_normed, attend, gate, transform
from s1_tts.codec.state import SlotStates, StateLayout
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.transformer import Rotary, Sight, WindowTransformer, rms_norm
from s1_tts.codec.weights import Weights, published_shapes
from tests.unit.codec.conftest import CPU, random_codes

WINDOW = 8
CONFIG = replace(
    dev_codec_config("tiny").quantizer_transformer,
    dim=32,
    num_heads=2,
    head_dim=16,
    intermediate_size=48,
    window=WINDOW,
)
LENGTHS = (3, 1, 20, 7, 4, 2)
"""Of pieces: shorter than the window's past, as long, and longer; together they go around it several times."""


@pytest.fixture(autouse=True)
def plain_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights as on a GPU, where oneDNN does not lay them out."""
    monkeypatch.setattr(packed, "can_pack", lambda _: False)


def make_transformer(config: TransformerConfig = CONFIG) -> tuple[WindowTransformer, int]:
    """A transformer of random weights, and the size of its state, which begins in the midst of a slot."""
    generator = torch.Generator().manual_seed(0)
    dim, inner = config.dim, config.intermediate_size
    shapes = {
        "attention.wqkv.weight": (3 * config.num_heads * config.head_dim, dim),
        "attention.wo.weight": (dim, config.num_heads * config.head_dim),
        "feed_forward.w1.weight": (inner, dim),
        "feed_forward.w3.weight": (inner, dim),
        "feed_forward.w2.weight": (dim, inner),
    }
    vectors = ("attention_norm.weight", "attention_layer_scale.gamma", "ffn_norm.weight", "ffn_layer_scale.gamma")
    tensors = {"norm.weight": torch.rand(dim, generator=generator)}
    for layer in range(config.num_layers):
        for name, shape in shapes.items():
            tensors[f"layers.{layer}.{name}"] = torch.randn(shape, generator=generator) * shape[1] ** -0.5
        for name in vectors:
            tensors[f"layers.{layer}.{name}"] = torch.rand(dim, generator=generator) + 0.5
    layout = StateLayout()
    layout.take(5)
    return WindowTransformer(Weights(tensors, CPU, torch.float32), config, layout), layout.size


def test_a_transformer_by_kernels_equals_torchs_piece_by_piece() -> None:
    transformer, size = make_transformer()
    generator = torch.Generator().manual_seed(1)
    positions = torch.tensor([0, 4090])
    plain, pool, slots = torch.zeros(2, size), torch.zeros(4, size), torch.tensor([3, 1])
    for length in LENGTHS:
        x = torch.randn(2, length, CONFIG.dim, generator=generator)
        sight = transformer.sight(positions, length)
        expected = transformer.apply(x, sight, plain)
        torch.testing.assert_close(
            transform(transformer, x, sight, SlotStates(pool, slots)), expected, rtol=1e-5, atol=1e-5
        )
        positions = positions + length
    assert not pool[[0, 2]].any()


def test_a_row_attends_with_the_same_bits_alone_and_in_company_of_rows_at_other_positions() -> None:
    transformer, size = make_transformer()
    layer = transformer.blocks[0].attention
    generator = torch.Generator().manual_seed(2)
    x, pool = torch.randn(3, 4, CONFIG.dim, generator=generator), torch.randn(5, size, generator=generator)
    positions, alone_in = torch.tensor([100, 2, 0]), pool.clone()
    together = attend(layer, x, transformer.sight(positions, 4), SlotStates(pool, torch.tensor([4, 0, 2])))
    for row, slot in ((0, 4), (1, 0)):
        sight = transformer.sight(positions[row : row + 1], 4)
        alone = attend(layer, x[row : row + 1], sight, SlotStates(alone_in, torch.tensor([slot])))
        assert torch.equal(alone[0], together[row])
        assert torch.equal(alone_in[slot], pool[slot])


def test_angles_turn_as_torchs_do() -> None:
    """A single position attends to itself alone, so what it keeps tells how its key was turned."""
    transformer, size = make_transformer()
    layer = transformer.blocks[0].attention
    x, pool = torch.randn(1, 1, CONFIG.dim, generator=torch.Generator().manual_seed(3)), torch.zeros(1, size)
    sight = Sight(torch.tensor([0]), Rotary(CONFIG).angles(torch.tensor([[77]])))
    attended = attend(layer, x, sight, SlotStates(pool, torch.tensor([0])))
    plain = torch.zeros(1, size)
    layer(x, sight.angles, torch.ones(1, 1, 1, WINDOW, dtype=torch.bool), plain)
    torch.testing.assert_close(layer.keys.of(pool)[0, 0], layer.keys.of(plain)[0, -1], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(attended.view(CONFIG.num_heads, -1), layer.values.of(plain)[0, -1])


@pytest.mark.parametrize("width", [16, 24])
def test_a_sum_and_its_norm_equal_torchs(width: int) -> None:
    generator = torch.Generator().manual_seed(width)
    x, y = torch.randn(2, 2, 3, width, generator=generator)
    scale, norm = torch.rand(2, width, generator=generator)
    out, normed = added_and_normed(x, y, scale, norm, 1e-5)
    torch.testing.assert_close(out, x + y * scale)
    torch.testing.assert_close(normed, rms_norm(x + y * scale, norm, 1e-5))
    assert torch.equal(added(x, y, scale), out)


def test_a_gate_equals_torchs() -> None:
    opening, value = 30 * torch.randn(2, 2, 3, 500, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gate(opening, value), functional.silu(opening) * value)


@pytest.mark.parametrize("length", [1, 3, 9])
def test_an_upsampling_equals_torchs(length: int) -> None:
    channels = 24
    generator = torch.Generator().manual_seed(length)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    tensors = {
        "dwconv.conv.weight": random(channels, 1, 7),
        "dwconv.conv.bias": random(channels),
        "norm.weight": random(channels),
        "norm.bias": random(channels),
        "gamma": random(channels),
        "pwconv1.weight": random(48, channels),
        "pwconv1.bias": random(48),
        "pwconv2.weight": random(channels, 48),
        "pwconv2.bias": random(channels),
    }
    layout = StateLayout()
    upsample = CausalTransposedConv(random(channels, channels, 2), random(channels), layout, stride=2)
    block = ConvNeXtBlock(Weights(tensors, CPU, torch.float32), layout)
    x, pool, slots = random(2, length, channels), random(3, layout.size), torch.tensor([2, 0])
    plain = pool[slots]
    expected = block(upsample(x, plain), plain)
    actual = FusedUpsampling(upsample, block)(x, SlotStates(pool, slots))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(pool[slots], plain)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codec")
    write_dev_codec(folder, "tiny", seed=1)
    return folder


@pytest.mark.slow
def test_streams_sound_the_same(folder: Path) -> None:
    """Rows of different lengths; one begins when the others have begun, and takes the slot of one that has ended."""
    sounds = []
    for with_kernels in (False, True):
        decoder = StreamingDecoder.load(folder, CPU, torch.float32)
        if with_kernels:
            decoder.use_kernels()
            decoder.use_fixed_shapes(2, 3)
        codes = [random_codes(decoder.config, 3, seed=row) for row in range(4)]
        short, *others = [decoder.new_state() for _ in range(3)]
        heard = decoder.decode([short, *others], [codes[0][:, :1], codes[1][:, :2], codes[2][:, :1]])
        del short
        states = [decoder.new_state(), *others]
        heard += decoder.decode(states, [codes[3][:, :1], codes[1][:, 2:], codes[2][:, 1:2]])
        sounds.append(heard)
    for plain, by_kernels in zip(*sounds, strict=True):
        assert (plain - by_kernels).abs().max() <= 1e-5


def test_every_shape_of_the_published_codec_has_kernels() -> None:
    """What the kernels refuse is refused when they are chosen, not when a caller waits."""
    device, config = torch.device("meta"), dev_codec_config("full")
    tensors = {key: torch.empty(shape, device=device) for key, shape in published_shapes(config)}
    StreamingDecoder(Weights(tensors, device, torch.bfloat16), config).use_kernels()
