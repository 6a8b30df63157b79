"""What goes over the wire to Triton's SageMaker endpoint, and how its answers are read."""

import base64
import binascii
import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile

from s1_client.audio import Speech
from s1_client.believing import MAX_TEXT_BYTES, SoundCheck
from s1_client.errors import OptionError, ServerError, UnexpectedAnswerError
from s1_client.options import SpeechOptions, make_tensors
from s1_protocol.coded_message import CodedMessage
from s1_protocol.limits import MAX_FRAMES
from s1_protocol.names import Field, ModelName, Parameter
from s1_protocol.sagemaker import SAGEMAKER_BINARY_TYPE
from s1_protocol.sound import FRAME_SAMPLES

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Body:
    """A request's body and its content type."""

    content: bytes
    content_type: str


def make_binary_request(text: str, options: SpeechOptions, *, want_wav: bool) -> Body:
    """Make a request for one answer: JSON, and behind it the tensors as they are.

    Args:
        text: What to say.
        options: How to say it.
        want_wav: Whether the sound is to come as a base64 WAV file in plain JSON, else as raw samples. Raw samples are
            a quarter shorter, but to be read they need the content type of the answer.

    Raises:
        OptionError: an option cannot be sent.
    """
    inputs, data = [], []
    for spec, tensor in make_tensors(text, options):
        raw = b"".join(map(_pack_bytes, tensor.flat)) if tensor.dtype.kind == "O" else tensor.tobytes()
        datatype = "BYTES" if spec.dtype == "STRING" else spec.dtype
        size = {"binary_data_size": len(raw)}
        inputs.append({"name": spec.name, "shape": list(tensor.shape), "datatype": datatype, "parameters": size})
        data.append(raw)
    if want_wav:
        outputs: list[dict[str, Any]] = [{"name": name} for name in (Field.AUDIO_BASE64, Field.IS_CUT)]
    else:
        as_bytes = {"binary_data": True}
        outputs = [{"name": name, "parameters": as_bytes} for name in (Field.AUDIO, Field.SAMPLE_RATE, Field.IS_CUT)]
    request = {"inputs": inputs, "outputs": outputs, "parameters": {Parameter.AUDIO_BASE64: want_wav}}
    header = json.dumps(request).encode()
    return Body(header + b"".join(data), f"{SAGEMAKER_BINARY_TYPE}{len(header)}")


def make_stream_request(text: str, options: SpeechOptions) -> Body:
    """Make a request for a stream, which is JSON throughout.

    Raises:
        OptionError: an option cannot be sent, such as a recording.
    """
    fields: dict[str, Any] = {}
    for spec, tensor in make_tensors(text, options):
        if tensor.size != 1:
            fault = f"has {tensor.size} values, where a streaming endpoint takes one; they can be stored as a voice"
            raise OptionError(spec.name, fault)
        value = tensor.item()
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError as error:
                fault = (
                    "is not UTF-8, which is all that a streaming endpoint takes; a recording can be stored as a voice"
                )
                raise OptionError(spec.name, fault) from error
        fields[spec.name] = value
    return Body(json.dumps(fields).encode(), JSON_TYPE)


def read_bounded(body: Any, max_bytes: int) -> bytes:
    """Read a body to its end.

    Args:
        body: What boto3 gives, with a ``read`` of files.
        max_bytes: What is believed to be an answer.

    Raises:
        UnexpectedAnswerError: there is more.
    """
    content: bytes = body.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise UnexpectedAnswerError(ModelName.ONE_ANSWER, f"more than {max_bytes} bytes")
    return content


