"""Chunks of codes on their way from the language model to the codec, as tensors."""

from dataclasses import dataclass

from s1_protocol.errors import InvalidArgumentError, S1Error
from s1_protocol.names import Field
from s1_tts.stream_events import CodesChunk
from s1_tts.wire.arrays import NamedArray, Tensors, scalar
from s1_tts.wire.coded_errors import decode_error, encode_error
from s1_tts.wire.fields import check_type, read_element, read_service, read_string


@dataclass(frozen=True, eq=False)
class CodesMessage:
    """A chunk, and how its stream ended.

    Args:
        chunk: The codes.
        error: Only with a last chunk: why the stream ended here. A language model that has sent chunks cannot send
            an error itself: the codec may be at work on one of them. An ensemble that gets an error while a step runs
            loses that chunk and, up to 24.10, never ends; by 26.07 it ends, but only with its last step.
    """

    chunk: CodesChunk
    error: S1Error | None = None

    def write(self) -> list[NamedArray]:
        """Make tensors of it."""
        chunk = self.chunk
        tensors = [
            NamedArray(Field.CODES, chunk.codes[None]),  # [1, num_codebooks, frames]
            scalar(Field.STREAM_ID, chunk.stream_id, "uint64"),
            scalar(Field.CHUNK_INDEX, chunk.index, "int32"),
            scalar(Field.IS_LAST, chunk.is_last, "bool"),
            scalar(Field.SERVICE, chunk.service.encode(), "object"),
            scalar(Field.IS_CUT, chunk.is_cut, "bool"),
        ]
        if self.error is not None:
            tensors.append(scalar(Field.STREAM_ERROR, encode_error(self.error).encode(), "object"))
        return tensors

    @classmethod
    def read(cls, tensors: Tensors) -> "CodesMessage":
        """Read tensors.

        Raises:
            InvalidArgumentError: a field is wrong, or there is more than one chunk.
        """
        codes = tensors[Field.CODES]
        check_type(codes, Field.CODES)
        if codes.ndim != 3 or codes.shape[0] != 1:
            allowed = "one chunk a request, shape [1, codebooks, frames]"
            raise InvalidArgumentError(Field.CODES, f"has shape {list(codes.shape)}", allowed)
        chunk = CodesChunk(
            stream_id=int(read_element(tensors, Field.STREAM_ID)),
            index=int(read_element(tensors, Field.CHUNK_INDEX)),
            codes=codes[0],
            is_last=bool(read_element(tensors, Field.IS_LAST)),
            service=read_service(tensors),
            is_cut=Field.IS_CUT in tensors and bool(read_element(tensors, Field.IS_CUT)),
        )
        error = None
        if Field.STREAM_ERROR in tensors:
            error = decode_error(read_string(tensors, Field.STREAM_ERROR))
        return cls(chunk, error)
