"""A seal holds for exactly what it was put on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s1_protocol.errors import InvalidArgumentError
from s1_tts.wire.arrays import NamedArray, bytes_row, scalar
from s1_tts.wire.seal import Seal

SEAL = Seal(b"a secret")
TENSORS = [
    scalar("text", b"Hello.", "object"),
    scalar("seed", 7, "int64"),
    NamedArray("codes", np.arange(12, dtype=np.int32).reshape(1, 3, 4)),
    bytes_row("texts", [b"ab", b"c"]),
    NamedArray("empty", np.empty((1, 0, 0), np.int32)),
]


def read(tensors: list[NamedArray]) -> dict[str, np.ndarray]:
    return {tensor.name: tensor.values for tensor in tensors}


def test_what_is_sealed_is_taken_in_any_order() -> None:
    SEAL.check(read(SEAL.put_on(TENSORS)[::-1]))


CHANGES = {
    "text": scalar("text", b"Hello!", "object"),
    "seed": scalar("seed", 8, "int64"),
    "type": scalar("seed", 7, "int32"),
    "codes": NamedArray("codes", np.zeros((1, 3, 4), np.int32)),
    "shape": NamedArray("codes", np.arange(12, dtype=np.int32).reshape(1, 4, 3)),
    "border": bytes_row("texts", [b"a", b"bc"]),
    "name": scalar("other", 7, "int64"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_refused(change: str) -> None:
    changed = CHANGES[change]
    with pytest.raises(InvalidArgumentError, match="seal: is wrong"):
        SEAL.check(read([*SEAL.put_on(TENSORS), changed]))


@given(index=st.integers(0, len(TENSORS) - 1))
def test_what_is_missing_is_noticed(index: int) -> None:
    sealed = SEAL.put_on(TENSORS)
    with pytest.raises(InvalidArgumentError, match="seal: is wrong"):
        SEAL.check(read([tensor for number, tensor in enumerate(sealed) if number != index]))


def test_another_secret_or_none_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="seal: is wrong"):
        SEAL.check(read(Seal(b"another").put_on(TENSORS)))
    with pytest.raises(InvalidArgumentError, match="seal: is missing"):
        SEAL.check(read(Seal(None).put_on(TENSORS)))


def test_without_a_secret_all_is_taken() -> None:
    Seal(None).check(read(TENSORS))
    Seal(None).check(read([replace(TENSORS[0])]))
