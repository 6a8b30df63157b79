"""Convolution over time of channels-last activations, its weights laid out once for the machine that computes it."""

import torch
import torch.nn.functional as F
from torch import Tensor

TYPICAL_LENGTH = 256
"""Length for which oneDNN chooses the layout of the weights; it computes other lengths with it as well."""


class PackedConv:
    """Convolution without padding, ``[B, T, C_in]`` to ``[B, T_out, C_out]``.

    On a CPU the weights are put into oneDNN's own layout once. Otherwise every call does it: with the wide layers'
    38 MB that is most of the time of a chunk of a few frames.

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
        self.is_packed = weight.device.type == "cpu" and torch._C._has_mkldnn
        if self.is_packed:
            length = (weight.shape[2] - 1) * dilation + TYPICAL_LENGTH * stride
            input_size = [1, weight.shape[1] * groups, 1, length]
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, (0, 0), self.stride, self.dilation, groups, input_size
            )

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve ``x [B, T, C_in]``, contiguous, to ``[B, T_out, C_out]``."""
        y: Tensor
        image = x.transpose(1, 2).unsqueeze(2)  # [B, C_in, 1, T], channels-last in memory
        if self.is_packed:
            y = torch.ops.mkldnn._convolution_pointwise(
                image, self.weight, self.bias, (0, 0), self.stride, self.dilation, self.groups, "none", [], ""
            )
        else:
            y = F.conv2d(image, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return y.squeeze(2).transpose(1, 2)  # [B, T_out, C_out]
