"""Arrays with the names of tensors, and the shapes that most of them have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

Tensors = Mapping[str, Array]
"""Tensors of one request or response by name; BYTES tensors are object arrays of ``bytes``."""


@dataclass(frozen=True, eq=False)
class NamedArray:
    """A tensor on its way out.

    Args:
        name: Its name.
        values: Its values; BYTES tensors are object arrays of ``bytes``.
    """

    name: str
    values: Array


def scalar(name: str, value: int | float | bool | bytes, dtype: npt.DTypeLike) -> NamedArray:
    """Make a tensor ``[1, 1]``."""
    return NamedArray(name, np.array([[value]], dtype=dtype))


def bytes_row(name: str, values: Sequence[bytes]) -> NamedArray:
    """Make a BYTES tensor ``[1, len(values)]``."""
    return NamedArray(name, np.array([list(values)], dtype=np.object_))
