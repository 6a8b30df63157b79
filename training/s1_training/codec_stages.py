"""The codec's two stages: the decoder learns to sound like the codes, then the encoder learns to find the codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from s1_training.codec_modules import code_logits, decode_codes, is_of_decoder
from s1_training.codes import CodedCorpus
from s1_training.corpus import Corpus
from s1_training.mel import FLOOR, mel_bands
from s1_training.speech import FRAME_SAMPLES
from s1_tts.codec.codec_config import CodecConfig

PIECE_FRAMES: Final = 16
LEAD_FRAMES: Final = 2
"""First frames of a piece that are not judged: there, a stream in the middle of a sentence would know the past."""
BATCH: Final = 4
COSINE_SCALE: Final = 20.0
MEL_WEIGHT: Final = 2.0
_TRANSFORMS: Final = ((512, 40), (1024, 80), (2048, 120))
"""Lengths of the spectra that are compared, and mel bands of each."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Speech with its codes, to draw pieces from.

    Args:
        samples: ``[frames * FRAME_SAMPLES]``, int16.
        codes: ``[num_codebooks, frames]``, int16.
        device: Where pieces go.
        seed: Seed of the draws.
    """

    samples: Tensor
    codes: Tensor
    device: torch.device
    seed: int

    @classmethod
    def of(cls, corpus: Corpus, coded: CodedCorpus, device: torch.device, seed: int) -> "Pieces":
        """Those of a corpus that keep their samples."""
        samples = np.concatenate([shard.samples for shard in corpus.sounding_shards()])
        return cls(torch.from_numpy(samples), torch.from_numpy(coded.codes), device, seed)

    def draw(self, step: int) -> tuple[Tensor, Tensor]:
        """Pieces of a step: samples ``[BATCH, samples]`` float32, codes ``[BATCH, num_codebooks, frames]`` int64."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        num_frames = len(self.samples) // FRAME_SAMPLES
        starts = torch.randint(num_frames - PIECE_FRAMES, (BATCH,), generator=generator).tolist()
        samples = [self.samples[FRAME_SAMPLES * at : FRAME_SAMPLES * (at + PIECE_FRAMES)] for at in starts]
        codes = [self.codes[:, at : at + PIECE_FRAMES] for at in starts]
        return (
            (torch.stack(samples).float() / 32767).to(self.device),
            torch.stack(codes).to(self.device, torch.int64),
        )


class DecoderStage:
    """Codes to samples: waveform and spectra are compared.

    Args:
        tensors: The codec; its decoder's side is trained.
        config: Sizes.
        pieces: What to learn from.
        use_compile: Compile the forward; the first step then takes a minute or two.
    """

    name = "decoder"

    def __init__(
        self, tensors: Mapping[str, Tensor], config: CodecConfig, pieces: Pieces, *, use_compile: bool
    ) -> None:
        self.parameters = {key: value.requires_grad_() for key, value in tensors.items() if is_of_decoder(key)}
        self._config = config
        self._pieces = pieces
        self._decode = torch.compile(decode_codes) if use_compile else decode_codes
        self._spectra = Spectra(pieces.device)

    def losses(self, step: int) -> dict[str, Tensor]:
        """Losses of a step by name."""
        samples, codes = self._pieces.draw(step)
        decoded = self._decode(self.parameters, self._config, codes)
        lead = LEAD_FRAMES * FRAME_SAMPLES
        return self._spectra.losses(decoded[:, lead:], samples[:, lead:])


class EncoderStage:
    """Samples to codes: each codebook's cosines are a classifier of the right code.

    Args:
        tensors: The codec, its decoder's side trained; its encoder's side is trained here.
        config: Sizes.
        pieces: What to learn from.
    """

    name = "encoder"

    def __init__(self, tensors: Mapping[str, Tensor], config: CodecConfig, pieces: Pieces) -> None:
        self.parameters = {key: value.requires_grad_() for key, value in tensors.items() if not is_of_decoder(key)}
        self._fixed = {key: value.detach() for key, value in tensors.items() if is_of_decoder(key)}
        self._config = config
        self._pieces = pieces

    def losses(self, step: int) -> dict[str, Tensor]:
        """Losses of a step by name."""
        samples, codes = self._pieces.draw(step)
        cosines = code_logits({**self.parameters, **self._fixed}, self._config, samples, codes)
        return {
            f"code{index}": F.cross_entropy(
                COSINE_SCALE * cosine[:, LEAD_FRAMES:].flatten(0, 1), codes[:, index, LEAD_FRAMES:].flatten()
            )
            for index, cosine in enumerate(cosines)
        }


class Spectra:
    """Compares sounds by waveform and by spectra of several resolutions.

    Args:
        device: Where the sounds are.
    """

    def __init__(self, device: torch.device) -> None:
        self._windows = [torch.hann_window(size, device=device) for size, _ in _TRANSFORMS]
        self._bands = [torch.from_numpy(mel_bands(size, bands)).to(device).T for size, bands in _TRANSFORMS]

    def losses(self, made: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """Losses by name; both sounds are ``[B, samples]``."""
        convergence, log_magnitude, log_mel = [], [], []
        for window, bands in zip(self._windows, self._bands, strict=True):
            ours, theirs = _amplitudes(made, window), _amplitudes(wanted, window)
            convergence.append((ours - theirs).norm() / theirs.norm().clamp(min=FLOOR))
            log_magnitude.append((_log(ours) - _log(theirs)).abs().mean())
            log_mel.append((_log(ours @ bands) - _log(theirs @ bands)).abs().mean())
        return {
            "wave": (made - wanted).abs().mean() * 10,
            "shape": torch.stack(convergence).mean(),
            "log": torch.stack(log_magnitude).mean(),
            "mel": torch.stack(log_mel).mean() * MEL_WEIGHT,
        }


def start_codebooks(tensors: dict[str, Tensor], config: CodecConfig, codebooks: Tensor) -> None:
    """Give the codec codebooks that lie as the learned ones do, in as many dimensions as it has.

    Args:
        tensors: The codec; its codebooks are replaced.
        config: Sizes.
        codebooks: ``[num_codebooks, entries, features]``.
    """
    names = ["semantic_quantizer.quantizers.0", *(f"quantizer.quantizers.{i}" for i in range(config.num_codebooks - 1))]
    for name, entries in zip(names, codebooks, strict=True):
        centred = entries - entries.mean(0)
        _, _, directions = torch.linalg.svd(centred, full_matrices=False)
        points = centred @ directions[: config.codebook_dim].T
        tensors[f"quantizer.{name}.codebook.weight"] = F.normalize(points)  # looked up by cosine


def _amplitudes(samples: Tensor, window: Tensor) -> Tensor:
    size = len(window)
    spectrum = torch.stft(samples, size, size // 4, window=window, center=False, return_complex=True)
    parts = torch.view_as_real(spectrum).transpose(1, 2)  # [B, steps, bins, 2]
    return (parts.square().sum(-1) + 1e-12).sqrt() * (2 / window.sum())


def _log(amplitudes: Tensor) -> Tensor:
    return amplitudes.clamp(min=FLOOR).log()
