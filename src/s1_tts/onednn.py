"""Weights laid out once for the CPU that multiplies by them, instead of anew in every call.

oneDNN can keep a packed form of a weight, and torch has operations that take it. Rows have the same bits whatever
their number, which a plain ``linear`` does not promise.
"""

import torch
from torch import Tensor


def can_pack(weight: Tensor) -> bool:
    """Whether oneDNN can lay out this weight ahead, where and in the type it is."""
    is_trained = weight.requires_grad  # packed operations have no gradients
    if is_trained or weight.device.type != "cpu" or not torch._C._has_mkldnn:
        return False
    return weight.dtype is torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pack_linear(weight: Tensor, typical_rows: int) -> Tensor:
    """Pack the weight ``[out, in]`` of a linear layer; the layout is chosen for a number of rows and serves any."""
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, typical_rows)
    return packed


def packed_linear(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    """Map ``[..., in]`` to ``[..., out]`` with a weight from :func:`pack_linear`."""
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    return y
