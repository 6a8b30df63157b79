"""What the kernels take, compiled for GPUs that are not here: registers, shared memory, spills.

The record is ``perf/results/kernels.json``; a test compares it with what the kernels are now.
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import torch
import triton
from tests.unit.fake_cuda.watch import CUDA, fake_cuda, set_guard, watching

import s1_tts.codec.fused
import s1_tts.lm.fused
from perf.gpu.compiled import (
    CAPABILITIES,
    different,
    piece_launches,
    prefill_launches,
    step_launches,
    usage_of,
)
from s1_tts.codec.codec_config import CodecConfig
from s1_tts.codec.piece_graphs import FixedPieces, Shape
from s1_tts.codec.streaming import StreamingDecoder
from s1_tts.codec.weights import Weights, published_shapes

RECORD = Path(__file__).parent.parent / "results" / "kernels.json"
SLOTS = 64
PIECE = (32, 20)
SHORT_PIECE = (1, 1)
"""Has another tile of attention."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--out", type=Path, default=RECORD, metavar="FILE", help="the record (%(default)s)")
    parser.add_argument("--only", type=int, nargs="*", default=CAPABILITIES, choices=CAPABILITIES, metavar="SM")


def run(arguments: argparse.Namespace) -> None:
    """Compile every kernel for every GPU, and write the record."""
    steps, prefill, piece = step_launches(SLOTS), prefill_launches(256), piece_launches(*PIECE)
    short = piece_launches(*SHORT_PIECE)
    record = {
        "triton": triton.__version__,
        "sources": digest(),
        "launches_of_a_step": len(steps),
        "launches_of_a_prefill": len(prefill),
        "launches_of_a_codec_piece": launches_of_a_piece(*PIECE),
        "own_launches_of_a_codec_piece": len(piece),
        "kernels": {
            launch.name: {f"sm_{capability}": vars(usage_of(launch, capability)) for capability in arguments.only}
            for launch in different([*steps, *prefill, *piece, *short])
        },
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(arguments.out)


def launches_of_a_piece(num_rows: int, num_frames: int) -> int:
    """Kernels of a piece of the codec, PyTorch's too, counted on tensors that say they are on a GPU."""
    with tempfile.TemporaryDirectory(prefix="s1-guard-") as folder:
        set_guard(Path(folder))
    with fake_cuda():
        config = CodecConfig()
        tensors = {key: torch.empty(shape) for key, shape in published_shapes(config)}
        decoder = StreamingDecoder(Weights(tensors, CUDA, torch.bfloat16), config)
        decoder.use_kernels()
        pieces = FixedPieces(decoder, num_rows, num_rows)
        with watching() as seen:
            pieces._piece(Shape(num_rows, num_frames))
    return seen.num_kernels


def digest() -> str:
    """Digest of the kernels and their tiles: who changes them makes the record anew."""
    lm, codec = Path(s1_tts.lm.fused.__file__).parent, Path(s1_tts.codec.fused.__file__).parent
    found = hashlib.sha256()
    kernels = [file for folder in (lm, codec) for file in sorted((folder / "kernels").glob("*.py"))]
    for file in [*kernels, lm / "tiles.py", codec / "convs.py", codec / "blocks.py"]:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]
