"""What lies between the engine's sound and a format."""

from typing import Protocol

from s1_gateway.encoding.samples import FloatSamples


class Stage(Protocol):
    """Changes sound as it comes. What it gives does not depend on how the sound was cut into pieces."""

    def process(self, samples: FloatSamples) -> FloatSamples:
        """Take a piece; gives what is certain by now, which may be nothing."""

    def finish(self) -> FloatSamples:
        """Give what was held back; there is nothing after it."""
