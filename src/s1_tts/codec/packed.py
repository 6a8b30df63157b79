"""Linear and convolution layers whose weights are laid out once for the CPU that computes with them.

Otherwise oneDNN and MKL do it in every call: with the wide layers' 38 MB that is most of the time of a chunk of a few
frames. On other devices, and where oneDNN lacks the type, these are the plain operations.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_tts.onednn import can_pack, pack_linear, packed_linear

TYPICAL_LENGTH = 256
"""Length for which oneDNN chooses the layout of a convolution's weights; it computes other lengths with it as well."""

SHORTEST_LENGTH = 96
"""Least outputs of a residual unit's convolution of bfloat16. For fewer, oneDNN 3.12 wants the weights of the widest in
another layout than the typical one, and lays them out anew in every call: 0.3 s for 768 channels and 7 taps on AMX."""

TYPICAL_ROWS = 32
"""The same for a linear layer: frames computed together."""


def exact_products(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Keep float32 convolutions in float32: cuDNN rounds them to TF32 by itself, about 1e-3 off."""
    if device.type != "cuda" or dtype is not torch.float32:
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=torch.backends.cudnn.benchmark, allow_tf32=False)


class PackedProjection:
    """Linear layer, ``[..., in]`` to ``[..., out]``.

    Args:
        weight: ``[out, in]``.
        bias: ``[out]``, or none.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.is_packed = can_pack(weight)
        self.weight = pack_linear(weight, TYPICAL_ROWS) if self.is_packed else weight
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        """Map ``x [..., in]``."""
        if not self.is_packed:
            return F.linear(x, self.weight, self.bias)
        return packed_linear(x, self.weight, self.bias)


class PackedConv:
    """Convolution without padding, ``[B, T, C_in]`` to ``[B, T_out, C_out]``.

    Args:
        weight: ``[C_out, C_in / groups, kernel]``.
        bias: ``[C_out]``.
        stride: Inputs per output.
        dilation: Inputs between two taps.
        groups: Groups of channels.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, stride: int = 1, dilation: int = 1, groups: int = 1) -> None:
        self.stride = (1, stride)
        self.dilation = (1, dilation)
        self.groups = groups
        self.bias = bias
        self.weight = weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)  # [C_out, C_in, 1, kernel]
        self.is_packed = can_pack(weight)
        self.shortest = 0
        if self.is_packed:
            is_of_unit = weight.shape[0] == weight.shape[1] and weight.shape[2] > 1 and stride == 1
            if weight.dtype is torch.bfloat16 and is_of_unit:
                self.shortest = (weight.shape[2] - 1) * dilation + SHORTEST_LENGTH
            length = (weight.shape[2] - 1) * dilation + TYPICAL_LENGTH * stride
            input_size = [1, weight.shape[1] * groups, 1, length]
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, (0, 0), self.stride, self.dilation, groups, input_size
            )

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve ``x [B, T, C_in]``, contiguous, to ``[B, T_out, C_out]``."""
        y: Tensor
        length = x.shape[1]
        if length < self.shortest:
            x = F.pad(x, (0, 0, 0, self.shortest - length))
        image = x.transpose(1, 2).unsqueeze(2)  # [B, C_in, 1, T], channels-last in memory
        if self.is_packed:
            y = torch.ops.mkldnn._convolution_pointwise(
                image, self.weight, self.bias, (0, 0), self.stride, self.dilation, self.groups, "none", [], ""
            )
        else:
            y = F.conv2d(image, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        y = y.squeeze(2).transpose(1, 2)  # [B, T_out, C_out]
        return y[:, : y.shape[1] - (x.shape[1] - length)]
