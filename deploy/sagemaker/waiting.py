"""Wait for an endpoint, with a progress bar."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.sagemaker.aws import Aws
from deploy.sagemaker.requests import Request
from s1_protocol.errors import S1Error

_CHANGING = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}


class EndpointStateError(S1Error):
    """An endpoint did not become what it was to be."""


@dataclass(frozen=True)
class Patience:
    """How an endpoint is waited for.

    Args:
        timeout_s: Longest time.
        poll_s: Pause between two looks.
    """

    timeout_s: float = 2400.0
    poll_s: float = 10.0


def describe(name: str) -> Request:
    """Ask how an endpoint is."""
    return Request("sagemaker", "describe_endpoint", {"EndpointName": name})


def wait_until_in_service(aws: Aws, name: str, patience: Patience, console: Console) -> Mapping[str, Any]:
    """Wait until an endpoint takes requests.

    Returns:
        AWS's description.

    Raises:
        EndpointStateError: it failed, or the time passed.
        AwsError: it cannot be asked.
    """
    endpoint = wait_until_settled(aws, name, patience, console)
    if endpoint is None:
        raise EndpointStateError(f"the endpoint {name} has gone while it was waited for")
    if _status(endpoint) != "InService":
        reason = endpoint.get("FailureReason", "AWS tells no reason; the container's log in CloudWatch may")
        raise EndpointStateError(f"the endpoint {name} is {_status(endpoint)}: {reason}")
    return endpoint


def wait_until_gone(aws: Aws, name: str, patience: Patience, console: Console) -> None:
    """Wait until there is no such endpoint any more.

    Raises:
        EndpointStateError: the time passed.
        AwsError: it cannot be asked.
    """
    _wait(aws, name, patience, console, lambda found: found is None)


def wait_until_settled(aws: Aws, name: str, patience: Patience, console: Console) -> Mapping[str, Any] | None:
    """Wait until nothing changes at an endpoint any more.

    Returns:
        AWS's description; None if there is no such endpoint.

    Raises:
        EndpointStateError: the time passed.
        AwsError: it cannot be asked.
    """
    return _wait(aws, name, patience, console, lambda found: found is None or _status(found) not in _CHANGING)


def _wait(
    aws: Aws,
    name: str,
    patience: Patience,
    console: Console,
    is_over: Callable[[Mapping[str, Any] | None], bool],
) -> Mapping[str, Any] | None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    started_s = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=patience.timeout_s)
        while not is_over(found := aws.find(describe(name))):
            spent_s = time.monotonic() - started_s
            status = _status(found) if found else "gone"
            if spent_s > patience.timeout_s:
                raise EndpointStateError(
                    f"the endpoint {name} is still {status} after {patience.timeout_s:g} s; AWS goes on with it, and "
                    "the same command waits on"
                )
            progress.update(task, completed=spent_s, description=f"{name}: {status}")
            time.sleep(patience.poll_s)
    return found


def _status(endpoint: Mapping[str, Any]) -> str:
    return str(endpoint["EndpointStatus"])
