"""The requests that make an endpoint, word for word as they are sent."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.sagemaker.deployment import GPU_IMAGE, Deployment
from s1_protocol.sagemaker import EndpointKind
from s1_tts.serving.sagemaker_container import CHECKPOINT_CHANNEL

VARIANT = "main"
OWNER_TAG = "s1-tts:endpoint"
"""Tag with the endpoint's name on all that is made for it and can be tagged."""

SCALING = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}

_DIGITS = 10
_DOWNLOAD_TIMEOUT_S = 1800
_START_TIMEOUT_S = 1200
_SCALE_IN_COOLDOWN_S = 600
_SCALE_OUT_COOLDOWN_S = 120
_METRICS = "AWS/SageMaker"


@dataclass(frozen=True)
class Request:
    """One call of an AWS API.

    Args:
        service: Service, as boto3 names it.
        operation: Method of boto3's client.
        parameters: Its arguments.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]

    def describe(self) -> dict[str, Any]:
        """As it is printed."""
        return {"service": self.service, "operation": self.operation, "parameters": dict(self.parameters)}


def success_topic(name: str) -> str:
    """Name of the SNS topic that tells of results."""
    return f"{name}-success"


def error_topic(name: str) -> str:
    """Name of the SNS topic that tells of failures."""
    return f"{name}-error"


def scaling_policy(name: str) -> str:
    """Name of the policy that scales with the backlog, down to zero."""
    return f"{name}-backlog"


def waking_policy(name: str) -> str:
    """Name of the policy that starts the first machine; its alarm has the same name."""
    return f"{name}-wake"


def scaled_resource(name: str) -> str:
    """What is scaled, as Application Auto Scaling names it."""
    return f"endpoint/{name}/variant/{VARIANT}"


def versioned_name(name: str) -> re.Pattern[str]:
    """What the names of an endpoint's models and configurations look like."""
    return re.compile(rf"{re.escape(name)}-[0-9a-f]{{{_DIGITS}}}")


def create_model(deployment: Deployment) -> Request:
    """The model: image, files, environment. Its name follows from these, since AWS's models cannot be changed."""
    container: dict[str, Any] = {
        "Image": deployment.image,
        "ModelDataUrl": str(deployment.model_data),
        "Environment": deployment.environment,
    }
    if deployment.checkpoint is not None:
        source = {
            "S3Uri": deployment.checkpoint.as_folder,
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
        container["AdditionalModelDataSources"] = [{"ChannelName": CHECKPOINT_CHANNEL, "S3DataSource": source}]
    parameters = {"ExecutionRoleArn": deployment.role_arn, "PrimaryContainer": container, "Tags": _tags(deployment)}
    return Request("sagemaker", "create_model", {"ModelName": _versioned(deployment, parameters), **parameters})


def create_endpoint_config(deployment: Deployment, model_name: str) -> Request:
    """The configuration: machines and, with ``async``, where results go."""
    variant: dict[str, Any] = {
        "VariantName": VARIANT,
        "ModelName": model_name,
        "InstanceType": deployment.instance_type,
        "InitialInstanceCount": deployment.num_instances,
        "ModelDataDownloadTimeoutInSeconds": _DOWNLOAD_TIMEOUT_S,
        "ContainerStartupHealthCheckTimeoutInSeconds": _START_TIMEOUT_S,
    }
    if deployment.has_gpu:
        variant["InferenceAmiVersion"] = GPU_IMAGE
    parameters: dict[str, Any] = {"ProductionVariants": [variant], "Tags": _tags(deployment)}
    if deployment.kind is EndpointKind.ASYNC and deployment.storage is not None:
        place = deployment.storage / deployment.name
        parameters["AsyncInferenceConfig"] = {
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": deployment.concurrency},
            "OutputConfig": {
                "S3OutputPath": str(place / "output"),
                "S3FailurePath": str(place / "failure"),
                "NotificationConfig": {
                    "SuccessTopic": deployment.topic_arn(success_topic(deployment.name)),
                    "ErrorTopic": deployment.topic_arn(error_topic(deployment.name)),
                },
            },
        }
    name = _versioned(deployment, parameters)
    return Request("sagemaker", "create_endpoint_config", {"EndpointConfigName": name, **parameters})


def create_endpoint(deployment: Deployment, config_name: str) -> Request:
    """The endpoint."""
    parameters = {"EndpointName": deployment.name, "EndpointConfigName": config_name, "Tags": _tags(deployment)}
    return Request("sagemaker", "create_endpoint", parameters)


def update_endpoint(deployment: Deployment, config_name: str) -> Request:
    """Another configuration for the endpoint, in place: the old machines serve until the new ones do."""
    parameters = {
        "EndpointName": deployment.name,
        "EndpointConfigName": config_name,
        # what scaling has made of the number of machines stays as it is
        "RetainAllVariantProperties": deployment.kind is EndpointKind.ASYNC,
    }
    return Request("sagemaker", "update_endpoint", parameters)


def create_topic(deployment: Deployment, topic_name: str) -> Request:
    """An SNS topic."""
    return Request("sns", "create_topic", {"Name": topic_name, "Tags": _tags(deployment)})


def register_scalable_target(deployment: Deployment) -> Request:
    """That the number of machines may change, down to none."""
    parameters = {
        **SCALING,
        "ResourceId": scaled_resource(deployment.name),
        "MinCapacity": 0,
        "MaxCapacity": deployment.max_instances,
    }
    return Request("application-autoscaling", "register_scalable_target", parameters)


def put_scaling_policy(deployment: Deployment) -> Request:
    """As many machines as the backlog wants; it cannot start the first one, which has no backlog of its own."""
    metric = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": _METRICS,
        "Dimensions": [{"Name": "EndpointName", "Value": deployment.name}],
        "Statistic": "Average",
    }
    parameters = {
        "PolicyName": scaling_policy(deployment.name),
        **SCALING,
        "ResourceId": scaled_resource(deployment.name),
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": deployment.backlog_per_instance,
            "CustomizedMetricSpecification": metric,
            "ScaleInCooldown": _SCALE_IN_COOLDOWN_S,
            "ScaleOutCooldown": _SCALE_OUT_COOLDOWN_S,
        },
    }
    return Request("application-autoscaling", "put_scaling_policy", parameters)


def put_waking_policy(deployment: Deployment) -> Request:
    """One machine more; the alarm calls it when something waits and there is none."""
    parameters = {
        "PolicyName": waking_policy(deployment.name),
        **SCALING,
        "ResourceId": scaled_resource(deployment.name),
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": _SCALE_OUT_COOLDOWN_S,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        },
    }
    return Request("application-autoscaling", "put_scaling_policy", parameters)


def put_waking_alarm(deployment: Deployment, policy_arn: str) -> Request:
    """The alarm for requests that wait while there is no machine."""
    parameters = {
        "AlarmName": waking_policy(deployment.name),
        "AlarmActions": [policy_arn],
        "MetricName": "HasBacklogWithoutCapacity",
        "Namespace": _METRICS,
        "Dimensions": [{"Name": "EndpointName", "Value": deployment.name}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
    }
    return Request("cloudwatch", "put_metric_alarm", parameters)


def _tags(deployment: Deployment) -> list[dict[str, str]]:
    return [{"Key": OWNER_TAG, "Value": deployment.name}]


def _versioned(deployment: Deployment, parameters: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    return f"{deployment.name}-{digest[:_DIGITS]}"
