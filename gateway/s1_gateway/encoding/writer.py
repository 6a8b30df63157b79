"""What every format's writer does."""

from typing import Protocol

from s1_gateway.encoding.samples import FloatSamples


class FormatWriter(Protocol):
    """Turns samples at the format's rate into bytes of one answer.

    Attributes:
        delay_samples: Samples of silence that a player which cannot know of them hears before the sound.
    """

    delay_samples: int

    def write(self, samples: FloatSamples) -> bytes:
        """Take a piece; gives the bytes that are certain by now, which may be none."""

    def close(self) -> bytes:
        """Give what was held back, and the end of the format."""
