"""How releases of Triton behave where they differ, and which release a server is.

Two releases have been looked at: 24.10 and 26.07. The tests ask the server that runs for its version and hold it to its
own row, so that they pass on either, and fail where a later release changes something again.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Release:
    """What one release does.

    Args:
        name: Of the release.
        dying_model_is_seen: Whether a model's dead process takes the server's readiness away.
        model_may_be_unready: Whether a model's ``is_ready()`` is asked.
        json_body_is_bounded: Whether HTTP refuses a body of JSON beyond 64 MiB.
        prefix_is_repeated: Whether an ensemble's error gets "in ensemble ..." again for what still comes after it.
        code_survives_model_call: Whether the code of an error reaches a model that called another.
        late_error_reaches_caller: Whether an error after the first response reaches a model that called another.
        model_call_can_be_cancelled: Whether the responses of such a call have ``cancel()``.
        response_has_parameters: Whether a model may put parameters on a response.
        has_first_response_histogram: Whether the times to the first response can be had as a metric.
        has_load_time_metric: Whether the time that a model took to load is one.
        requests_in_flight_can_be_bounded: Whether an ensemble's ``max_inflight_requests`` loads.
        sagemaker_streams: Whether SageMaker's port answers with server-sent events when asked to.
        streams_outlive_sigterm: Whether a gRPC stream through an ensemble comes to its end within the exit timeout.
        model_process_dies_noisily: Whether the end of a model's process is written as a fatal error.
        downstream_error_waits: Whether an error of a later step is told only when the earlier step has ended.
        idle_stop_s: What a stop takes that has nothing to wait for.
    """

    name: str
    dying_model_is_seen: bool
    model_may_be_unready: bool
    json_body_is_bounded: bool
    prefix_is_repeated: bool
    code_survives_model_call: bool
    late_error_reaches_caller: bool
    model_call_can_be_cancelled: bool
    response_has_parameters: bool
    has_first_response_histogram: bool
    has_load_time_metric: bool
    requests_in_flight_can_be_bounded: bool
    sagemaker_streams: bool
    streams_outlive_sigterm: bool
    model_process_dies_noisily: bool
    downstream_error_waits: bool
    idle_stop_s: float


RELEASE_24_10: Final = Release(
    name="24.10",
    dying_model_is_seen=False,
    model_may_be_unready=False,
    json_body_is_bounded=False,
    prefix_is_repeated=False,
    code_survives_model_call=False,
    late_error_reaches_caller=False,
    model_call_can_be_cancelled=False,
    response_has_parameters=False,
    has_first_response_histogram=False,
    has_load_time_metric=False,
    requests_in_flight_can_be_bounded=False,
    sagemaker_streams=False,
    streams_outlive_sigterm=False,
    model_process_dies_noisily=False,
    downstream_error_waits=False,
    idle_stop_s=1.7,
)

RELEASE_26_07: Final = Release(
    name="26.07",
    dying_model_is_seen=True,
    model_may_be_unready=True,
    json_body_is_bounded=True,
    prefix_is_repeated=True,
    code_survives_model_call=True,
    late_error_reaches_caller=True,
    model_call_can_be_cancelled=True,
    response_has_parameters=True,
    has_first_response_histogram=True,
    has_load_time_metric=True,
    requests_in_flight_can_be_bounded=True,
    sagemaker_streams=True,
    streams_outlive_sigterm=True,
    model_process_dies_noisily=True,
    downstream_error_waits=True,
    idle_stop_s=3.2,
)

_FIRST_VERSIONS: Final = (((2, 71), RELEASE_26_07), ((2, 51), RELEASE_24_10))
"""Of the server, as its metadata tells it; the newest first."""


def release_of(version: str) -> Release:
    """The row of a server.

    Args:
        version: As its metadata tells it, such as ``2.51.0``.

    Raises:
        LookupError: nobody has written down how it behaves.
    """
    number = tuple(map(int, version.split(".")[:2]))
    for first, release in _FIRST_VERSIONS:
        if number == first or (number > first and release is RELEASE_26_07):
            return release
    raise LookupError(
        f"server {version}: nobody has written down how it behaves; add it to tests/triton/releases/table.py"
    )
