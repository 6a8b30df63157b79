"""What the models tell each other comes back from its tensors, and a stranger's tensors are refused by field."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from s1_protocol.errors import ErrorCode, InvalidArgumentError, UnavailableError
from s1_protocol.names import Field, ServiceClass
from s1_protocol.tensors import CHUNK_OUTPUTS, CODEC_INPUTS, SEAL
from s1_tts.stream_events import CodesChunk
from s1_tts.wire.abort_order import AbortOrder, merge
from s1_tts.wire.arrays import Array, NamedArray
from s1_tts.wire.codes_message import CodesMessage
from s1_tts.wire.sound_message import SoundMessage, write_answer

CHUNK = CodesChunk(2**63 + 5, 3, np.arange(12, dtype=np.int32).reshape(2, 6), is_last=True, service=ServiceClass.CALL)
SAMPLES = np.array([1, -2, 32767], dtype=np.int16)


def tensors_of(arrays: list[NamedArray]) -> dict[str, Array]:
    return {each.name: each.values for each in arrays}


def test_a_chunk_of_codes_comes_back() -> None:
    read = CodesMessage.read(tensors_of(CodesMessage(CHUNK).write()))
    np.testing.assert_array_equal(read.chunk.codes, CHUNK.codes)
    assert vars(replace(read.chunk, codes=CHUNK.codes)) == vars(CHUNK)
    assert read.error is None


def test_an_error_keeps_its_code_and_message_on_its_way_to_the_codec() -> None:
    tensors = tensors_of(CodesMessage(CHUNK, UnavailableError("the queue is full")).write())
    assert tensors.keys() == {spec.name for spec in CODEC_INPUTS} - {SEAL.name}
    error = CodesMessage.read(tensors).error
    assert error is not None
    assert (error.code, str(error)) == (ErrorCode.UNAVAILABLE, "the queue is full")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (Field.CODES, np.zeros((2, 2, 6), np.int32)),
        (Field.CODES, np.zeros((1, 6), np.int32)),
        (Field.CODES, np.zeros((1, 2, 6), np.float32)),
        (Field.STREAM_ID, np.zeros((1, 2), np.uint64)),
        (Field.CHUNK_INDEX, np.zeros((1, 1), np.float32)),
        (Field.IS_LAST, np.zeros((0, 1), bool)),
        (Field.SERVICE, np.array([[b"vip"]], dtype=object)),
        (Field.STREAM_ERROR, np.array([[b"\xff"]], dtype=object)),
    ],
)
def test_a_wrong_field_of_a_chunk_is_named(name: Field, values: Array) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        CodesMessage.read({**tensors_of(CodesMessage(CHUNK).write()), name: values})
    assert caught.value.field == name


@pytest.mark.parametrize(
    "order",
    [
        AbortOrder(stream_ids=(1, 2**64 - 1)),
        AbortOrder(tickets=("a", "b")),
        AbortOrder(stream_ids=(7,), tickets=("c",), error=UnavailableError("busy")),
    ],
)
def test_an_abort_comes_back(order: AbortOrder) -> None:
    tensors = tensors_of(order.write())
    read = AbortOrder.read(tensors)
    assert AbortOrder.is_in(tensors)
    assert (read.stream_ids, read.tickets, str(read.error)) == (order.stream_ids, order.tickets, str(order.error))


def test_aborts_without_a_reason_become_one_and_the_others_stay() -> None:
    reasoned = AbortOrder(stream_ids=(9,), error=UnavailableError("busy"))
    orders = [AbortOrder(stream_ids=(2,)), reasoned, AbortOrder(stream_ids=(1, 2), tickets=("a",))]
    assert merge(orders) == [reasoned, AbortOrder(stream_ids=(1, 2), tickets=("a",))]
    assert merge([reasoned]) == [reasoned]
    assert merge([reasoned, reasoned]) == [reasoned]


def test_a_chunk_of_sound_comes_back() -> None:
    tensors = tensors_of(SoundMessage(SAMPLES, 4, is_last=False).write(is_base64_wanted=True))
    assert tensors.keys() == {spec.name for spec in CHUNK_OUTPUTS}
    assert base64.b64decode(tensors[Field.AUDIO_BASE64].item()) == SAMPLES.tobytes()
    read = SoundMessage.read(tensors)
    np.testing.assert_array_equal(read.samples, SAMPLES)
    assert (read.index, read.is_last, read.error) == (4, False, None)


def test_the_collector_reads_an_error_where_only_errors_are() -> None:
    message = SoundMessage(SAMPLES[:0], 4, is_last=True, error=UnavailableError("busy"))
    tensors = tensors_of(message.write(is_base64_wanted=False))
    assert tensors[Field.AUDIO_BASE64].item() == b""
    error = SoundMessage.read(tensors).error
    assert error is not None
    assert (error.code, str(error)) == (ErrorCode.UNAVAILABLE, "busy")


def test_a_whole_answer_has_its_file_only_where_it_is_wanted() -> None:
    assert tensors_of(write_answer(SAMPLES, b"", is_cut=False))[Field.AUDIO_BASE64].item() == b""
    assert (
        base64.b64decode(tensors_of(write_answer(SAMPLES, b"RIFF", is_cut=False))[Field.AUDIO_BASE64].item()) == b"RIFF"
    )
