"""The reference: fish-speech 0.1.0, made importable and filled with our checkpoints.

At import it names packages that the path from text to codes or from codes to samples does not use. Those that are
not installed here get a stand-in; those that are installed are used.
The reference is imported inside the functions (PLC0415), since it is importable only after :func:`make_importable`.

Import it as ``tests.reference``: the test folders are packages, so that ``tests`` itself is not on ``sys.path``,
where ``tests/triton`` would pass for the package ``triton`` that torch looks for.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from s1_tts.codec.codec_config import CODEC_WEIGHTS_FILE, CodecConfig
from s1_tts.codec.weights import read_codec_weights

UNUSED_PACKAGES = (
    "argbind",
    "audiotools",
    "hydra",
    "librosa",
    "lightning",
    "loralib",
    "natsort",
    "omegaconf",
    "pyrootutils",
    "soundfile",
    "torchaudio",
    "transformers",
)


class StandIn(types.ModuleType):
    """A module in which every name is an empty class."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = type(name, (), {})
        setattr(self, name, value)
        return value


class BaseModel(nn.Module):
    """What ``audiotools.ml.BaseModel`` is on our path: a module that knows its device."""

    INTERN: ClassVar[list[str]] = []
    EXTERN: ClassVar[list[str]] = []

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for the packages it is given and everything under them."""

    def __init__(self, packages: set[str]) -> None:
        self.packages = packages

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in self.packages:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        if module.__name__ == "audiotools.ml":
            module.BaseModel = BaseModel


def make_importable() -> None:
    """Register stand-ins for what is not installed; a second call does nothing."""
    if any(isinstance(finder, StandInFinder) for finder in sys.meta_path):
        return
    missing = {name for name in UNUSED_PACKAGES if importlib.util.find_spec(name) is None}
    sys.meta_path.append(StandInFinder(missing))
    importlib.import_module("audiotools.ml")
    # dac/__init__ and its subpackages pull in training code: give their folders without running them
    root = Path(next(iter(importlib.util.find_spec("dac").submodule_search_locations)))
    for name, folder in (("dac", root), ("dac.nn", root / "nn"), ("dac.model", root / "model")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def build_codec(config: CodecConfig) -> nn.Module:
    """The reference codec, eval mode, with its own random weights.

    Use ``encode(audio [B, 1, samples]) -> (codes [B, C, T], lengths)`` and
    ``decode(codes [B, C, T], lengths [B]) -> (samples [B, 1, N], lengths)``.
    """
    make_importable()
    from fish_speech.models.dac.modded_dac import DAC, ModelArgs, WindowLimitedTransformer  # noqa: PLC0415
    from fish_speech.models.dac.rvq import DownsampleResidualVectorQuantize  # noqa: PLC0415

    def transformer() -> nn.Module:
        size = config.quantizer_transformer
        args = ModelArgs(
            block_size=size.block_size,
            n_layer=size.num_layers,
            n_head=size.num_heads,
            dim=size.dim,
            intermediate_size=size.intermediate_size,
            head_dim=size.head_dim,
            rope_base=size.rope_base,
            norm_eps=size.norm_eps,
        )
        return WindowLimitedTransformer(args, input_dim=config.latent_dim, window_size=size.window, causal=True)

    quantizer = DownsampleResidualVectorQuantize(
        input_dim=config.latent_dim,
        n_codebooks=config.num_residual_codebooks,
        codebook_size=config.residual_codebook_size,
        codebook_dim=config.codebook_dim,
        downsample_factor=tuple(config.downsample_factors),
        pre_module=transformer(),
        post_module=transformer(),
        semantic_codebook_size=config.semantic_codebook_size,
    )
    codec = DAC(
        encoder_dim=config.encoder_dim,
        encoder_rates=list(config.encoder_rates),
        decoder_dim=config.decoder_dim,
        decoder_rates=list(config.decoder_rates),
        quantizer=quantizer,
        encoder_transformer_layers=list(config.encoder_transformer_layers),
        decoder_transformer_layers=[0] * len(config.decoder_rates),
        transformer_general_config=partial(
            ModelArgs,
            block_size=config.encoder_block_size,
            head_dim=config.head_dim,
            rope_base=config.rope_base,
            norm_eps=config.norm_eps,
        ),
    )
    return codec.eval()


def reference_codec(folder: Path) -> nn.Module:
    """The reference codec with the weights of ``folder/codec.pth``."""
    codec = build_codec(CodecConfig.load(folder))
    codec.load_state_dict(read_codec_weights(folder / CODEC_WEIGHTS_FILE), strict=True, assign=True)
    return codec.eval()


def reference_llama(folder: Path) -> nn.Module:
    """The reference language model with the weights of ``folder``, float32, eval mode.

    ``fish_speech.models.text2semantic.inference.generate`` wants ``model.setup_caches(...)`` first, as its own
    ``init_model`` and ``generate_long`` do it.
    """
    make_importable()
    from fish_speech.models.text2semantic.llama import DualARTransformer  # noqa: PLC0415

    model = DualARTransformer.from_pretrained(str(folder), load_weights=True)
    return model.float().eval()
