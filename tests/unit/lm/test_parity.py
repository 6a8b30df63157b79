"""Greedy codes in float32 equal those of fish-speech 0.1.0 token for token, with the same weights."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from s1_tts.lm.loading import load_language_model
from s1_tts.lm.prompt import Columns, PromptBuilder
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Row
from s1_tts.speech_task import Sampling, VoicePrompt
from tests.reference import reference_llama

NUM_FRAMES = 24
NUM_POSITIONS = 640
TEXTS = {
    "one word": "Hi",
    "short": "Hello there, how are you?",
    "special tokens as text": "Say <|im_end|> and <|semantic:5|>.",
    "other scripts": "Größe 今日は。 مرحبا",
    "long": "The quick brown fox jumps over the lazy dog and then goes home. " * 6,
}

PAIRS = ("tiny", "mid", "tiny with torch's layers")
"""Checkpoints, and what computes them."""

ReferenceDecode = Callable[[Columns], np.ndarray]


def voice_prompts() -> tuple[VoicePrompt, ...]:
    rng = np.random.default_rng(0)
    semantic = rng.integers(0, 4096, (1, 30))
    residual = rng.integers(0, 1024, (9, 30))
    codes = np.concatenate([semantic, residual]).astype(np.int32)
    return (VoicePrompt("what the recording says", codes), VoicePrompt("and a second one", codes[:, ::2]))


@functools.cache
def reference_decoder(folder: Path) -> ReferenceDecode:
    """What decodes with the reference; what it decoded once is kept, as two of ours are held against it."""
    model = reference_llama(folder)
    from fish_speech.models.text2semantic.inference import generate  # noqa: PLC0415  # importable only by now

    # Its attention always runs over the whole context; this much is enough here and far faster.
    model.config.max_seq_len = NUM_POSITIONS
    decoded_before: dict[bytes, np.ndarray] = {}

    def decode(columns: Columns) -> np.ndarray:
        key = columns.tobytes()
        if key not in decoded_before:
            decoded_before[key] = anew(columns)
        return decoded_before[key]

    def anew(columns: Columns) -> np.ndarray:
        sampling: dict[str, Any] = {"temperature": 1e-5, "top_p": 1e-5, "repetition_penalty": 1.0}
        decoded = generate(
            model=model,
            prompt=torch.from_numpy(columns).int(),
            max_new_tokens=NUM_FRAMES + 1,
            audio_masks=None,
            audio_parts=None,
            **sampling,
        )
        # Row 0 holds token ids; the frame after the last one is <|im_end|> or cut off by the limit.
        return decoded[1:, columns.shape[1] : -1].numpy()

    return decode


def our_decode(runner: ModelRunner, columns: Columns) -> np.ndarray:
    runner.open(0, Sampling(temperature=0.0, top_p=1.0, repetition_penalty=1.0))
    runner.prefill(0, columns[:, :-1], start=0)
    runner.start(0, columns[:, -1])
    frames: list[np.ndarray] = []
    while len(frames) < NUM_FRAMES:
        (frame,) = runner.decode([Row(0, columns.shape[1] - 1 + len(frames))])
        if frame.is_end:
            break
        frames.append(frame.codes)
    return np.stack(frames, axis=1)


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> tuple[ReferenceDecode, ModelRunner, PromptBuilder]:
    folder = request.getfixturevalue(f"{request.param.split()[0]}_folder")
    use_native = not request.param.endswith("layers")
    loaded = load_language_model(folder, torch.device("cpu"), torch.float32, NUM_POSITIONS, use_native=use_native)
    builder = PromptBuilder(loaded.tokenizer, loaded.model.config.num_codebooks)
    return reference_decoder(folder), ModelRunner(loaded.model, 2, NUM_POSITIONS), builder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pair", "text", "has_voice"),
    [
        pytest.param(pair, text, has_voice, id=f"{pair}-{name}-{'voice' if has_voice else 'no voice'}")
        for pair in PAIRS
        for name, text in TEXTS.items()
        for has_voice in (False, True)
        if has_voice or pair != "mid"  # the slow one; a prompt without a voice is the shorter one
    ],
    indirect=["pair"],
)
def test_greedy_codes_equal_the_reference(
    pair: tuple[ReferenceDecode, ModelRunner, PromptBuilder], text: str, has_voice: bool
) -> None:
    reference, runner, builder = pair
    columns = builder.first_part(text, voice_prompts() if has_voice else ())
    expected = reference(columns)
    assert expected.shape[1] > 0
    np.testing.assert_array_equal(our_decode(runner, columns), expected)


@pytest.mark.parametrize("has_voice", [False, True], ids=["no voice", "voice"])
def test_prompt_columns_equal_the_reference(tiny_folder: Path, has_voice: bool) -> None:
    model = reference_llama(tiny_folder)
    from fish_speech.content_sequence import ContentSequence, TextPart, VQPart  # noqa: PLC0415

    prompts = voice_prompts() if has_voice else ()
    sequence = ContentSequence(modality="interleave")
    for prompt in prompts:
        parts = [TextPart(text=prompt.transcript), VQPart(codes=torch.from_numpy(prompt.codes))]
        sequence.append(parts, add_end=True, speaker=0)
    sequence.append([TextPart(text=TEXTS["other scripts"])], add_end=False, speaker=0)
    expected, _, _ = sequence.encode_for_inference(model.tokenizer, num_codebooks=10)
    loaded = load_language_model(tiny_folder, torch.device("cpu"), torch.float32)
    columns = PromptBuilder(loaded.tokenizer, 10).first_part(TEXTS["other scripts"], prompts)
    np.testing.assert_array_equal(columns, expected.numpy())


def test_development_checkpoint_has_the_reference_keys(tiny_folder: Path) -> None:
    from s1_tts.lm.loading import read_llama_weights  # noqa: PLC0415

    expected = {name: tensor.shape for name, tensor in reference_llama(tiny_folder).state_dict().items()}
    written = {name: tensor.shape for name, tensor in read_llama_weights(tiny_folder / "model.pth").items()}
    assert written == expected
