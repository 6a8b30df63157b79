"""Replace the language model's large linear layers by ones whose weights are packed once.

This is what a CPU gets that has no C++ compiler for the layers of ``native/``.

A decode step multiplies a few rows by all the weights: reading them is the work. On two Zen 3 cores at 8 rows packed
float32 weights are read at twice the rate of plain ones (see ``docs/performance.md``).
"""

from torch import Tensor, nn

from s1_tts.onednn import can_pack, pack_linear, packed_linear

SMALLEST_PACKED = 2**18
"""Weights with fewer values stay plain: they live in the cache, and calling oneDNN costs more than packing them."""

TYPICAL_ROWS = 8


class PackedLinear(nn.Module):
    """A linear layer over a packed weight; it is not meant to be saved.

    Args:
        linear: The layer it takes the place of.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._weight = pack_linear(linear.weight.detach(), TYPICAL_ROWS)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[..., in_features]`` to ``[..., out_features]``."""
        return packed_linear(x, self._weight, self._bias)


def pack_linears(module: nn.Module) -> None:
    """Replace the large linear layers under a module by packed ones, one by one, so that weights are held once.

    Where weights cannot be packed (another device, a type that oneDNN lacks) nothing changes.
    """
    for name, child in module.named_children():
        if not isinstance(child, nn.Linear):
            pack_linears(child)
        elif child.weight.numel() >= SMALLEST_PACKED and can_pack(child.weight):
            setattr(module, name, PackedLinear(child))
