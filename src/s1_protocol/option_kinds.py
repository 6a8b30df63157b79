"""The kinds of options that a request for speech may have."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.names import Field


class Caller(StrEnum):
    """Faces through which people ask, each with a choice of the options; a tensor can be sent for any of them."""

    SAY = "say"
    """``s1-tts say``."""

    BATCH = "batch"
    """``s1-tts batch``."""

    BENCH = "bench"
    """``s1-tts bench``."""

    PIPECAT = "pipecat"
    """Settings of the Pipecat service, which is always a call and lets the server choose the chunks."""

    GATEWAY = "gateway"
    """Requests over the gateway, which decides by itself on classes, chunks and deadlines."""


EVERY_CALLER = frozenset(Caller)


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is common to options of all kinds.

    Args:
        field: Its tensor ``[1, 1]``.
        help: What it does, in a few words that fit a table and a command's help.
        unit: Unit of its values, if they have one.
        default_words: What holds without it, where that is no value.
        callers: Faces that offer it.
    """

    dtype: ClassVar[str]
    """Triton's data type, as in ``config.pbtxt`` without ``TYPE_``."""

    field: Field
    help: str
    unit: str = ""
    default_words: str = "none"
    callers: frozenset[Caller] = EVERY_CALLER

    @property
    def value_type(self) -> type:
        """Type of its values in Python."""
        raise NotImplementedError

    @property
    def wire_type(self) -> str:
        """Its data type as the KServe v2 protocol names it."""
        return "BYTES" if self.dtype == "STRING" else self.dtype

    @property
    def allowed(self) -> str:
        """Its values in words, as an error tells them."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class TextOption(Option):
    """A text or a file.

    Args:
        allowed_words: What may be in it; checks that need more than this table are the reader's.
        is_binary: Whether it is bytes as they are, not UTF-8 text; JSON cannot carry them.
        is_list: Whether a request may have several; its tensor is ``[1, N]``.
    """

    dtype = "STRING"
    allowed_words: str
    is_binary: bool = False
    is_list: bool = False

    @property
    def value_type(self) -> type:
        """Text, or bytes of a file."""
        return bytes if self.is_binary else str

    @property
    def allowed(self) -> str:
        """Its values in words."""
        return self.allowed_words


@dataclass(frozen=True, kw_only=True)
class ChoiceOption(Option):
    """One of a few words.

    Args:
        choices: All of them.
        default: The one that holds without the option.
    """

    dtype = "STRING"
    choices: type[StrEnum]
    default: StrEnum

    @property
    def value_type(self) -> type:
        """The words."""
        return self.choices

    @property
    def allowed(self) -> str:
        """The words."""
        return " or ".join(self.choices)

    def check(self, value: str) -> None:
        """Refuse what is none of the words.

        Raises:
            InvalidArgumentError: it is none.
        """
        if value not in list(self.choices):
            raise InvalidArgumentError(self.field, f"got {value[:80]!r}", self.allowed)


@dataclass(frozen=True, kw_only=True)
class FlagOption(Option):
    """Yes or no.

    Args:
        default: What holds without the option.
    """

    dtype = "BOOL"
    default: bool

    @property
    def value_type(self) -> type:
        """True or false."""
        return bool

    @property
    def allowed(self) -> str:
        """Both values."""
        return "true or false"


@dataclass(frozen=True, kw_only=True)
class NumberOption(Option):
    """A number in a range.

    Args:
        low: Smallest value.
        high: Largest value.
        is_low_allowed: False when the value must be over ``low``.
    """

    low: float
    high: float
    is_low_allowed: bool = True

    @property
    def value_type(self) -> type:
        """A whole number, or one with a fraction."""
        return float if self.dtype == "FP32" else int

    @property
    def allowed(self) -> str:
        """The range."""
        low, high = plain_number(self.low), plain_number(self.high)
        return f"{low} to {high}" if self.is_low_allowed else f"over {low}, to {high}"

    def check(self, value: float) -> None:
        """Refuse what is out of range.

        Raises:
            InvalidArgumentError: it is, or is not a number.
        """
        is_in = self.low <= value <= self.high and (self.is_low_allowed or value != self.low)
        if math.isnan(value) or not is_in:
            raise InvalidArgumentError(self.field, f"got {plain_number(value)}", self.allowed)


@dataclass(frozen=True, kw_only=True)
class FloatOption(NumberOption):
    """A number with a fraction.

    Args:
        default: What holds without the option.
    """

    dtype = "FP32"
    default: float


@dataclass(frozen=True, kw_only=True)
class IntegerOption(NumberOption):
    """A whole number.

    Args:
        default: What holds without the option.
    """

    dtype = "INT32"
    default: int


@dataclass(frozen=True, kw_only=True)
class SeedOption(NumberOption):
    """A large whole number that is drawn where it is not given."""

    dtype = "INT64"
    default_words: str = "drawn"


def plain_number(value: float) -> str:
    """A number as people write it: whole ones in full, others to six digits."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def default_of(option: Option) -> str:
    """What holds without an option, as a table tells it."""
    match option:
        case FloatOption() | IntegerOption():
            return plain_number(option.default)
        case FlagOption():
            return str(option.default).lower()
        case ChoiceOption():
            return option.default.value
        case _:
            return option.default_words
