"""The draw of codes by compiled code: the same codes as torch draws, in a fraction of the time."""

import ctypes

import torch
from torch import Tensor

from s1_tts.lm.sampling import RowSampling, sample_codes


class _Draw(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("logits", "noise", "temperature", "top_p", "penalty", "window", "codes")
        ),
        *(
            (name, ctypes.c_int64)
            for name in (
                "rows",
                "candidates",
                "logits_stride",
                "noise_stride",
                "options_stride",
                "window_stride",
                "window_frames",
            )
        ),
    )


class NativeDraw:
    """Draws codes.

    A code that is so near to the edge of its row's nucleus that rounding decides whether it is in is left to torch.

    Args:
        library: The compiled code.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.s1_draw.argtypes = (ctypes.c_void_p,)

    def __call__(self, logits: Tensor, options: RowSampling, window: Tensor, noise: Tensor) -> Tensor:
        """Draw one code a row; arguments and result as of :func:`~s1_tts.lm.sampling.sample_codes`."""
        logits, noise, window = (_rows_of_whole(each) for each in (logits, noise, window))
        temperature, top_p, penalty = options.temperature, options.top_p, options.repetition_penalty
        if not temperature.stride() == top_p.stride() == penalty.stride():
            temperature, top_p, penalty = (each.contiguous() for each in (temperature, top_p, penalty))
        codes = torch.empty(logits.shape[0], dtype=torch.int64)
        draw = _Draw(
            *(each.data_ptr() for each in (logits, noise, temperature, top_p, penalty, window, codes)),
            *logits.shape,
            logits.stride(0),
            noise.stride(0),
            temperature.stride(0),
            window.stride(0),
            window.shape[1],
        )
        undecided = self._library.s1_draw(ctypes.byref(draw))
        if undecided < 0:
            raise MemoryError("no memory for a step of the language model")
        if undecided:
            return torch.where(codes < 0, sample_codes(logits, options, window, noise), codes)
        return codes


def _rows_of_whole(values: Tensor) -> Tensor:
    """The same with neighbouring values of a row beside each other."""
    return values if values.stride(1) == 1 else values.contiguous()
