"""What an endpoint is to be, checked before anything is sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.sagemaker.bucket import S3Location
from s1_protocol.errors import SettingsError
from s1_protocol.sagemaker import EndpointKind, Variable
from s1_tts.serving.sagemaker_container import CHANNEL_CHECKPOINT, PACKED_CHECKPOINT
from s1_tts.settings import ENV_PREFIX, Settings

GPU_IMAGE = "al2023-ami-sagemaker-inference-gpu-4-1"
"""SageMaker's machine image with NVIDIA's driver 580, which Triton releases on CUDA 13 want."""

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,51}")
_ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/\S+")
_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/\S+[:@]\S+")
_GPU_FAMILY = re.compile(r"ml\.(g|p)\d")
_SETTING_OF_THE_CONTAINER = f"{ENV_PREFIX}CHECKPOINT"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """An endpoint to be made.

    Args:
        kind: How it is asked.
        name: Name of the endpoint; all that is made for it begins with it.
        image: Our image in ECR.
        role_arn: IAM role that the container has.
        region: AWS region.
        model_data: ``model.tar.gz``.
        checkpoint: Uncompressed checkpoint, if it is not in ``model_data``.
        instance_type: SageMaker's name of a machine.
        num_instances: Machines; with ``async`` at the start only.
        max_instances: Machines at most, with ``async``.
        storage: Where results of ``async`` go, below ``<storage>/<name>/``.
        concurrency: Requests that a machine is given at a time, with ``async``.
        backlog_per_instance: Waiting requests a machine that scaling aims at, with ``async``.
        settings: ``S1_*`` variables for the container.
    """

    kind: EndpointKind
    name: str
    image: str
    role_arn: str
    region: str
    model_data: S3Location
    checkpoint: S3Location | None = None
    instance_type: str = "ml.g5.xlarge"
    num_instances: int = 1
    max_instances: int = 2
    storage: S3Location | None = None
    concurrency: int = 8
    backlog_per_instance: float = 8.0
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        _check("role", self.role_arn, _ROLE, "arn:aws:iam::ACCOUNT:role/NAME")
        _check(
            "image", self.image, _IMAGE, "ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG, since SageMaker takes ECR only"
        )
        if self.kind is EndpointKind.ASYNC and self.storage is None:
            raise SettingsError("async needs a place for its results: --s3 s3://BUCKET/PREFIX")
        if self.max_instances < self.num_instances:
            raise SettingsError(f"max-instances: got {self.max_instances}; allowed: {self.num_instances} or more")
        known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields} - {_SETTING_OF_THE_CONTAINER}
        for name in self.settings:
            if name not in known:
                raise SettingsError(
                    f"setting {name} is unknown or not to be given here; allowed: {', '.join(sorted(known))}"
                )

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the container."""
        inference_type = self.kind.inference_type
        return {
            **self.settings,
            _SETTING_OF_THE_CONTAINER: str(CHANNEL_CHECKPOINT if self.checkpoint else PACKED_CHECKPOINT),
            Variable.MODEL.value: inference_type.model.value,
            Variable.INFERENCE_TYPE.value: inference_type.value,
        }

    @property
    def has_gpu(self) -> bool:
        """Whether the machines have NVIDIA GPUs."""
        return _GPU_FAMILY.match(self.instance_type) is not None

    def topic_arn(self, topic_name: str) -> str:
        """ARN that an SNS topic of this account has."""
        _, partition, _, _, account, _ = self.role_arn.split(":", 5)  # the role's form was checked at the start
        return f"arn:{partition}:sns:{self.region}:{account}:{topic_name}"


def check_name(name: str) -> None:
    """Check the name of an endpoint.

    Raises:
        SettingsError: it cannot be one of ours.
    """
    _check("name", name, _NAME, "letters, digits and hyphens, at most 52, no hyphen at either end")


def _check(name: str, value: str, pattern: re.Pattern[str], allowed: str) -> None:
    if pattern.fullmatch(value) is None:
        raise SettingsError(f"{name}: got {value!r}; allowed: {allowed}")
