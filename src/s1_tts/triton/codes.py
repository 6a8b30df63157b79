"""Chunks of codes on their way from the language model to the codec, as tensors."""

from collections.abc import Mapping
from dataclasses import dataclass

from s1_protocol.errors import InvalidArgumentError, S1Error
from s1_protocol.names import Field, ServiceClass
from s1_tts.request import read_string
from s1_tts.stream import CodesChunk
from s1_tts.triton.errors import decode_error, encode_error
from s1_tts.triton.tensors import Array, NamedArray, scalar


@dataclass(frozen=True, eq=False)
class CodesMessage:
    """A chunk, and how its stream ended.

    Args:
        chunk: The codes.
        error: Only with a last chunk: why the stream ended here. A language model that has sent chunks cannot send
            an error itself: the codec may be at work on one of them, and an ensemble that gets an error while a step
            runs never ends (before release 26.03).
    """

    chunk: CodesChunk
    error: S1Error | None = None

    def to_tensors(self) -> list[NamedArray]:
        """Write it."""
        chunk = self.chunk
        tensors = [
            NamedArray(Field.CODES, chunk.codes[None]),  # [1, num_codebooks, frames]
            scalar(Field.STREAM_ID, chunk.stream_id, "uint64"),
            scalar(Field.CHUNK_INDEX, chunk.index, "int32"),
            scalar(Field.IS_LAST, chunk.is_last, "bool"),
            scalar(Field.SERVICE, chunk.service.encode(), "object"),
        ]
        if self.error is not None:
            tensors.append(scalar(Field.STREAM_ERROR, encode_error(self.error).encode(), "object"))
        return tensors

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Array]) -> "CodesMessage":
        """Read it.

        Raises:
            InvalidArgumentError: it holds more than one chunk.
        """
        codes = tensors[Field.CODES]  # [1, num_codebooks, frames]
        if codes.shape[0] != 1:
            raise InvalidArgumentError(Field.CODES, f"got {codes.shape[0]} chunks", "one chunk a request")
        chunk = CodesChunk(
            stream_id=int(tensors[Field.STREAM_ID].item()),
            index=int(tensors[Field.CHUNK_INDEX].item()),
            codes=codes[0],
            is_last=bool(tensors[Field.IS_LAST].item()),
            service=ServiceClass(read_string(tensors, Field.SERVICE)),
        )
        error = None
        if Field.STREAM_ERROR in tensors:
            error = decode_error(bytes(tensors[Field.STREAM_ERROR].item()).decode(errors="replace"))
        return cls(chunk, error)
