"""The client of a SageMaker endpoint: real-time, streaming or asynchronous; needs boto3."""

import json
import threading
import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import boto3
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from s1_client.audio import AudioChunk, Speech, join
from s1_client.believing import MAX_ANSWER_BYTES, MAX_TEXT_BYTES, SoundCheck
from s1_client.errors import (
    DeadlineError,
    EarlyEndError,
    EndpointError,
    S1ClientError,
    ServerError,
    StreamGapError,
    UnexpectedAnswerError,
)
from s1_client.options import SpeechOptions
from s1_client.sagemaker_wire import (
    EventJoiner,
    make_binary_request,
    make_stream_request,
    read_binary_answer,
    read_bounded,
    read_error,
    read_wav_answer,
)
from s1_protocol.errors import ErrorCode
from s1_protocol.names import Field, ModelName
from s1_protocol.sagemaker import EndpointKind, InferenceType, Variable

MODEL_TIMEOUT_S = 60.0
"""SageMaker gives a container this long for an answer."""

_ROUND_TRIP_S = 10.0
_BUSY_CODES = {"ServiceUnavailable", "ThrottlingException", "ModelNotReadyException", "InternalDependencyException"}
_MISSING_CODES = {"NoSuchKey", "404"}


@dataclass(frozen=True)
class _Endpoint:
    """What AWS reports of an endpoint.

    Args:
        kind: How it is asked.
        upload_to: Where requests to an asynchronous one are put.
    """

    kind: EndpointKind
    upload_to: str | None = None


