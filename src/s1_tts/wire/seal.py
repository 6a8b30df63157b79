"""A seal on what passes between the models, so that each takes it from the others only.

All models of the repository are open on the server's ports. So ``s1_llama`` takes a request for speech only as
``s1_voice`` has checked it, ``s1_codec`` takes codes only as ``s1_llama`` has made them, and aborts come only from the
codec and the collector. The seal is an HMAC-SHA256 (RFC 2104) over all tensors, with a secret that the launcher makes
for each start. A caller that repeats something sealed gets nothing that it did not have before.
"""

import hmac
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Self

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field
from s1_tts.wire.arrays import Array, NamedArray, Tensors, scalar
from s1_tts.wire.fields import read_string

KEY_VARIABLE = "S1TTS_SEAL_KEY"
"""Environment variable with the secret; no setting, since no user sets it."""


class Seal:
    """Seals tensors and checks seals.

    Args:
        key: The secret of this start; none, as under a bare ``tritonserver``: nothing is sealed and all is taken.
    """

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    @classmethod
    def of_this_start(cls) -> Self:
        """The seal with the secret in this process's environment."""
        key = os.environ.get(KEY_VARIABLE)
        return cls(key.encode() if key else None)

    @property
    def is_open(self) -> bool:
        """Whether it takes everything, for want of a secret."""
        return self._key is None

    def put_on(self, tensors: Sequence[NamedArray]) -> list[NamedArray]:
        """The tensors and their seal."""
        if self._key is None:
            return list(tensors)
        digest = _digest(self._key, ((str(tensor.name), tensor.values) for tensor in tensors))
        return [*tensors, scalar(Field.SEAL, digest.encode(), "object")]

    def check(self, tensors: Tensors) -> None:
        """Refuse what another model has not sealed.

        Raises:
            InvalidArgumentError: the seal is missing, or belongs to something else.
        """
        if self._key is None:
            return
        given = read_string(tensors, Field.SEAL) if Field.SEAL in tensors else ""
        expected = _digest(self._key, ((name, values) for name, values in tensors.items() if name != Field.SEAL))
        if not hmac.compare_digest(given.encode(), expected.encode()):
            fault = "is wrong" if given else "is missing"
            raise InvalidArgumentError(Field.SEAL, fault, "requests by way of s1_mini_stream and s1_mini only")


def _digest(key: bytes, tensors: Iterable[tuple[str, Array]]) -> str:
    code = hmac.new(key, digestmod=sha256)
    for name, values in sorted(tensors, key=lambda each: each[0]):
        code.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        if values.dtype == object:
            for value in values.flat:
                code.update(f"{len(value)} ".encode())
                code.update(value)
        else:
            code.update(values.tobytes())
    return code.hexdigest()
