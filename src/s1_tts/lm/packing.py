"""Linear layers whose weights are laid out for the CPU once, instead of at every call.

A decode step multiplies a few rows by all the weights: reading them is the work. A plain ``linear`` packs the weight
anew in each call; oneDNN can keep the packed form. On two Zen 3 cores at 8 rows that reads float32 weights at twice
the rate (see ``docs/performance.md``).
"""

import torch
from torch import Tensor, nn

SMALLEST_PACKED = 2**18
"""Weights with fewer values stay plain: they live in the cache, and calling oneDNN costs more than packing them."""

PACKED_FOR_ROWS = 8
"""Rows for which oneDNN chooses the layout; it works for any number."""


class PackedLinear(nn.Module):
    """A linear layer over a packed weight; it is not meant to be saved.

    Args:
        linear: The layer it takes the place of.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), PACKED_FOR_ROWS)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., in_features]`` to ``[..., out_features]``."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return result


def pack_linears(module: nn.Module) -> None:
    """Replace the large linear layers under a module by packed ones, one by one, so that weights are held once."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and child.weight.numel() >= SMALLEST_PACKED:
            setattr(module, name, PackedLinear(child))
        else:
            pack_linears(child)


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether packed layers exist for a device and dtype, with the same bits as plain ones."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype is torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
