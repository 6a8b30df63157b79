"""An endpoint is made, found as it is, updated in place, and deleted without a trace; nothing is sent in a dry run.

AWS is moto; ``tests/sagemaker_cloud.py`` adds ``update_endpoint``, which moto lacks.
"""

import json
import re
from pathlib import Path
from string import Template
from typing import Any

import botocore.exceptions
import pytest
from typer.testing import CliRunner

from deploy.sagemaker import waiting
from deploy.sagemaker.aws import Aws, AwsError
from deploy.sagemaker.requests import Request
from s1_protocol.errors import SettingsError
from tests.sagemaker_cloud import ACCOUNT, BUCKET, REGION, Cloud
from tests.unit.sagemaker.conftest import SCRIPTS, Deploy, load_script

KINDS = ["realtime", "streaming", "async"]
SCALING: dict[str, Any] = {"ServiceNamespace": "sagemaker"}


def remains(cloud: Cloud) -> dict[str, list[Any]]:
    """All that a deployment may leave in the account, but for what is in S3."""
    sagemaker, scaling = cloud.client("sagemaker"), cloud.client("application-autoscaling")
    return {
        "endpoints": sagemaker.list_endpoints()["Endpoints"],
        "configs": sagemaker.list_endpoint_configs()["EndpointConfigs"],
        "models": sagemaker.list_models()["Models"],
        "targets": scaling.describe_scalable_targets(**SCALING)["ScalableTargets"],
        "policies": scaling.describe_scaling_policies(**SCALING)["ScalingPolicies"],
        "alarms": cloud.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "topics": cloud.client("sns").list_topics()["Topics"],
    }


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting.time, "sleep", lambda _: None)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_is_what_the_dry_run_told(cloud: Cloud, deploy: Deploy, kind: str) -> None:
    told = deploy(kind, "voice", "--dry-run")
    assert told.exit_code == 0, told.output
    assert cloud.calls == []
    planned = [request["operation"] for request in json.loads(told.stdout)]
    made = deploy(kind)
    assert made.exit_code == 0, made.output
    assert cloud.changes == [name.title().replace("_", "") for name in planned]
    assert "--sagemaker voice" in made.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_changes_nothing(cloud: Cloud, deploy: Deploy, kind: str) -> None:
    deploy(kind)
    before = remains(cloud)
    cloud.calls.clear()
    again = deploy(kind)
    assert again.exit_code == 0, again.output
    assert cloud.changes == []
    assert remains(cloud) == before
    assert "made" not in again.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_delete_leaves_nothing_but_data(cloud: Cloud, deploy: Deploy, kind: str) -> None:
    nothing = remains(cloud)
    cloud.client("s3").put_object(Bucket=BUCKET, Key="tts/voice/output/1.out", Body=b"speech")
    deploy(kind)
    assert remains(cloud) != nothing
    deleted = deploy("delete")
    assert deleted.exit_code == 0, deleted.output
    assert remains(cloud) == nothing
    assert cloud.objects() == ["tts/voice/output/1.out"]
    assert deploy("delete").exit_code == 0  # what is gone is no fault


def test_delete_removes_the_endpoints_data_if_asked_and_no_other(cloud: Cloud, deploy: Deploy) -> None:
    for key in ("tts/voice/output/1.out", "tts/voice/requests/2", "tts/voice2/output/3.out", "tts/other"):
        cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"")
    deploy("async")
    deleted = deploy("delete", "voice", "--data", f"s3://{BUCKET}/tts")
    assert deleted.exit_code == 0, deleted.output
    assert "2 objects removed" in deleted.stdout
    assert cloud.objects() == ["tts/other", "tts/voice2/output/3.out"]


def test_delete_touches_no_other_endpoint(cloud: Cloud, deploy: Deploy) -> None:
    deploy("async", "voice-2")
    before = remains(cloud)
    deploy("async", "voice")
    assert deploy("delete", "voice").exit_code == 0
    assert remains(cloud) == before


