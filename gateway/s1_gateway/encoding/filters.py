"""A chain of ffmpeg's filters that floats are pushed through."""

import itertools
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph

from s1_gateway.encoding.samples import FloatSamples
from s1_protocol.sound import SAMPLE_RATE_HZ


class FilterChain:
    """Filters one behind the other; the engine's sound goes in.

    Args:
        filters: Name and arguments of each, as ffmpeg writes them.
    """

    def __init__(self, filters: list[tuple[str, str]]) -> None:
        self._graph = Graph()
        self._graph.threads = 1  # else every stream starts a thread a core, which no filter of sound uses
        chain = [
            self._graph.add_abuffer(
                sample_rate=SAMPLE_RATE_HZ, format="flt", layout="mono", time_base=Fraction(1, SAMPLE_RATE_HZ)
            ),
            *(self._graph.add(name, arguments) for name, arguments in filters),
            self._graph.add("abuffersink"),
        ]
        for before, after in itertools.pairwise(chain):
            before.link_to(after)
        self._graph.configure()
        self._pushed_samples = 0

    def push(self, samples: FloatSamples) -> FloatSamples:
        """Push a piece, which is not empty; gives what comes out of it."""
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = self._pushed_samples
        self._pushed_samples += len(samples)
        self._graph.push(frame)
        return self._pull()

    def finish(self) -> FloatSamples:
        """Push the end; gives what was held back."""
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> FloatSamples:
        parts = [np.empty(0, np.float32)]
        while True:
            try:
                parts.append(self._graph.pull().to_ndarray()[0])
            except (BlockingIOError, EOFError):  # nothing yet, nothing more
                return np.concatenate(parts)
