"""What a SageMaker container is given: folders, environment variables, kinds of endpoint. Imports nothing heavy."""

from enum import StrEnum
from pathlib import PurePosixPath

from s1_tts.protocol import ModelName

MODEL_FOLDER = PurePosixPath("/opt/ml/model")
"""Where SageMaker unpacks ``model.tar.gz``."""

CHECKPOINT_CHANNEL = "checkpoint"
"""Name of the checkpoint's folder in the archive, and of its channel when it comes from S3 by itself."""

PACKED_CHECKPOINT = MODEL_FOLDER / CHECKPOINT_CHANNEL

CHANNEL_CHECKPOINT = PurePosixPath("/opt/ml/additional-model-data-sources") / CHECKPOINT_CHANNEL
"""Where SageMaker puts a model's additional data source of this channel."""

DEFAULT_PORT = 8080
"""Where SageMaker asks for ``/ping`` and ``/invocations``."""


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
