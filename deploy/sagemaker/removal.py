"""Remove what was made for an endpoint: all of it, or versions that it no longer uses."""

from collections.abc import Iterator

from rich.console import Console

from deploy.sagemaker import requests
from deploy.sagemaker.aws import Aws
from deploy.sagemaker.bucket import S3Location
from deploy.sagemaker.requests import OWNER_TAG, SCALING, Request
from deploy.sagemaker.waiting import EndpointStateError, Patience, wait_until_gone, wait_until_settled

_OBJECTS_A_REQUEST = 1000


def remove_endpoint(aws: Aws, name: str, patience: Patience, console: Console) -> Iterator[str]:
    """Remove an endpoint and all that was made for it but its data; what is gone already is no fault.

    Yields:
        What has just been removed.

    Raises:
        EndpointStateError: it is not ours, or does not go away in time.
        AwsError: AWS refused a step; what was not yet removed is still there, and the same call goes on.
    """
    endpoint = wait_until_settled(aws, name, patience, console)
    if endpoint is not None:
        check_owner(aws, name, str(endpoint["EndpointArn"]))
    yield from _remove_scaling(aws, name)
    if endpoint is not None:
        aws.send(Request("sagemaker", "delete_endpoint", {"EndpointName": name}))
        wait_until_gone(aws, name, patience, console)
        yield f"endpoint {name}"
    yield from remove_old_versions(aws, name, kept=set())
    yield from _remove_topics(aws, name)


def check_owner(aws: Aws, name: str, arn: str) -> None:
    """Check that an endpoint was made by this script.

    Raises:
        EndpointStateError: it was not.
        AwsError: it cannot be asked.
    """
    tags = aws.send(Request("sagemaker", "list_tags", {"ResourceArn": arn}))["Tags"]
    if {"Key": OWNER_TAG, "Value": name} not in tags:
        raise EndpointStateError(
            f"the endpoint {name} was not made by this script: it lacks the tag {OWNER_TAG}={name}"
        )


def remove_old_versions(aws: Aws, name: str, kept: set[str]) -> Iterator[str]:
    """Remove configurations and models of an endpoint, but for those that are kept."""
    pattern = requests.versioned_name(name)
    kinds = (("endpoint_config", "EndpointConfigs", "EndpointConfigName"), ("model", "Models", "ModelName"))
    for thing, listed_in, key in kinds:
        pages = aws.pages(Request("sagemaker", f"list_{thing}s", {"NameContains": name}))
        found = [item[key] for page in pages for item in page[listed_in]]
        for old in sorted(set(filter(pattern.fullmatch, found)) - kept):
            aws.send(Request("sagemaker", f"delete_{thing}", {key: old}))
            yield f"{thing.replace('_', ' ')} {old}"


def remove_data(aws: Aws, storage: S3Location, name: str) -> int:
    """Remove all objects below ``<storage>/<name>/``: archives, requests and results.

    Returns:
        How many there were.
    """
    place = storage / name
    look = Request("s3", "list_objects_v2", {"Bucket": place.bucket, "Prefix": f"{place.key}/"})
    keys = [item["Key"] for page in aws.pages(look) for item in page.get("Contents", [])]
    for start in range(0, len(keys), _OBJECTS_A_REQUEST):
        objects = [{"Key": key} for key in keys[start : start + _OBJECTS_A_REQUEST]]
        aws.send(Request("s3", "delete_objects", {"Bucket": place.bucket, "Delete": {"Objects": objects}}))
    return len(keys)


def plan_of_removal(name: str) -> list[Request]:
    """Requests that remove an endpoint, as far as they can be told without asking AWS what there is."""
    policies = (requests.scaling_policy(name), requests.waking_policy(name))
    return [
        _delete_alarm(name),
        *(_delete_policy(name, policy) for policy in policies),
        _deregister(name),
        Request("sagemaker", "delete_endpoint", {"EndpointName": name}),
    ]


def _remove_scaling(aws: Aws, name: str) -> Iterator[str]:
    alarm = requests.waking_policy(name)
    if aws.send(Request("cloudwatch", "describe_alarms", {"AlarmNames": [alarm]})).get("MetricAlarms"):
        aws.send(_delete_alarm(name))
        yield f"alarm {alarm}"
    service, resource = "application-autoscaling", requests.scaled_resource(name)
    look = Request(service, "describe_scaling_policies", {**SCALING, "ResourceId": resource})
    for policy in aws.send(look)["ScalingPolicies"]:
        aws.send(_delete_policy(name, policy["PolicyName"]))
        yield f"policy {policy['PolicyName']}"
    look = Request(service, "describe_scalable_targets", {**SCALING, "ResourceIds": [resource]})
    if aws.send(look)["ScalableTargets"]:
        aws.send(_deregister(name))
        yield "scalable target"


def _remove_topics(aws: Aws, name: str) -> Iterator[str]:
    names = (requests.success_topic(name), requests.error_topic(name))
    arns = [topic["TopicArn"] for page in aws.pages(Request("sns", "list_topics", {})) for topic in page["Topics"]]
    for arn in arns:
        topic = arn.rpartition(":")[2]
        if topic not in names:
            continue
        tags = aws.send(Request("sns", "list_tags_for_resource", {"ResourceArn": arn}))["Tags"]
        if {"Key": OWNER_TAG, "Value": name} in tags:
            aws.send(Request("sns", "delete_topic", {"TopicArn": arn}))
            yield f"topic {topic}"


def _delete_alarm(name: str) -> Request:
    return Request("cloudwatch", "delete_alarms", {"AlarmNames": [requests.waking_policy(name)]})


def _delete_policy(name: str, policy: str) -> Request:
    parameters = {"PolicyName": policy, **SCALING, "ResourceId": requests.scaled_resource(name)}
    return Request("application-autoscaling", "delete_scaling_policy", parameters)


def _deregister(name: str) -> Request:
    parameters = {**SCALING, "ResourceId": requests.scaled_resource(name)}
    return Request("application-autoscaling", "deregister_scalable_target", parameters)
