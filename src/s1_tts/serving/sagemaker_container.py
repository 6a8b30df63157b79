"""What a SageMaker container is given: folders and its port. Imports nothing heavy."""

from pathlib import PurePosixPath

MODEL_FOLDER = PurePosixPath("/opt/ml/model")
"""Where SageMaker unpacks ``model.tar.gz``."""

CHECKPOINT_CHANNEL = "checkpoint"
"""Name of the checkpoint's folder in the archive, and of its channel when it comes from S3 by itself."""

PACKED_CHECKPOINT = MODEL_FOLDER / CHECKPOINT_CHANNEL

CHANNEL_CHECKPOINT = PurePosixPath("/opt/ml/additional-model-data-sources") / CHECKPOINT_CHANNEL
"""Where SageMaker puts a model's additional data source of this channel."""

DEFAULT_PORT = 8080
"""Where SageMaker asks for ``/ping`` and ``/invocations``."""
