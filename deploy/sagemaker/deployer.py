"""Make an endpoint or bring it to what it is to be; a second run finds nothing to do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from deploy.sagemaker import requests
from deploy.sagemaker.aws import Aws
from deploy.sagemaker.bucket import S3Location
from deploy.sagemaker.deployment import Deployment
from deploy.sagemaker.removal import check_owner, remove_old_versions
from deploy.sagemaker.requests import Request
from deploy.sagemaker.steps import Step, step_of_alarm, steps_before_endpoint, steps_of_scaling
from deploy.sagemaker.waiting import EndpointStateError, Patience, wait_until_in_service, wait_until_settled
from s1_protocol.errors import S1Error
from s1_protocol.sagemaker import EndpointKind


class DeploymentError(S1Error):
    """A step failed; the message says which, what is there by now, and how to go on."""


@dataclass
class Deployer:
    """Takes the steps to an endpoint.

    Args:
        aws: Where to.
        deployment: What is to be there.
        console: Where progress is told.
        patience: How long the endpoint is waited for.
        archive: File to be put at the deployment's ``model_data``, if it is not there yet.
        made: What this run has made or changed so far.
    """

    aws: Aws
    deployment: Deployment
    console: Console
    patience: Patience = field(default_factory=Patience)
    archive: Path | None = None
    made: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Take all steps.

        Raises:
            DeploymentError: one failed.
        """
        name = self.deployment.name
        if self.archive is not None:
            self._attempt(f"upload to {self.deployment.model_data}", self._upload)
        before = steps_before_endpoint(self.deployment)
        self._attempt(f"endpoint {name}", self._check_existing)
        for step in before:
            self._take(step)
        self._attempt(f"endpoint {name}", lambda: self._set_up(before[-1].request.parameters["EndpointConfigName"]))
        for step in steps_of_scaling(self.deployment):
            self._take(step)
        if self.deployment.kind is EndpointKind.ASYNC:
            self._attempt(f"alarm {requests.waking_policy(name)}", self._find_policy_and_take_alarm)
        self._attempt("removal of former versions", self._remove_old)

    def _attempt(self, what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except S1Error as error:
            made = f"made so far: {', '.join(self.made)}" if self.made else "this run has made nothing"
            raise DeploymentError(
                f"{what}: {error}; {made}. The same command goes on from here, `delete {self.deployment.name}` removes "
                "all of it"
            ) from error

    def _take(self, step: Step) -> None:
        def action() -> None:
            if step.is_done(self.aws.find(step.look)):
                self._tell(step.what, "unchanged")
            else:
                self.aws.send(step.request)
                self._tell(step.what, "made")

        self._attempt(step.what, action)

    def _tell(self, what: str, outcome: str) -> None:
        if outcome != "unchanged":
            self.made.append(what)
        self.console.print(f"{what}: {outcome}", markup=False, highlight=False, soft_wrap=True)

    def _upload(self) -> None:
        place = self.deployment.model_data
        look = Request("s3", "head_object", {"Bucket": place.bucket, "Key": place.key})
        if self.aws.find(look) is not None:  # its name holds the digest of its content
            self._tell(str(place), "unchanged")
            return
        self.aws.upload(str(self.archive), place.bucket, place.key)
        self._tell(str(place), "made")

    def _check_existing(self) -> None:
        """Refuse to touch an endpoint that is not ours, has failed, or is of another kind."""
        name = self.deployment.name
        found = wait_until_settled(self.aws, name, self.patience, self.console)
        if found is None:
            return
        check_owner(self.aws, name, str(found["EndpointArn"]))
        if found["EndpointStatus"] == "Failed":
            reason = found.get("FailureReason", "AWS tells no reason")
            raise EndpointStateError(f"it has failed and cannot be updated, so delete it first ({reason})")
        look = Request("sagemaker", "describe_endpoint_config", {"EndpointConfigName": found["EndpointConfigName"]})
        config = self.aws.find(look) or {}
        is_async = bool(config.get("AsyncInferenceConfig"))
        if is_async != (self.deployment.kind is EndpointKind.ASYNC):
            raise EndpointStateError(
                f"it is {'async' if is_async else 'not async'}, and AWS cannot change that: delete it first"
            )

    def _set_up(self, config_name: str) -> None:
        name = self.deployment.name
        found = wait_until_settled(self.aws, name, self.patience, self.console)
        if found is None:
            self.aws.send(requests.create_endpoint(self.deployment, config_name))
            outcome = "made"
        elif found["EndpointConfigName"] != config_name:
            self.aws.send(requests.update_endpoint(self.deployment, config_name))
            outcome = "updated"
        else:
            outcome = "unchanged"
        self._tell(f"endpoint {name}", outcome)
        endpoint = wait_until_in_service(self.aws, name, self.patience, self.console)
        if endpoint["EndpointConfigName"] != config_name:
            reason = endpoint.get("FailureReason", "AWS tells no reason")
            raise EndpointStateError(f"AWS has taken the update back, and the former version serves on ({reason})")

    def _find_policy_and_take_alarm(self) -> None:
        """Take the alarm's step with the ARN that AWS has given the policy."""
        name = requests.waking_policy(self.deployment.name)
        policy = steps_of_scaling(self.deployment)[-1]
        found = self.aws.send(policy.look)["ScalingPolicies"]
        arn = next(policy["PolicyARN"] for policy in found if policy["PolicyName"] == name)
        self._take(step_of_alarm(self.deployment, arn))

    def _remove_old(self) -> None:
        before = steps_before_endpoint(self.deployment)
        kept = {before[-2].request.parameters["ModelName"], before[-1].request.parameters["EndpointConfigName"]}
        for what in remove_old_versions(self.aws, self.deployment.name, kept):
            self._tell(what, "removed")


def uploaded_name(storage: S3Location, name: str, digest: str) -> S3Location:
    """Where an archive goes: among the endpoint's own things, under a name that follows from its content."""
    return storage / name / f"model-{digest[:12]}.tar.gz"
