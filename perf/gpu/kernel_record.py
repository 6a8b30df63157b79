"""What the kernels take, compiled for GPUs that are not here: registers, shared memory, spills.

The record is ``perf/results/kernels.json``; a test compares it with what the kernels are now.
"""

import argparse
import hashlib
import json
from pathlib import Path

import triton

import s1_tts.codec.fused_layers
import s1_tts.lm.fused
from perf.gpu.compiled import (
    CAPABILITIES,
    Launch,
    piece_launches,
    prefill_launches,
    step_launches,
    usage_of,
)

RECORD = Path(__file__).parent.parent / "results" / "kernels.json"
SLOTS = 64
PIECE = (32, 20)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--out", type=Path, default=RECORD, metavar="FILE", help="the record (%(default)s)")
    parser.add_argument("--only", type=int, nargs="*", default=CAPABILITIES, choices=CAPABILITIES, metavar="SM")


def run(arguments: argparse.Namespace) -> None:
    """Compile every kernel for every GPU, and write the record."""
    steps, prefill, piece = step_launches(SLOTS), prefill_launches(256), piece_launches(*PIECE)
    record = {
        "triton": triton.__version__,
        "sources": digest(),
        "launches_of_a_step": len(steps),
        "launches_of_a_prefill": len(prefill),
        "own_launches_of_a_codec_piece": len(piece),
        "kernels": {
            launch.name: {f"sm_{capability}": vars(usage_of(launch, capability)) for capability in arguments.only}
            for launch in different([*steps, *prefill, *piece])
        },
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(arguments.out)


def different(launches: list[Launch]) -> list[Launch]:
    """Launches that are compiled apart, in their order; of those of one name the first."""
    by_name: dict[str, Launch] = {}
    for launch in launches:
        by_name.setdefault(launch.name, launch)
    return list(by_name.values())


def digest() -> str:
    """Digest of the kernels and their tiles: who changes them makes the record anew."""
    lm, codec = Path(s1_tts.lm.fused.__file__).parent, Path(s1_tts.codec.fused_layers.__file__).parent
    found = hashlib.sha256()
    kernels = [file for folder in (lm, codec) for file in sorted((folder / "kernels").glob("*.py"))]
    for file in [*kernels, lm / "tiles.py", codec / "fused_layers.py"]:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]
