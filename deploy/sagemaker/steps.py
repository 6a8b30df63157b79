"""The steps to an endpoint: each one's request, and whether AWS already has what it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.sagemaker import requests
from deploy.sagemaker.deployment import Deployment
from deploy.sagemaker.requests import SCALING, Request
from s1_protocol.sagemaker import EndpointKind

WAKING_POLICY_ARN = "<ARN of the policy NAME-wake, which AWS gives in its answer>"
"""Stands in the plan for the one value that is not known before."""


@dataclass(frozen=True)
class Step:
    """One thing to be made.

    Args:
        what: The thing, in words.
        request: Makes it, or brings it to what it is to be.
        look: Asks for it.
        found_in: Key of the list in the answer to ``look``; none: that it answers is enough, because the thing's name
            follows from what it is.
    """

    what: str
    request: Request
    look: Request
    found_in: str | None = None

    def is_done(self, found: Mapping[str, Any] | None) -> bool:
        """Whether AWS has it as it is to be, by its answer to ``look``."""
        if found is None:
            return False
        if self.found_in is None:
            return True
        wanted = {name: value for name, value in self.request.parameters.items() if name != "Tags"}
        return any(is_part(wanted, item) for item in found.get(self.found_in, ()))


def is_part(wanted: Any, found: Any) -> bool:
    """Whether all that is wanted is there; AWS adds fields of its own."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and is_part(value, found[name]) for name, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return len(wanted) == len(found) and all(map(is_part, wanted, found))
    return bool(wanted == found)


def steps_before_endpoint(deployment: Deployment) -> list[Step]:
    """What the endpoint needs."""
    steps = []
    if deployment.kind is EndpointKind.ASYNC:
        for name in (requests.success_topic(deployment.name), requests.error_topic(deployment.name)):
            look = Request("sns", "get_topic_attributes", {"TopicArn": deployment.topic_arn(name)})
            steps.append(Step(f"topic {name}", requests.create_topic(deployment, name), look))
    model = requests.create_model(deployment)
    model_name = model.parameters["ModelName"]
    steps.append(Step(f"model {model_name}", model, Request("sagemaker", "describe_model", {"ModelName": model_name})))
    config = requests.create_endpoint_config(deployment, model_name)
    config_name = config.parameters["EndpointConfigName"]
    look = Request("sagemaker", "describe_endpoint_config", {"EndpointConfigName": config_name})
    return [*steps, Step(f"configuration {config_name}", config, look)]


def steps_of_scaling(deployment: Deployment) -> list[Step]:
    """What makes the number of machines follow the backlog; the alarm comes after, by :func:`step_of_alarm`."""
    if deployment.kind is not EndpointKind.ASYNC:
        return []
    resource = requests.scaled_resource(deployment.name)
    look = Request(
        "application-autoscaling",
        "describe_scalable_targets",
        {**SCALING, "ResourceIds": [resource]},
    )
    target = Step("scalable target", requests.register_scalable_target(deployment), look, "ScalableTargets")
    look = Request("application-autoscaling", "describe_scaling_policies", {**SCALING, "ResourceId": resource})
    policies = (requests.put_scaling_policy(deployment), requests.put_waking_policy(deployment))
    return [
        target,
        *(Step(f"policy {put.parameters['PolicyName']}", put, look, "ScalingPolicies") for put in policies),
    ]


def step_of_alarm(deployment: Deployment, policy_arn: str) -> Step:
    """What starts the first machine."""
    put = requests.put_waking_alarm(deployment, policy_arn)
    name = put.parameters["AlarmName"]
    look = Request("cloudwatch", "describe_alarms", {"AlarmNames": [name]})
    return Step(f"alarm {name}", put, look, "MetricAlarms")


def plan(deployment: Deployment) -> list[Request]:
    """All requests that make the endpoint where there is nothing yet, in order."""
    before = [step.request for step in steps_before_endpoint(deployment)]
    endpoint = requests.create_endpoint(deployment, before[-1].parameters["EndpointConfigName"])
    after = [step.request for step in steps_of_scaling(deployment)]
    if deployment.kind is EndpointKind.ASYNC:
        after.append(step_of_alarm(deployment, WAKING_POLICY_ARN).request)
    return [*before, endpoint, *after]