def read_binary_answer(content: bytes, content_type: str) -> Speech:
    """Read the answer to a request for raw samples.

    Raises:
        UnexpectedAnswerError: it is of another form.
    """
    digits = content_type.removeprefix(SAGEMAKER_BINARY_TYPE)
    if digits == content_type or not digits.isdecimal():
        raise UnexpectedAnswerError(ModelName.ONE_ANSWER, f"content of type {content_type or 'unknown'}")
    header_bytes = int(digits)
    outputs = _outputs_of(content[:header_bytes])
    arrays: dict[str, np.ndarray[Any, np.dtype[Any]]] = {}
    start = header_bytes
    for output in outputs:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        dtype = {"INT16": "<i2", "INT32": "<i4"}.get(output["datatype"], "u1")
        arrays[output["name"]] = np.frombuffer(content[start : start + size], dtype=dtype)
        start += size
    if not {Field.AUDIO, Field.SAMPLE_RATE} <= arrays.keys() or arrays[Field.SAMPLE_RATE].size != 1:
        raise UnexpectedAnswerError(ModelName.ONE_ANSWER, f"no {Field.AUDIO} or no {Field.SAMPLE_RATE}")
    is_cut = Field.IS_CUT in arrays and bool(arrays[Field.IS_CUT].any())
    sample_rate_hz = int(arrays[Field.SAMPLE_RATE].item())
    samples = SoundCheck(ModelName.ONE_ANSWER).take(arrays[Field.AUDIO], sample_rate_hz)
    return Speech(samples.astype(np.int16), sample_rate_hz, is_cut)


def read_wav_answer(content: bytes) -> Speech:
    """Read the answer to a request for a WAV file.

    Raises:
        UnexpectedAnswerError: it is of another form.
    """
    outputs = _outputs_of(content)
    is_cut = any(output["name"] == Field.IS_CUT and any(output.get("data", ())) for output in outputs)
    for output in outputs:
        if output["name"] == Field.AUDIO_BASE64:
            try:
                file = io.BytesIO(base64.b64decode(output["data"][0]))
                samples, rate_hz = soundfile.read(file, MAX_FRAMES * FRAME_SAMPLES + 1, dtype="int16")
            except (binascii.Error, soundfile.SoundFileError, KeyError, IndexError) as error:
                raise UnexpectedAnswerError(ModelName.ONE_ANSWER, f"no WAV file: {error}") from error
            return Speech(SoundCheck(ModelName.ONE_ANSWER).take(samples, rate_hz), rate_hz, is_cut)
    raise UnexpectedAnswerError(ModelName.ONE_ANSWER, f"no {Field.AUDIO_BASE64}")


def read_error(content: str) -> str:
    """The message in what Triton answers when it refuses, ``{"error": message}``, in an event for a stream.

    Anything else is the message as it is.
    """
    try:
        answer = json.loads(content.removeprefix("data:"))
    except ValueError:
        return content.strip()
    if not isinstance(answer, dict) or "error" not in answer:
        return content.strip()
    return CodedMessage.read(str(answer["error"])).message


@dataclass
class EventJoiner:
    """Makes whole server-sent events of parts that may be cut anywhere, within a character too.

    Args:
        max_bytes: What is believed to be one stream.
    """

    max_bytes: int = MAX_TEXT_BYTES
    _num_bytes: int = 0
    _line: bytearray = field(default_factory=bytearray)
    _data: list[bytes] = field(default_factory=list)

    def feed(self, part: bytes) -> Iterator[dict[str, Any]]:
        """Take a part; gives the events that it completes.

        Raises:
            ServerError: an event tells a failure.
            UnexpectedAnswerError: an event is no JSON object, or the stream has no end.
        """
        self._num_bytes += len(part)
        if self._num_bytes > self.max_bytes:
            raise UnexpectedAnswerError(ModelName.STREAM, f"more than {self.max_bytes} bytes")
        self._line += part
        *lines, rest = self._line.split(b"\n")
        self._line = bytearray(rest)
        for ended in lines:
            line = bytes(ended.removesuffix(b"\r"))
            if line.startswith(b"data:"):
                self._data.append(line.removeprefix(b"data:").removeprefix(b" "))
            elif not line and self._data:
                content = b"\n".join(self._data)
                self._data = []
                yield _read_event(content)


def _read_event(content: bytes) -> dict[str, Any]:
    try:
        event = json.loads(content)
    except ValueError as error:
        raise UnexpectedAnswerError(ModelName.STREAM, f"an event that is no JSON: {error}") from error
    if not isinstance(event, dict):
        raise UnexpectedAnswerError(ModelName.STREAM, "an event that is no JSON object")
    if "error" in event:
        raise ServerError(None, CodedMessage.read(str(event["error"])).message)
    return event


def _outputs_of(content: bytes) -> list[dict[str, Any]]:
    try:
        answer = json.loads(content)
        outputs: list[dict[str, Any]] = answer["outputs"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnexpectedAnswerError(ModelName.ONE_ANSWER, "no JSON with outputs") from error
    return outputs


def _pack_bytes(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value
