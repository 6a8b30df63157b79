"""What a SageMaker endpoint and its callers have to agree on."""

from enum import StrEnum

from s1_protocol.names import ModelName

SAGEMAKER_BINARY_TYPE = "application/vnd.sagemaker-triton.binary+json;json-header-size="
"""Content type of a body that begins with JSON and goes on with raw tensors; the size of the JSON follows."""


class Variable(StrEnum):
    """Environment variables that the ``serve`` script of Triton's SageMaker container reads as well."""

    PORT = "SAGEMAKER_BIND_TO_PORT"
    SAFE_PORTS = "SAGEMAKER_SAFE_PORT_RANGE"
    MULTI_MODEL = "SAGEMAKER_MULTI_MODEL"
    MODEL = "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME"
    INFERENCE_TYPE = "SAGEMAKER_TRITON_INFERENCE_TYPE"
    METRICS_PORT = "SAGEMAKER_TRITON_METRICS_PORT"
    GRPC_PORT = "SAGEMAKER_TRITON_GRPC_PORT"
    ADDITIONAL_ARGUMENTS = "SAGEMAKER_TRITON_ADDITIONAL_ARGS"


class InferenceType(StrEnum):
    """How Triton answers ``/invocations``; everything but ``infer`` needs release 25.03 or later."""

    INFER = "infer"
    """The KServe v2 protocol, one answer."""

    GENERATE_STREAM = "generate_stream"
    """Server-sent events."""

    @property
    def model(self) -> ModelName:
        """The model that is asked."""
        return ModelName.ONE_ANSWER if self is InferenceType.INFER else ModelName.STREAM


class EndpointKind(StrEnum):
    """How an endpoint is asked."""

    REALTIME = "realtime"
    """One answer within SageMaker's 60 seconds."""

    STREAMING = "streaming"
    """Sound while the rest is still being made."""

    ASYNC = "async"
    """From S3 to S3, within an hour; no machine is paid for while nothing is asked."""

    @property
    def inference_type(self) -> InferenceType:
        """How Triton answers such an endpoint."""
        return InferenceType.GENERATE_STREAM if self is EndpointKind.STREAMING else InferenceType.INFER
