"""The forwards of training give what the forwards of serving give: they are the same modules."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as in every code base

from s1_training.codec_modules import code_logits, decode_codes, fresh_codec, is_of_decoder
from s1_training.codes import CodedCorpus
from s1_training.lm_stage import LmStage, start_weights
from s1_training.sequences import Sequences
from s1_training.voice_checkpoint import with_vocabulary, write_tokenizer
from s1_tts.codec.encoder import CodecEncoder
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.weights import Weights
from s1_tts.lm.kv_cache import KvPool, Span, SpanAttention
from s1_tts.lm.model import DualArModel
from tests.unit.training.conftest import TINY

CPU = torch.device("cpu")
NUM_FRAMES = 20


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return {key: value.requires_grad_() for key, value in fresh_codec(TINY.codec, seed=1).items()}


@pytest.fixture(scope="module")
def weights(tensors: dict[str, torch.Tensor]) -> Weights:
    return Weights({key: value.detach() for key, value in tensors.items()}, CPU, torch.float32)


@pytest.fixture(scope="module")
def codes() -> torch.Tensor:
    return torch.randint(64, (2, NUM_FRAMES), generator=torch.Generator().manual_seed(5))


def test_the_decoder_trains_on_what_it_serves(
    tensors: dict[str, torch.Tensor], weights: Weights, codes: torch.Tensor
) -> None:
    decoder = StreamingDecoder(weights, TINY.codec)
    served = decoder.decode([decoder.new_state()], [codes])[0]
    trained = decode_codes(tensors, TINY.codec, codes[None])[0]
    assert served.std() > 1e-3
    torch.testing.assert_close(trained, served, atol=1e-4, rtol=1e-3)


def test_the_encoder_trains_on_what_it_serves(tensors: dict[str, torch.Tensor], weights: Weights) -> None:
    samples = torch.randn(NUM_FRAMES * 2048, generator=torch.Generator().manual_seed(6)) * 0.2
    served = CodecEncoder(weights, TINY.codec).encode(samples).clone()  # out of inference mode
    cosines = code_logits(tensors, TINY.codec, samples[None], served[None])
    likeliest = torch.stack([cosine[0].argmax(-1) for cosine in cosines])
    assert served.unique().numel() > 5
    assert (likeliest == served).float().mean() > 0.9  # near ties may fall the other way


def test_gradients_reach_every_weight_of_their_side_and_no_other(
    tensors: dict[str, torch.Tensor], codes: torch.Tensor
) -> None:
    decoded = decode_codes(tensors, TINY.codec, codes[None])
    reached = torch.autograd.grad(decoded.square().sum(), list(tensors.values()), allow_unused=True)
    for key, gradient in zip(tensors, reached, strict=True):
        assert (gradient is not None) == is_of_decoder(key), key
    cosines = code_logits(tensors, TINY.codec, decoded.detach(), codes[None])
    encoder_side = {key: value for key, value in tensors.items() if not is_of_decoder(key)}
    loss = sum(cosine.square().sum() for cosine in cosines)
    assert isinstance(loss, torch.Tensor)
    for gradient in torch.autograd.grad(loss, list(encoder_side.values())):
        assert gradient.isfinite().all()


def test_the_language_model_trains_on_what_it_serves(tmp_path: Path) -> None:
    """Losses of a chain of two texts, against those of the server's attention, position by position."""
    tokenizer = write_tokenizer(tmp_path, num_semantic=64)
    model = DualArModel(with_vocabulary(TINY.lm, tokenizer))
    start_weights(model, seed=2)
    model.cut_heads(tokenizer.semantic_begin_id, tokenizer.num_semantic, tokenizer.im_end_id)
    model.make_tables(256)
    random = np.random.default_rng(1)
    coded = CodedCorpus(
        ["həlˈoʊ.", "ˈɛks, wʌn.", "tˈuː."], np.array([0, 5, 12, 16]), random.integers(0, 64, (2, 16)).astype(np.int16)
    )
    sequences = Sequences(tokenizer, coded, model.config.num_codebooks, seed=0, noise_share=0)
    stage = LmStage(model, tokenizer, coded, seed=0, use_compile=False)
    losses = stage.losses_of(sequences.batch_of([[[0, 1], [2]], [[1]]]))
    with torch.inference_mode():
        served = [_served_losses(model, _columns(sequences, chain)) for chain in ([0, 1], [2], [1])]
    semantic, residual = (np.concatenate([losses[kind] for losses in served]) for kind in (0, 1))
    assert len(semantic) == (5 + 7 + 4 + 7) + 4  # frames and ends
    assert len(residual) == 5 + 7 + 4 + 7
    assert float(losses["semantic"].detach()) == pytest.approx(np.mean(semantic), abs=0.05)  # trained in bfloat16
    assert float(losses["residual"].detach()) == pytest.approx(np.mean(residual), abs=0.05)


def _columns(sequences: Sequences, chain: list[int]) -> torch.Tensor:
    """Columns of a chain and the end that follows them ``[1 + num_codebooks, S]``."""
    batch = sequences.batch_of([[chain]])
    length = int((batch.chains[0] == 0).sum())
    return torch.cat([batch.read[0, :, :length], batch.wanted[0, :, length - 1 : length]], dim=1)


def _served_losses(model: DualArModel, columns: torch.Tensor) -> tuple[list[float], list[float]]:
    pool = KvPool(model.config.slow, 1, 256, torch.float32, CPU)
    semantic, residual = [], []
    tokens = columns[0] - model.semantic_begin_id
    is_code = (tokens >= 0) & (tokens < model.num_semantic)
    for position in range(columns.shape[1] - 1):
        attend = SpanAttention(pool, [Span(0, position, position + 1)])
        hidden = model.forward_slow(columns[None, :, position : position + 1], torch.tensor([[position]]), attend)[:, 0]
        follows = position + 1
        if not is_code[follows] and not is_code[position]:
            continue
        wanted = tokens[follows] if is_code[follows] else torch.tensor(model.num_semantic)
        semantic.append(float(F.cross_entropy(model.semantic_logits(hidden), wanted[None])))
        if is_code[follows]:
            _, logits = model.start_frame(hidden, columns[1, follows][None])
            residual.append(float(F.cross_entropy(logits, columns[2, follows][None])))
    return semantic, residual
