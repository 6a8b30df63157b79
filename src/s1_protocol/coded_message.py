"""An error's code and message in one string, for where only a string travels: a stream, a tensor, another model."""

import re
from dataclasses import dataclass
from typing import Self

from s1_protocol.errors import ErrorCode, S1Error

# From release 26 on, Triton puts its words before a message once for each response that still comes after the error.
_BEFORE_MESSAGE = re.compile(
    rf"(?:in ensemble '[^']*', |\[request id: [^\]]*\] )*(?:(?P<code>{'|'.join(ErrorCode.__members__)}): )?"
)

# What Triton itself says when it takes no request now. On a stream it tells no code, and our models have not seen the
# request, so they cannot write one.
_TRITON_IS_UNAVAILABLE = re.compile(
    r"Server is stopping|Server not ready|is not at ready state|has no available versions|Exceeds maximum queue size"
)


@dataclass(frozen=True)
class CodedMessage:
    """What such a string tells.

    Args:
        message: The message for the caller, without what Triton puts before that of an ensemble's step.
        code: What happened; none if the string does not say.
    """

    message: str
    code: ErrorCode | None = None

    @classmethod
    def of(cls, error: S1Error) -> Self:
        """The message and the code of an error."""
        return cls(str(error), error.code)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a string, coded or not."""
        before = _BEFORE_MESSAGE.match(text)
        if before is None:
            return cls(text)
        message = text[before.end() :]
        if before["code"]:
            return cls(message, ErrorCode[before["code"]])
        return cls(message, ErrorCode.UNAVAILABLE if _TRITON_IS_UNAVAILABLE.search(message) else None)

    def write(self) -> str:
        """Make one string of it."""
        return self.message if self.code is None else f"{self.code.name}: {self.message}"
