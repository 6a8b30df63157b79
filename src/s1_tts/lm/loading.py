"""Load the language model of a checkpoint folder, strictly and without reading what is not needed."""

import dataclasses
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from s1_protocol.errors import CheckpointError, SettingsError
from s1_tts.freed_memory import give_back_freed_memory
from s1_tts.kernel_launch import can_launch
from s1_tts.lm.config import LmConfig
from s1_tts.lm.fused.sizes import can_fuse
from s1_tts.lm.model import DualArModel
from s1_tts.lm.native.installation import native_bytes, use_native_layers
from s1_tts.lm.packing import pack_linears
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Runner
from s1_tts.lm.tokenizer import Tokenizer
from s1_tts.state_dict import StateDict, load_strict, read_state_dict, strip_prefix, take_into_memory, unchanged

log = logging.getLogger(__name__)

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.pth"

LARGE_BYTES = 200_000_000
"""Weights from which on a step is worth more threads than its share of the cores: those of a smaller model would wait
for each other longer than they read."""


@dataclass(frozen=True)
class LanguageModel:
    """A loaded model with its tokenizer.

    Args:
        model: On its device, in its dtype, tables made for ``num_positions`` positions and one of scratch.
        tokenizer: Tokenizer of the checkpoint.
        num_positions: Longest sequence it may be run for.
        weight_bytes: Size of its weights in memory.
    """

    model: DualArModel
    tokenizer: Tokenizer
    num_positions: int
    weight_bytes: int


def read_llama_weights(path: Path) -> StateDict:
    """Read ``model.pth`` without a wrapper's prefix and without the audio projector's ``audio_*`` keys.

    Raises:
        CheckpointError: see :func:`read_state_dict`.
    """
    state_dict = strip_prefix(read_state_dict(path), ("model.", "generator."))
    return {key: value for key, value in state_dict.items() if "audio_" not in key}


def load_language_model(
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    num_positions: int = 0,
    *,
    use_native: bool = True,
    as_bytes: bool = False,
    threads: int = 0,
) -> LanguageModel:
    """Load a checkpoint's language model.

    Args:
        folder: Checkpoint in the published format.
        device: Where it runs.
        dtype: ``torch.float32`` or ``torch.bfloat16``.
        num_positions: Longest sequence; 0, or more than the model was made for, means what it was made for.
        use_native: Compile the layers for this CPU, where there is a C++ compiler; without meaning on other devices.
        as_bytes: Keep weights as whole numbers of 8 bits and a scale for each output; only in compiled layers.
        threads: Of compiled layers, where the model is large; 0, or a small one: as many as torch has.

    Raises:
        SettingsError: weights shall be bytes, and the layers cannot be compiled ones.
        CheckpointError: a file is missing or does not fit; the message names the file and the first keys at fault.
    """
    started_s = time.monotonic()
    if as_bytes and not (use_native and device.type == "cpu"):
        raise SettingsError(f"S1_WEIGHTS=int8 needs a CPU and S1_NATIVE_LAYERS; the language model runs on {device}")
    config = LmConfig.read(folder / CONFIG_FILE)
    tokenizer = Tokenizer(folder)
    if tokenizer.vocab_size > config.vocab_size or tokenizer.num_semantic != config.codebook_size:
        raise CheckpointError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} ids and {tokenizer.num_semantic} semantic ones; "
            f"{CONFIG_FILE} allows {config.vocab_size} and {config.codebook_size}"
        )
    with torch.device("meta"):
        model = DualArModel(config)
    with unchanged(folder / WEIGHTS_FILE):
        load_strict(model, read_llama_weights(folder / WEIGHTS_FILE), source=str(folder / WEIGHTS_FILE))
        model.cut_heads(tokenizer.semantic_begin_id, tokenizer.num_semantic, tokenizer.im_end_id)
        model.eval().requires_grad_(False).to(device=device, dtype=dtype)
        take_into_memory(model)
    num_positions = min(num_positions or config.max_seq_len, config.max_seq_len)
    model.make_tables(num_positions + 1)
    weight_bytes = sum(weight.nbytes for weight in model.parameters())
    threads = threads if weight_bytes >= LARGE_BYTES else 0
    is_native = use_native and device.type == "cpu" and use_native_layers(model, as_bytes=as_bytes, threads=threads)
    if as_bytes:
        if not is_native:
            raise SettingsError("S1_WEIGHTS=int8 needs a C++ compiler and a folder that can be written; see the log")
        weight_bytes = sum(weight.nbytes for weight in model.parameters()) + native_bytes(model)
    elif not is_native:
        pack_linears(model)
    give_back_freed_memory()
    log.info(
        "language model of %s: %.0f MB, %s on %s, %s layers, %d threads, loaded in %.1f s",
        folder,
        weight_bytes / 1e6,
        str(dtype).removeprefix("torch.") + (" over int8 weights" if as_bytes else ""),
        device,
        "compiled" if is_native else "torch's",
        (is_native and threads) or torch.get_num_threads(),
        time.monotonic() - started_s,
    )
    log.debug("sizes: %s", dataclasses.asdict(config))
    return LanguageModel(model, tokenizer, num_positions, weight_bytes)


def make_runner(loaded: LanguageModel, num_slots: int, *, use_kernels: bool = True) -> Runner:
    """Choose what runs a model.

    Args:
        loaded: The model.
        num_slots: Sequences at once.
        use_kernels: On CUDA, compute with this project's kernels; else, and for sizes they cannot compute, by torch's.
    """
    model = loaded.model
    if use_kernels and model.device.type == "cuda" and can_fuse(model.config) and can_launch():
        from s1_tts.lm.fused.runner import FusedRunner  # noqa: PLC0415  # Triton comes with torch's CUDA builds alone

        return FusedRunner(model, num_slots, loaded.num_positions)
    return ModelRunner(model, num_slots, loaded.num_positions)
