"""What a stream must remember between two chunks: one flat tensor, in which each module owns a span.

One tensor a stream makes a batch of streams one copy in and one copy out, whatever the number of modules, and makes
the size of a stream known before it starts.
"""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class StateSpan:
    """The part of a stream's state that one module reads and writes.

    Args:
        offset: First element.
        shape: Shape for one stream.
    """

    offset: int
    shape: tuple[int, ...]

    def of(self, states: Tensor) -> Tensor:
        """View of this part.

        Args:
            states: ``[B, N]``, one row a stream.

        Returns:
            ``[B, *shape]``, sharing memory with ``states``.
        """
        end = self.offset + math.prod(self.shape)
        return states[:, self.offset : end].view(states.shape[0], *self.shape)


class StateLayout:
    """Hands out spans while the modules are built."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, *shape: int) -> StateSpan:
        """Reserve room for a tensor of this shape, for one stream."""
        span = StateSpan(self.size, shape)
        self.size += math.prod(shape)
        return span


@dataclass(frozen=True, eq=False)
class SlotStates:
    """The states of the rows of a piece, where they lie: no row's is copied.

    Args:
        pool: States of all slots ``[S, N]``.
        slots: Slot of each row ``[B]`` int64, on the device of the pool; but for rows of nobody no two have the same.
    """

    pool: Tensor
    slots: Tensor


@dataclass(eq=False)
class StreamState:
    """State of one stream.

    Args:
        values: ``[N]``; zeros before the first chunk, which is what the causal padding of the whole decode is. What
            is where in it is a matter of the layers that decode.
        position: Frames decoded so far.
        slot: Row of the memory that fixed shapes are decoded in; none elsewhere.
    """

    values: Tensor
    position: int = 0
    slot: int | None = None

    @property
    def num_bytes(self) -> int:
        """Memory this state takes."""
        return self.values.numel() * self.values.element_size()
