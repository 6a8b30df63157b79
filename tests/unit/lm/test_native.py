"""The compiled layers give what torch's give, row by row, and a machine that cannot compile them goes without."""

import copy
import hashlib
import itertools
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from s1_protocol.errors import SettingsError
from s1_training.lm_stage import start_weights
from s1_tts.device import cpu_flags
from s1_tts.lm.config import BlockSizes
from s1_tts.lm.kv_cache import KvPool, Span, SpanAttention
from s1_tts.lm.layers import BlockStack, RMSNorm, rotary_table
from s1_tts.lm.loading import load_language_model
from s1_tts.lm.native.installation import PROGRAM
from s1_tts.lm.native.native_layers import (
    BYTE_LAYOUTS,
    Layout,
    NativeLinear,
    NativeNorm,
    NativeStack,
    Packer,
    to_bytes,
)
from s1_tts.lm.packing import PackedLinear
from s1_tts.native import compiler
from s1_tts.native.compiler import load_library

CPU = torch.device("cpu")
NUM_SLOTS, NUM_POSITIONS = 5, 64
ROTATIONS = {width: rotary_table(NUM_POSITIONS, width, 10000) for width in (8, 16, 24, 64, 128)}


@pytest.fixture(scope="module", autouse=True)
def library():
    found = load_library(PROGRAM)
    if found is None:
        pytest.skip("needs a C++ compiler")
    return found


def packers(library, dtype: torch.dtype, *, as_bytes: bool = False) -> list[Packer]:
    """One for each layout that this CPU has for the dtype."""
    made = []
    for layout in Packer(library, dtype, as_bytes=as_bytes).layouts:
        made.append(Packer(library, dtype, as_bytes=as_bytes))
        made[-1].layout = layout
    return made


def all_packers(library) -> list[tuple[torch.dtype, Packer]]:
    """One for each layout of each kind of weights, with the dtype of keys and values."""
    kinds = itertools.product((torch.float32, torch.bfloat16), (False, True))
    return [(dtype, each) for dtype, as_bytes in kinds for each in packers(library, dtype, as_bytes=as_bytes)]


def rounded_to_bytes(module: nn.Module) -> nn.Module:
    """The same with float32 weights that are what bytes and scales hold."""
    for each in module.modules():
        if isinstance(each, nn.Linear):
            numbers, scales = to_bytes(each.weight)
            each.weight.copy_(numbers.float() * scales[:, None])
    return module


@st.composite
def block_sizes(draw: st.DrawFn) -> BlockSizes:
    key_heads, each = draw(st.sampled_from([(1, 1), (2, 2), (2, 3), (4, 1)]))
    return BlockSizes(
        n_layer=2,
        dim=draw(st.sampled_from([8, 40, 64, 96])),
        n_head=key_heads * each,
        n_kv_head=key_heads,
        head_dim=draw(st.sampled_from(sorted(ROTATIONS))),
        intermediate_size=draw(st.sampled_from([24, 64, 100])),
        norm_eps=1e-6,
        has_qkv_bias=draw(st.booleans()),
        has_o_bias=draw(st.booleans()),
        has_qk_norm=draw(st.booleans()),
    )


def random_stack(sizes: BlockSizes, seed: int) -> BlockStack:
    stack = BlockStack(sizes).requires_grad_(False)
    start_weights(stack, seed)
    generator = torch.Generator().manual_seed(seed)
    for name, value in stack.named_parameters():
        if "norm" in name or "bias" in name:
            value.add_(torch.randn(value.shape, generator=generator) * 0.3)
    return stack


def run(stack: nn.Module, sizes: BlockSizes, dtype: torch.dtype, spans: list[Span], seed: int) -> torch.Tensor:
    """Hidden states ``[B, S, dim]`` of new positions over slots full of noise."""
    generator = torch.Generator().manual_seed(seed)
    pool = KvPool(sizes, NUM_SLOTS, NUM_POSITIONS, dtype, CPU)
    for kept in (pool.keys, pool.values):
        kept.copy_(torch.randn(kept.shape, generator=generator))
    noise = torch.randn(NUM_SLOTS, NUM_POSITIONS, sizes.dim, generator=generator).to(dtype)
    attend = SpanAttention(pool, spans)
    x = torch.stack([noise[span.slot, span.start : span.end] for span in spans])
    with torch.inference_mode():
        return stack(x, ROTATIONS[sizes.head_dim][attend.positions], attend).float()