def test_endpoint_of_someone_else_is_left_alone(cloud: Cloud, deploy: Deploy) -> None:
    sagemaker = cloud.client("sagemaker")
    variant = {"VariantName": "a", "ModelName": "m", "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 1}
    image = {"Image": "theirs", "ModelDataUrl": f"s3://{BUCKET}/theirs.tar.gz"}
    sagemaker.create_model(ModelName="m", PrimaryContainer=image, ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/r")
    sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="voice", EndpointConfigName="theirs")
    for command in ("realtime", "delete"):
        refused = deploy(command)
        assert refused.exit_code == 1
        assert "was not made by this script" in refused.stderr
    assert sagemaker.describe_endpoint(EndpointName="voice")["EndpointConfigName"] == "theirs"


def test_change_is_made_in_place_and_former_versions_go(cloud: Cloud, deploy: Deploy) -> None:
    deploy("realtime")
    first = remains(cloud)
    cloud.calls.clear()
    changed = deploy("realtime", "voice", "--set", "S1_MAX_SLOTS=4")
    assert changed.exit_code == 0, changed.output
    assert "endpoint voice: updated" in changed.stdout
    assert cloud.changes == [
        "CreateModel",
        "CreateEndpointConfig",
        "UpdateEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
    ]
    second = remains(cloud)
    assert [len(second[key]) for key in ("endpoints", "configs", "models")] == [1, 1, 1]
    assert second["models"][0]["ModelName"] != first["models"][0]["ModelName"]
    model = cloud.client("sagemaker").describe_model(ModelName=second["models"][0]["ModelName"])
    assert model["PrimaryContainer"]["Environment"]["S1_MAX_SLOTS"] == "4"


def test_changed_scaling_is_put_and_nothing_else(cloud: Cloud, deploy: Deploy) -> None:
    deploy("async")
    cloud.calls.clear()
    assert deploy("async", "voice", "--max-instances", "5", "--backlog", "3").exit_code == 0
    assert cloud.changes == ["RegisterScalableTarget", "PutScalingPolicy"]


def test_async_scales_to_zero_and_wakes(cloud: Cloud, deploy: Deploy) -> None:
    deploy("async", "voice", "--max-instances", "3", "--backlog", "5")
    found = remains(cloud)
    target = found["targets"][0]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 3)
    policies = {policy["PolicyName"]: policy for policy in found["policies"]}
    tracking = policies["voice-backlog"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 5
    assert tracking["CustomizedMetricSpecification"]["MetricName"] == "ApproximateBacklogSizePerInstance"
    steps = policies["voice-wake"]["StepScalingPolicyConfiguration"]
    assert steps["StepAdjustments"] == [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]
    alarm = found["alarms"][0]
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"
    assert alarm["AlarmActions"] == [policies["voice-wake"]["PolicyARN"]]
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": "voice"}]


def test_async_tells_two_topics(cloud: Cloud, deploy: Deploy) -> None:
    deploy("async")
    config_name = remains(cloud)["configs"][0]["EndpointConfigName"]
    config = cloud.client("sagemaker").describe_endpoint_config(EndpointConfigName=config_name)
    output = config["AsyncInferenceConfig"]["OutputConfig"]
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:voice"
    assert output["NotificationConfig"] == {"SuccessTopic": f"{arn}-success", "ErrorTopic": f"{arn}-error"}
    assert {topic["TopicArn"] for topic in remains(cloud)["topics"]} == {f"{arn}-success", f"{arn}-error"}
    assert output["S3OutputPath"] == f"s3://{BUCKET}/tts/voice/output"
    assert output["S3FailurePath"] == f"s3://{BUCKET}/tts/voice/failure"


@pytest.mark.parametrize(
    ("kind", "model", "inference_type"),
    [
        ("realtime", "s1_mini", "infer"),
        ("async", "s1_mini", "infer"),
        ("streaming", "s1_mini_stream", "generate_stream"),
    ],
)
def test_container_is_told_what_to_serve(deploy: Deploy, kind: str, model: str, inference_type: str) -> None:
    container = planned_model(deploy(kind, "voice", "--dry-run").stdout)["PrimaryContainer"]
    assert container["Environment"] == {
        "S1_CHECKPOINT": "/opt/ml/model/checkpoint",
        "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": model,
        "SAGEMAKER_TRITON_INFERENCE_TYPE": inference_type,
    }


def test_checkpoint_from_s3(deploy: Deploy) -> None:
    planned = deploy("realtime", "voice", "--dry-run", checkpoint_s3="s3://weights/s1-mini")
    container = planned_model(planned.stdout)["PrimaryContainer"]
    assert container["Environment"]["S1_CHECKPOINT"] == "/opt/ml/additional-model-data-sources/checkpoint"
    assert container["AdditionalModelDataSources"] == [
        {
            "ChannelName": "checkpoint",
            "S3DataSource": {
                "S3Uri": "s3://weights/s1-mini/",
                "S3DataType": "S3Prefix",
                "CompressionType": "None",
            },
        }
    ]


def planned_model(output: str) -> dict[str, Any]:
    return next(request["parameters"] for request in json.loads(output) if request["operation"] == "create_model")


def test_archive_is_uploaded_once(cloud: Cloud, deploy: Deploy, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"models")
    assert deploy("realtime", model_data=str(archive)).exit_code == 0
    (key,) = cloud.objects()
    assert key.startswith("tts/voice/model-")
    cloud.calls.clear()
    assert deploy("realtime", model_data=str(archive)).exit_code == 0
    assert cloud.changes == []


def test_endpoint_is_waited_for(cloud: Cloud, deploy: Deploy) -> None:
    deploy("realtime")
    cloud.statuses = ["Updating", "Updating", "InService"]
    assert deploy("realtime").exit_code == 0
    assert cloud.statuses == []


def test_endpoint_that_does_not_come_up_in_time(cloud: Cloud, deploy: Deploy) -> None:
    deploy("realtime")
    cloud.statuses = ["Creating"] * 50
    late = deploy("realtime", "voice", "--timeout-s", "0")
    assert late.exit_code == 1
    assert "endpoint voice: the endpoint voice is still Creating after 0 s" in late.stderr
    assert "the same command waits on" in late.stderr


def test_endpoint_that_fails_tells_the_step_the_reason_and_what_is_left(cloud: Cloud, deploy: Deploy) -> None:
    deploy("realtime")
    cloud.failure_reason = "the container did not pass the ping health check"
    cloud.statuses = ["InService", "InService", "Updating", "Failed"]
    failed = deploy("realtime", "voice", "--set", "S1_MAX_SLOTS=4")
    assert failed.exit_code == 1
    assert failed.stderr.startswith("error: endpoint voice: the endpoint voice is Failed: the container did not pass")
    assert "made so far: model voice-" in failed.stderr
    assert "`delete voice` removes all of it" in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_update_that_aws_takes_back_leaves_the_former_version_alone(cloud: Cloud, deploy: Deploy) -> None:
    deploy("realtime")
    before = remains(cloud)
    cloud.takes_updates_back, cloud.statuses, cloud.failure_reason = True, ["InService"] * 3, "no ping"
    failed = deploy("realtime", "voice", "--set", "S1_MAX_SLOTS=4")
    assert failed.exit_code == 1
    assert "AWS has taken the update back, and the former version serves on (no ping)" in failed.stderr
    kept = remains(cloud)
    for kind in ("models", "configs"):
        assert all(old in kept[kind] for old in before[kind])


def test_failed_endpoint_is_to_be_deleted_first(cloud: Cloud, deploy: Deploy) -> None:
    deploy("realtime")
    cloud.statuses, cloud.failure_reason = ["Failed"], "no capacity"
    refused = deploy("realtime")
    assert refused.exit_code == 1
    assert "delete it first (no capacity)" in refused.stderr


def test_kind_that_aws_cannot_change(cloud: Cloud, deploy: Deploy) -> None:
    deploy("async")
    refused = deploy("realtime")
    assert refused.exit_code == 1
    assert "it is async, and AWS cannot change that: delete it first" in refused.stderr


@pytest.mark.parametrize("broken_at", range(9))
def test_a_run_that_broke_off_anywhere_goes_on_and_can_be_deleted(cloud: Cloud, deploy: Deploy, broken_at: int) -> None:
    """AWS refuses the n-th change; the same command then completes what is missing, or ``delete`` removes all."""
    nothing = remains(cloud)
    whole = deploy("async", "voice", "--dry-run")
    num_changes = len(json.loads(whole.stdout))
    assert num_changes == 9
    with pytest.MonkeyPatch.context() as patch:
        refuse_change(patch, broken_at)
        broken = deploy("async")
    assert broken.exit_code == 1
    assert "AccessDenied: not today" in broken.stderr
    assert f"{'this run has made nothing' if broken_at == 0 else 'made so far: '}" in broken.stderr
    if broken_at % 2:
        completed = deploy("async")
        assert completed.exit_code == 0, completed.output
        assert {key: len(found) for key, found in remains(cloud).items()} == {
            "endpoints": 1,
            "configs": 1,
            "models": 1,
            "targets": 1,
            "policies": 2,
            "alarms": 1,
            "topics": 2,
        }
    assert deploy("delete").exit_code == 0
    assert remains(cloud) == nothing


def refuse_change(patch: pytest.MonkeyPatch, number: int) -> None:
    """Let AWS refuse the n-th change."""
    call, changes = Aws._call, []

    def refusing(function: Any, *arguments: Any, **parameters: Any) -> Any:
        if getattr(function, "__name__", "").startswith(("create", "put", "register")):
            changes.append(function.__name__)
            if len(changes) == number + 1:
                details = {"Error": {"Code": "AccessDenied", "Message": "not today"}}
                return call(raising(botocore.exceptions.ClientError(details, function.__name__)))
        return call(function, *arguments, **parameters)

    patch.setattr(Aws, "_call", staticmethod(refusing))


def raising(error: Exception) -> Any:
    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("replaced", "options", "message"),
    [
        ({"image": "s1-tts:1"}, (), "image: got 's1-tts:1'; allowed: ACCOUNT.dkr.ecr"),
        ({"role": "admin"}, (), "role: got 'admin'; allowed: arn:aws:iam::"),
        ({"model_data": "nowhere.tar.gz"}, (), "no file nowhere.tar.gz"),
        ({"model_data": "s3://"}, (), "'s3://' is no place in S3; allowed: s3://BUCKET/PREFIX"),
        ({}, ("--set", "S1_MAX_SLOT=4"), "setting S1_MAX_SLOT is unknown"),
        ({}, ("--set", "S1_CHECKPOINT=/x"), "not to be given here"),
        ({}, ("--set", "fast"), "set: got 'fast'; allowed: S1_NAME=VALUE"),
        ({}, ("--max-instances", "1", "--instances", "2"), "max-instances: got 1; allowed: 2 or more"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_sent(
    cloud: Cloud, deploy: Deploy, replaced: dict[str, str], options: tuple[str, ...], message: str
) -> None:
    refused = deploy("async", "voice", *options, **replaced)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert cloud.calls == []


@pytest.mark.parametrize("name", ["voice_1", "-voice", "voice-", "v" * 53, ""])
def test_bad_names(deploy: Deploy, name: str) -> None:
    refused = deploy("delete", "--dry-run", *(["--", name] if name.startswith("-") else [name]))
    assert refused.exit_code != 0


def test_request_that_does_not_fit_awss_interface_is_told(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="Unknown parameter in input"):
        Aws(REGION).check(Request("sagemaker", "delete_model", {"Model": "m"}))


def test_region_that_is_told_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(SettingsError, match="no AWS region: give --region"):
        Aws()


def test_commands_of_the_guide_are_accepted(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.tar.gz").touch()
    guide = (SCRIPTS.parent / "docs" / "deployment.md").read_text()
    commands = re.findall(r"scripts/deploy_sagemaker\.py (.*)", guide)
    assert {command.split()[0] for command in commands} == {*KINDS, "delete"}
    values = dict(re.findall(r"\b(image|role)=(\S+)", guide))
    values["common"] = Template(re.findall(r'common="(.*)"', guide)[0]).substitute(values)
    app = load_script("deploy_sagemaker").app
    for command in commands:
        arguments = Template(command).substitute(values).replace("BUCKET", BUCKET).split()
        told = CliRunner().invoke(app, [*arguments, "--dry-run"])
        assert told.exit_code == 0, told.output
    assert cloud.calls == []
