"""What can go wrong for a caller, each with a type of its own."""

from s1_protocol.errors import ErrorCode


class S1ClientError(Exception):
    """Base of every error the client raises."""


class OptionError(S1ClientError, ValueError):
    """An option cannot be sent at all: its value does not fit the tensor.

    Args:
        field: Name of the option.
        fault: What is wrong with the value.
    """

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field}: {fault}")
        self.field = field


class UnreachableError(S1ClientError):
    """No server answers.

    Args:
        url: Host and port that were tried.
        detail: What the connection says.
    """

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(f"no server answers at {url} ({detail})")
        self.url = url


class ForkError(S1ClientError):
    """This process was forked from one that had used gRPC, in which no call would ever return."""

    def __init__(self) -> None:
        super().__init__(
            "this process was forked after a client was used, and gRPC does not outlive that; use clients only after "
            "the fork, or start processes with multiprocessing's 'spawn' or 'forkserver'"
        )


class EndpointError(S1ClientError):
    """A SageMaker endpoint cannot be asked: there is none, AWS is not reached, or AWS's own settings are wrong.

    Args:
        endpoint: Its name.
        detail: What AWS or its library says.
    """

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(f"the SageMaker endpoint {endpoint} cannot be asked: {detail}")
        self.endpoint = endpoint


class DeadlineError(S1ClientError):
    """The caller's ``deadline_s`` passed; the request is cancelled on the server. A job that is waited for goes on.

    Args:
        deadline_s: The deadline, from the first sending of the request.
    """

    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"not finished within the deadline of {deadline_s:g} s")
        self.deadline_s = deadline_s


class ServerError(S1ClientError):
    """The server refused the request or failed; ``str(error)`` is its own message.

    Args:
        code: What happened; none if the server did not say.
        message: The server's message.
    """

    def __init__(self, code: ErrorCode | None, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class HttpError(ServerError):
    """A gateway refused the request or failed.

    Args:
        status: HTTP status.
        message: The gateway's message.
        reason: Its own word for what happened, such as ``quota_exceeded``; none if something before it answered.
        field: What it finds wrong, such as ``items.3.text``; none if it is no field.
        retry_after_s: When asking again may help; None: it does not.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str | None = None,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(_CODES_OF_STATUS.get(status), message)
        self.status = status
        self.reason = reason
        self.field = field
        self.retry_after_s = retry_after_s


_CODES_OF_STATUS = {
    400: ErrorCode.INVALID_ARG,
    404: ErrorCode.NOT_FOUND,
    429: ErrorCode.UNAVAILABLE,
    500: ErrorCode.INTERNAL,
    502: ErrorCode.UNAVAILABLE,
    503: ErrorCode.UNAVAILABLE,
    504: ErrorCode.UNAVAILABLE,
}


class CutShortError(S1ClientError):
    """The speech ended before all of the text was said, and the request had set no ``max_frames`` of its own.

    Args:
        duration_s: Length of the sound that came.
    """

    def __init__(self, duration_s: float) -> None:
        super().__init__(f"the speech was cut after {duration_s:.1f} s, before all of the text was said")
        self.duration_s = duration_s


class StreamError(S1ClientError):
    """The chunks that came are not a whole stream."""


class StreamGapError(StreamError):
    """A chunk is missing, doubled, out of order, or comes after the last one.

    Args:
        expected: Index that had to come; none after the last chunk.
        got: Index that came.
    """

    def __init__(self, expected: int | None, got: int) -> None:
        super().__init__(f"chunk {got} came {'after the last one' if expected is None else f'instead of {expected}'}")
        self.expected = expected
        self.got = got


class EarlyEndError(StreamError):
    """The stream ended before its last chunk.

    Args:
        num_chunks: Chunks that came.
    """

    def __init__(self, num_chunks: int) -> None:
        super().__init__(f"the stream ended after {num_chunks} chunk(s) without its last one")
        self.num_chunks = num_chunks


class StallError(StreamError):
    """No chunk came for too long; the request is cancelled on the server.

    Args:
        num_chunks: Chunks that came before.
        timeout_s: How long the next one was waited for.
    """

    def __init__(self, num_chunks: int, timeout_s: float) -> None:
        super().__init__(f"nothing came for {timeout_s:g} s after {num_chunks} chunk(s)")
        self.num_chunks = num_chunks
        self.timeout_s = timeout_s


class UnexpectedAnswerError(S1ClientError):
    """The server's answer is not what this client knows: it serves another model or version.

    Args:
        model: Name of the model asked.
        fault: What is wrong with the answer.
    """

    def __init__(self, model: str, fault: str) -> None:
        super().__init__(f"{model} answered with {fault}")
        self.model = model