SPANS = st.sampled_from(
    [
        [Span(0, 0, 1)],
        [Span(3, 40, 41), Span(1, 0, 1), Span(2, 63, 64)],
        [Span(2, 0, 37)],
        [Span(4, 59, 64), Span(0, 59, 64)],
    ]
)


@settings(max_examples=40, deadline=None)
@given(sizes=block_sizes(), spans=SPANS, seed=st.integers(0, 1000))
def test_blocks_equal_torchs(library, sizes: BlockSizes, spans: list[Span], seed: int) -> None:
    expected = run(random_stack(sizes, seed), sizes, torch.float32, spans, seed)
    native = NativeStack(random_stack(sizes, seed), sizes, Packer(library, torch.float32))
    torch.testing.assert_close(run(native, sizes, torch.float32, spans, seed), expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(sizes=block_sizes(), spans=SPANS, seed=st.integers(0, 1000))
def test_blocks_in_bfloat16_are_near_to_float32(library, sizes: BlockSizes, spans: list[Span], seed: int) -> None:
    """Torch's own are up to 2 % away in the root mean square, of values with 8 bits that are rounded a dozen times."""
    exact = run(random_stack(sizes, seed).to(torch.bfloat16).float(), sizes, torch.float32, spans, seed)
    for packer in packers(library, torch.bfloat16):
        native = NativeStack(random_stack(sizes, seed).to(torch.bfloat16), sizes, packer)
        error = run(native, sizes, torch.bfloat16, spans, seed) - exact
        assert error.square().mean().sqrt() <= 0.03 * exact.square().mean().sqrt(), packer.layout


@settings(max_examples=20, deadline=None)
@given(sizes=block_sizes(), spans=SPANS, seed=st.integers(0, 1000))
def test_blocks_over_bytes_equal_torchs_over_the_same_weights(
    library, sizes: BlockSizes, spans: list[Span], seed: int
) -> None:
    expected = run(rounded_to_bytes(random_stack(sizes, seed)), sizes, torch.float32, spans, seed)
    for packer in packers(library, torch.float32, as_bytes=True):
        native = NativeStack(random_stack(sizes, seed), sizes, packer)
        error = run(native, sizes, torch.float32, spans, seed) - expected
        assert error.abs().max() <= 2e-3 * expected.abs().max(), packer.layout


def test_weights_are_rounded_to_half_a_step() -> None:
    weight = torch.randn(7, 40, generator=torch.Generator().manual_seed(0))
    weight[3] = 0
    numbers, scales = to_bytes(weight)
    assert numbers.dtype is torch.int8
    assert numbers.abs().amax(dim=1).tolist() == [127, 127, 127, 0, 127, 127, 127]
    assert ((numbers.float() * scales[:, None] - weight).abs() <= scales[:, None] * 0.501).all()


def test_every_way_to_multiply_bytes_as_whole_numbers_gives_the_same_bits(library) -> None:
    sizes = BlockSizes(2, 96, 4, 2, 24, 100, 1e-6, has_qkv_bias=True, has_o_bias=True, has_qk_norm=True)
    whole = [each for each in packers(library, torch.float32, as_bytes=True) if each.layout is not Layout.BYTE_PANELS]
    for spans in ([Span(0, 3, 4)], [Span(2, 0, 37)]):
        found = [
            run(NativeStack(random_stack(sizes, 1), sizes, packer), sizes, torch.float32, spans, 1) for packer in whole
        ]
        assert all(torch.equal(each, found[0]) for each in found)


def test_a_row_has_the_same_bits_in_every_company(library) -> None:
    sizes = BlockSizes(2, 96, 4, 2, 24, 100, 1e-6, has_qkv_bias=True, has_o_bias=True, has_qk_norm=True)
    spans = [Span(slot, 10 * slot + 3, 10 * slot + 4) for slot in range(NUM_SLOTS)]
    for dtype, packer in all_packers(library):
        native = NativeStack(random_stack(sizes, 1).to(dtype), sizes, packer)
        together = run(native, sizes, dtype, spans, 1)
        for count in range(1, NUM_SLOTS):
            for rows in itertools.combinations(range(NUM_SLOTS), count):
                fewer = run(native, sizes, dtype, [spans[row] for row in rows], 1)
                assert torch.equal(fewer, together[list(rows)]), (dtype, packer.layout)


def test_a_row_that_is_not_finite_harms_no_other(library) -> None:
    sizes = BlockSizes(1, 64, 2, 1, 16, 64, 1e-6, has_qkv_bias=False, has_o_bias=False, has_qk_norm=True)
    for dtype, packer in all_packers(library):
        native = NativeStack(random_stack(sizes, 1).to(dtype), sizes, packer)
        x = torch.ones(2, 1, 64, dtype=dtype)
        x[1, 0, 5] = torch.nan
        attend = SpanAttention(KvPool(sizes, 2, 8, dtype, CPU), [Span(0, 0, 1), Span(1, 0, 1)])
        with torch.inference_mode():
            y = native(x, ROTATIONS[16][attend.positions], attend)
        assert y[0].isfinite().all()
        assert y[1].isnan().all()


@pytest.mark.parametrize("num_rows", [1, 3, 8, 17, 50])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 32), (40, 33), (100, 7)])
def test_a_linear_layer_equals_torchs(library, num_rows: int, inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(inputs, outputs).requires_grad_(False)
    x = torch.randn(num_rows, inputs)
    torch.testing.assert_close(NativeLinear(linear, Packer(library, torch.float32))(x), linear(x))
    rounded = nn.Linear(inputs, outputs).requires_grad_(False).to(torch.bfloat16)
    for packer in packers(library, torch.bfloat16):
        expected = torch.nn.functional.linear(
            x.to(torch.bfloat16).float(), rounded.weight.float(), rounded.bias.float()
        )
        torch.testing.assert_close(NativeLinear(rounded, packer)(x), expected, rtol=2e-2, atol=2e-2)
    for packer in packers(library, torch.float32, as_bytes=True):
        layer = NativeLinear(linear, packer)
        torch.testing.assert_close(layer(x), rounded_to_bytes(linear)(x), rtol=1e-3, atol=1e-3)


def test_a_norm_equals_torchs(library) -> None:
    torch.manual_seed(0)
    norm = RMSNorm(40, 1e-6).requires_grad_(False)
    norm.weight.normal_()
    x = torch.randn(3, 40)
    torch.testing.assert_close(NativeNorm(norm, Packer(library, torch.float32))(x), norm(x))


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_gives_the_same_bits(library, threads: int, dtype: torch.dtype, as_bytes: bool) -> None:
    sizes = BlockSizes(2, 96, 6, 2, 16, 100, 1e-6, has_qkv_bias=False, has_o_bias=False, has_qk_norm=True)
    native = NativeStack(random_stack(sizes, 1).to(dtype), sizes, Packer(library, dtype, as_bytes=as_bytes))
    spans = [Span(1, 4, 9), Span(3, 30, 35)]
    before = torch.get_num_threads()
    expected = run(native, sizes, dtype, spans, 1)
    torch.set_num_threads(threads)
    try:
        assert torch.equal(run(native, sizes, dtype, spans, 1), expected)
    finally:
        torch.set_num_threads(before)


# --- other CPUs ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cpu", "needs", "layouts"),
    [
        ("haswell", "avx2", {Layout.FLOAT_PANELS, Layout.BFLOAT_PANELS, Layout.BYTE_PANELS}),
        ("alderlake", "avx_vnni", {Layout.FLOAT_PANELS, Layout.BFLOAT_PANELS, Layout.BYTE_PANELS, Layout.BYTE_QUADS}),
    ],
)
def test_cpus_without_wide_vectors_compute_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: str, needs: str, layouts: set[Layout]
) -> None:
    """What is compiled for a smaller CPU runs on this one."""
    if needs not in cpu_flags():
        pytest.skip(f"needs a CPU with {needs}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "FLAGS", tuple(flag.replace("native", cpu) for flag in compiler.FLAGS))
    library = load_library(PROGRAM)
    assert library is not None
    made = all_packers(library)
    assert {packer.layout for _, packer in made} == layouts
    torch.manual_seed(0)
    linear = nn.Linear(100, 40).requires_grad_(False)
    exact, rounded = linear(x := torch.randn(5, 100)), rounded_to_bytes(copy.deepcopy(linear))(x)
    for dtype, packer in made:
        expected = rounded if packer.layout in BYTE_LAYOUTS else exact
        near = 2e-2 if dtype is torch.bfloat16 else 1e-3
        layer = NativeLinear(copy.deepcopy(linear).to(dtype), packer)
        torch.testing.assert_close(layer(x), expected, rtol=near, atol=near)


# --- compilation ---


@pytest.mark.slow
def test_the_library_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "FLAGS", tuple("-O0" if flag == "-O3" else flag for flag in compiler.FLAGS))
    assert load_library(PROGRAM) is not None
    made, digest = sorted((tmp_path / "s1-tts").iterdir(), key=lambda path: path.suffix == ".sha256")
    before = made.stat().st_mtime_ns
    assert load_library(PROGRAM) is not None
    assert made.stat().st_mtime_ns == before
    whole = made.read_bytes()
    made.unlink()  # the library in memory keeps its file
    made.write_bytes(whole[: len(whole) // 2])
    assert load_library(PROGRAM) is not None
    assert digest.read_text() == hashlib.sha256(made.read_bytes()).hexdigest()
    assert made.stat().st_size == len(whole)


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s1-tts").touch()  # a file where the folder should be
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_library(PROGRAM) is not None


@pytest.mark.parametrize("compiler", ["/nowhere/g++", "false", "sh -c 'echo broken >&2; exit 1'"])
def test_without_a_compiler_the_layers_stay_torchs(
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    compiler: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", compiler)
    with caplog.at_level(logging.WARNING):
        model = load_language_model(tiny_folder, CPU, torch.float32, num_positions=64).model
    assert isinstance(model.layers, BlockStack)
    assert isinstance(model.output, PackedLinear)
    assert "cannot be compiled" in caplog.text
    assert not list((tmp_path / "s1-tts").iterdir())


def test_no_compiler_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with caplog.at_level(logging.WARNING):
        assert load_library(PROGRAM) is None
    assert "install g++" in caplog.text


def test_weights_are_held_once(tiny_folder: Path) -> None:
    model = load_language_model(tiny_folder, CPU, torch.float32, num_positions=64).model
    names = {name for name, _ in model.named_parameters()}
    assert names == {"embeddings.weight", "codebook_embeddings.weight", "fast_embeddings.weight"}
    assert isinstance(model.layers, NativeStack)
    assert np.isfinite(model.output(torch.zeros(1, model.config.dim)).numpy()).all()


def test_without_a_home_one_folder_among_temporary_files_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = compiler._cache_folder()
    assert folder == compiler._cache_folder()
    assert folder is not None
    assert folder.parent == tmp_path
    folder.chmod(0o777)  # another user could put his code there
    assert compiler._cache_folder() is None


def test_without_any_folder_to_write_in_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    assert load_library(PROGRAM) is None


def test_weights_as_bytes_take_half_the_memory(tiny_folder: Path) -> None:
    wide, narrow = (
        load_language_model(tiny_folder, CPU, torch.bfloat16, num_positions=64, as_bytes=as_bytes)
        for as_bytes in (False, True)
    )
    tables = sum(weight.nbytes for weight in narrow.model.parameters())
    assert 0.4 < (narrow.weight_bytes - tables) / (wide.weight_bytes - tables) < 0.7


@pytest.mark.parametrize(("device", "use_native"), [("meta", True), ("cpu", False)])
def test_bytes_where_nothing_multiplies_them_are_refused(tiny_folder: Path, device: str, use_native: bool) -> None:
    with pytest.raises(SettingsError, match=f"S1_WEIGHTS=int8 needs a CPU and S1_NATIVE_LAYERS.* on {device}"):
        load_language_model(tiny_folder, torch.device(device), torch.float32, use_native=use_native, as_bytes=True)


def test_bytes_without_a_compiler_are_refused(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    with pytest.raises(SettingsError, match="needs a C\\+\\+ compiler"):
        load_language_model(tiny_folder, CPU, torch.float32, num_positions=64, as_bytes=True)


def test_threads_that_are_given_do_not_depend_on_torchs_and_change_no_bit(library) -> None:
    sizes = BlockSizes(2, 64, 4, 2, 16, 100, 1e-6, has_qkv_bias=False, has_o_bias=False, has_qk_norm=True)
    stacks = [NativeStack(random_stack(sizes, 1), sizes, Packer(library, torch.float32, threads=n)) for n in (0, 1, 3)]
    spans = [Span(3, 40, 41), Span(1, 0, 1), Span(2, 63, 64)]
    alone, *others = (run(stack, sizes, torch.float32, spans, 2) for stack in stacks)
    assert all(torch.equal(alone, other) for other in others)
