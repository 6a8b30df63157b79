"""Put the compiled layers into a model."""

from pathlib import Path

import torch
from torch import nn

from s1_tts.lm.model import DualArModel
from s1_tts.lm.native.native_draw import NativeDraw
from s1_tts.lm.native.native_layers import NativeLinear, NativeNorm, NativeStack, Packer
from s1_tts.native.compiler import Program, load_library

PROGRAM = Program("lm", Path(__file__).parent / "transformer.cpp", "the language model", "runs at half of the speed")


def use_native_layers(model: DualArModel, *, as_bytes: bool, threads: int = 0) -> bool:
    """Replace the transformers, norms, heads and the draw of a model on a CPU by compiled ones.

    Args:
        model: Its heads cut; float32 or bfloat16. Weights are laid out anew one by one, and held once.
        as_bytes: Keep weights as whole numbers of 8 bits and a scale for each output.
        threads: That compute; 0: as many as torch has.

    Returns:
        Whether it was done; not without a C++ compiler, and the log says so.
    """
    library = load_library(PROGRAM)
    if library is None:
        return False
    packer = Packer(library, model.dtype, as_bytes=as_bytes, threads=threads)
    config = model.config
    with torch.no_grad():
        for name, sizes in (("layers", config.slow), ("fast_layers", config.fast)):
            setattr(model, name, NativeStack(getattr(model, name), sizes, packer))
        for name in ("norm", "fast_norm"):
            setattr(model, name, NativeNorm(getattr(model, name), packer))
        for name in ("output", "fast_output", "fast_project_in"):
            linear = getattr(model, name)
            if isinstance(linear, nn.Linear):  # a projection between equal widths is the identity
                setattr(model, name, NativeLinear(linear, packer))
    model.sample = NativeDraw(library)
    return True


def native_bytes(model: DualArModel) -> int:
    """Memory of the weights that compiled layers hold; what stayed torch's is not counted."""
    layers = (module for module in model.modules() if isinstance(module, NativeStack | NativeLinear))
    return sum(layer.weight_bytes for layer in layers)
