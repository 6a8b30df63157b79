"""FLAC, by libsndfile: ffmpeg's encoder holds 7 MB a stream, this one a seventieth of that."""

import io

import numpy as np
import soundfile

from s1_gateway.encoding.samples import FloatSamples, to_int16

COMPRESSION_LEVEL = 0.25
"""Of 0 to 1; up to here a frame has 1152 samples, above it 4096, which is 93 ms."""


class ForwardFile(io.RawIOBase):
    """A file whose written bytes are taken away as they come.

    At its end libsndfile goes back to write the length into the header. A stream's header has left by then, so that is
    dropped; zero means there that the length is not known.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._position = 0
        self._end = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]  # soundfile gives nothing but bytes
        """Append bytes at the end; what is written elsewhere is dropped."""
        if self._position == self._end:
            self._parts.append(bytes(data))
            self._end += len(data)
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}[whence]
        return self._position

    def tell(self) -> int:
        """Say where."""
        return self._position

    def take(self) -> bytes:
        """Give what was appended since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class FlacWriter:
    """16-bit samples, compressed without loss.

    Args:
        rate_hz: Samples per second.
        is_whole: Everything comes at the end, and the header tells the true length.
    """

    delay_samples = 0

    def __init__(self, rate_hz: int, *, is_whole: bool) -> None:
        self._file: ForwardFile | io.BytesIO = io.BytesIO() if is_whole else ForwardFile()
        self._is_empty = True
        self._sound = soundfile.SoundFile(
            self._file, "w", rate_hz, 1, "PCM_16", format="FLAC", compression_level=COMPRESSION_LEVEL
        )

    def write(self, samples: FloatSamples) -> bytes:
        """Take a piece; gives the frames that are whole."""
        self._is_empty = self._is_empty and not len(samples)
        self._sound.write(to_int16(samples))
        return self._file.take() if isinstance(self._file, ForwardFile) else b""

    def close(self) -> bytes:
        """Give the rest, and in the whole form the file; a sample of silence, if no sound came."""
        if self._is_empty:
            self._sound.write(np.zeros(1, np.int16))  # libsndfile makes nothing of nothing, not even a header
        self._sound.close()
        return self._file.take() if isinstance(self._file, ForwardFile) else self._file.getvalue()