class SageMakerClient:
    """Asks a SageMaker endpoint for speech, and waits; credentials and region are AWS's own settings.

    Args:
        endpoint: Name of the endpoint.
        kind: How it is asked; None: AWS is asked what it is, once, which needs the permissions
            ``sagemaker:DescribeEndpoint``, ``DescribeEndpointConfig`` and ``DescribeModel``.
        upload_to: ``s3://bucket/prefix`` where requests to an asynchronous endpoint are put; None: below its results.
        region: AWS region; None: that of AWS's own settings.
        timeout_s: Longest wait for the result of an asynchronous endpoint, which may first have to start a machine.
        poll_s: Pause between two looks for it.

    Raises:
        EndpointError: AWS's own settings are wrong, for example without a region.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        kind: EndpointKind | None = None,
        upload_to: str | None = None,
        region: str | None = None,
        timeout_s: float = 1800.0,
        poll_s: float = 1.0,
    ) -> None:
        self.endpoint = endpoint
        self.timeout_s = timeout_s
        self.poll_s = poll_s
        self._kind = kind
        self._upload_to = upload_to
        self._is_closed = threading.Event()
        self._session = boto3.Session(region_name=region)
        config = Config(
            read_timeout=MODEL_TIMEOUT_S + _ROUND_TRIP_S, retries={"mode": "standard", "total_max_attempts": 2}
        )
        self._runtime = self._call(self._session.client, "sagemaker-runtime", config=config)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop waiting for results, and close the connections."""
        self._is_closed.set()
        self._runtime.close()

    @property
    def kind(self) -> EndpointKind:
        """How the endpoint is asked.

        Raises:
            EndpointError: there is no such endpoint, or AWS is not reached.
            ServerError: AWS does not tell.
        """
        if self._kind is None:
            found = self._look_up()
            self._kind, self._upload_to = found.kind, self._upload_to or found.upload_to
        return self._kind

    def speak(self, text: str, options: SpeechOptions | None = None) -> Speech:
        """Say a text and wait for all of it.

        Args:
            text: What to say.
            options: How to say it.

        Raises:
            OptionError: an option cannot be sent.
            ServerError: the model refused the request or failed; the message is its own.
            EndpointError: there is no such endpoint, or AWS is not reached.
            DeadlineError: an asynchronous result did not come in time.
            StreamError: a stream was not whole.
        """
        options = options or SpeechOptions()
        match self.kind:
            case EndpointKind.REALTIME:
                body = make_binary_request(text, options, want_wav=False)
                answer = self._call(
                    self._runtime.invoke_endpoint,
                    EndpointName=self.endpoint,
                    ContentType=body.content_type,
                    Body=body.content,
                )
                content = self._call(read_bounded, answer["Body"], MAX_ANSWER_BYTES)
                return read_binary_answer(content, answer["ContentType"])
            case EndpointKind.ASYNC:
                return self._speak_through_s3(text, options)
            case EndpointKind.STREAMING:
                return join(list(self._chunks(text, options)))

    def stream(self, text: str, options: SpeechOptions | None = None) -> Generator[AudioChunk]:
        """Say a text and get its sound in chunks while the rest is still being made; in one where nothing streams.

        Args:
            text: What to say.
            options: How to say it.

        Raises:
            S1ClientError: as :meth:`speak`.
        """
        options = options or SpeechOptions()
        started_s = time.perf_counter()
        if self.kind is EndpointKind.STREAMING:
            yield from self._chunks(text, options)
        else:
            speech = self.speak(text, options)
            arrival_s = time.perf_counter() - started_s
            yield AudioChunk(
                0, speech.samples, speech.sample_rate_hz, is_last=True, arrival_s=arrival_s, is_cut=speech.is_cut
            )

    def _chunks(self, text: str, options: SpeechOptions) -> Generator[AudioChunk]:
        body = make_stream_request(text, options)
        started_s = time.perf_counter()
        answer = self._call(
            self._runtime.invoke_endpoint_with_response_stream,
            EndpointName=self.endpoint,
            ContentType=body.content_type,
            Body=body.content,
        )
        joiner, check, num_chunks, is_complete = EventJoiner(), SoundCheck(ModelName.STREAM), 0, False
        with closing(answer["Body"]) as parts:
            events = iter(parts)
            while (part := self._call(next, events, None)) is not None:
                for event in joiner.feed(part.get("PayloadPart", {}).get("Bytes", b"")):
                    chunk = _chunk_of(event, time.perf_counter() - started_s, check)
                    if is_complete or chunk.index != num_chunks:
                        raise StreamGapError(None if is_complete else num_chunks, chunk.index)
                    num_chunks += 1
                    is_complete = chunk.is_last
                    yield chunk
        if not is_complete:
            raise EarlyEndError(num_chunks)

    def _speak_through_s3(self, text: str, options: SpeechOptions) -> Speech:
        upload_to = self._upload_to or self._look_up().upload_to
        if upload_to is None:
            raise EndpointError(self.endpoint, "it is not asynchronous: requests have no place in S3")
        self._upload_to = upload_to
        s3 = self._call(self._session.client, "s3")
        body = make_binary_request(text, options, want_wav=True)
        bucket, key = _parse_location(f"{upload_to}/{uuid.uuid4().hex}")
        self._call(s3.put_object, Bucket=bucket, Key=key, Body=body.content, ContentType=body.content_type)
        answer = self._call(
            self._runtime.invoke_endpoint_async,
            EndpointName=self.endpoint,
            ContentType=body.content_type,
            InputLocation=f"s3://{bucket}/{key}",
        )
        deadline_s = time.monotonic() + self.timeout_s
        while not self._is_closed.is_set():
            if (result := self._fetch(s3, answer["OutputLocation"])) is not None:
                return read_wav_answer(result)
            failure_at = answer.get("FailureLocation")
            if failure_at and (failure := self._fetch(s3, failure_at)) is not None:
                raise ServerError(None, read_error(failure.decode(errors="replace")))
            if time.monotonic() > deadline_s:
                raise DeadlineError(self.timeout_s)
            self._is_closed.wait(self.poll_s)
        raise S1ClientError("the client was closed while it waited for a result")

    def _fetch(self, s3: Any, location: str) -> bytes | None:
        """Content of an object; None if it is not there yet."""
        bucket, key = _parse_location(location)
        try:
            return read_bounded(s3.get_object(Bucket=bucket, Key=key)["Body"], MAX_TEXT_BYTES)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING_CODES:
                return None
            raise self._explain(error) from error
        except BotoCoreError as error:
            raise self._explain(error) from error

    def _look_up(self) -> "_Endpoint":
        """Ask AWS what kind of endpoint this is, and where its results go."""
        client = self._call(self._session.client, "sagemaker")
        endpoint = self._call(client.describe_endpoint, EndpointName=self.endpoint)
        config = self._call(client.describe_endpoint_config, EndpointConfigName=endpoint["EndpointConfigName"])
        asynchronous = config.get("AsyncInferenceConfig")
        if asynchronous:
            place = asynchronous["OutputConfig"]["S3OutputPath"].rstrip("/").rpartition("/")[0]
            return _Endpoint(EndpointKind.ASYNC, f"{place}/requests")
        model_name = config["ProductionVariants"][0]["ModelName"]
        model = self._call(client.describe_model, ModelName=model_name)
        environment: Mapping[str, str] = model["PrimaryContainer"].get("Environment", {})
        is_streaming = environment.get(Variable.INFERENCE_TYPE) == InferenceType.GENERATE_STREAM
        return _Endpoint(EndpointKind.STREAMING if is_streaming else EndpointKind.REALTIME)

    def _call(self, function: Any, *arguments: Any, **parameters: Any) -> Any:
        try:
            return function(*arguments, **parameters)
        except (ClientError, BotoCoreError, ValueError) as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> S1ClientError:
        """Make ours of an error of boto3."""
        if not isinstance(error, ClientError):
            return EndpointError(self.endpoint, " ".join(str(error).split()))
        details = error.response.get("Error", {})
        code, message = str(details.get("Code", "")), str(details.get("Message", error))
        if "OriginalMessage" in error.response:  # the container's own answer
            status = error.response.get("OriginalStatusCode")
            # Triton's SageMaker port answers 400 to whatever went wrong, so that it tells nothing
            told = {known.http_status: known for known in ErrorCode if known is not ErrorCode.INVALID_ARG}
            return ServerError(told.get(status), read_error(error.response["OriginalMessage"]))
        if "could not find" in message.lower() or "not found" in message.lower():
            return EndpointError(self.endpoint, message)
        return ServerError(ErrorCode.UNAVAILABLE if code in _BUSY_CODES else None, f"{code}: {message}")


def _chunk_of(event: Mapping[str, Any], arrival_s: float, check: SoundCheck) -> AudioChunk:
    try:
        samples = np.atleast_1d(np.array(event[Field.AUDIO], dtype=np.int16))  # a lone sample is no list
        sample_rate_hz = int(event[Field.SAMPLE_RATE])
        return AudioChunk(
            index=int(event[Field.CHUNK_INDEX]),
            samples=check.take(samples, sample_rate_hz),
            sample_rate_hz=sample_rate_hz,
            is_last=bool(event[Field.IS_LAST]),
            arrival_s=arrival_s,
            is_cut=bool(event.get(Field.IS_CUT, False)),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnexpectedAnswerError(ModelName.STREAM, f"an event without {error}: {json.dumps(event)[:80]}") from error


def _parse_location(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key
