"""What no schema knows: settings exist, pods have no rights they do not need, and end late enough to lose nothing."""

import re
import tomllib

import pytest
import yaml
from perf.records import read_records
from perf.server.parts_memory import PartsMemory

from s1_gateway.settings import PREFIX
from s1_gateway.settings import Settings as GatewaySettings
from s1_tts.serving.machine import ENOUGH_SHM_MB
from s1_tts.settings import ENV_PREFIX, Settings
from tests.kubernetes import (
    CHART,
    EXAMPLES,
    FOLDER,
    NAMESPACE,
    ROOT,
    containers,
    engines,
    environment,
    every_workload,
    is_rolling,
    main_container,
    of_kind,
    pod,
    probes,
    rendered,
    size_bytes,
    workloads,
)

WORKLOADS = every_workload()
CONTAINERS = [
    pytest.param(container, id=f"{example} {name} {container['name']}")
    for example, name in WORKLOADS
    for container in containers(workloads(example)[name])
]
ENGINES = engines()


# settings


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_setting_exists(container):
    for name in environment(container):
        if name.startswith(PREFIX):
            assert name.removeprefix(PREFIX).lower() in GatewaySettings.model_fields
        elif name.startswith(ENV_PREFIX):
            assert name.removeprefix(ENV_PREFIX).lower() in Settings.model_fields


@pytest.mark.parametrize(("example", "name"), [each for each in WORKLOADS if is_rolling(each[1])])
def test_every_setting_has_a_value_that_is_taken(example, name, monkeypatch, tmp_path):
    container = main_container(example, name)
    told = {key: value for key, value in environment(container).items() if key.startswith(ENV_PREFIX)}
    if name.removeprefix("s1-") in ("gateway", "worker"):
        texts = {"redis_url": "redis://host:6379/0", "webhook_secret": "s" * 24, "tokens": ""}
        for file, text in texts.items():
            (tmp_path / file).write_text(text)
        files = {key: value.replace("/run/secrets/s1", str(tmp_path)) for key, value in told.items()}
        GatewaySettings.load(files | {"S1_GATEWAY_HOST": "0.0.0.0"})
    else:
        for key, value in told.items():
            monkeypatch.setenv(key, value)
        Settings.load()


def test_a_large_number_stays_one():
    container = next(
        container
        for each in rendered("eks", "gateway.settings.S1_GATEWAY_MAX_BODY_BYTES=33554432")
        if each["metadata"]["name"] == "s1-gateway" and each["kind"] == "Deployment"
        for container in containers(each)
    )
    assert environment(container)["S1_GATEWAY_MAX_BODY_BYTES"] == "33554432"


@pytest.mark.parametrize(("example", "name"), WORKLOADS)
def test_secrets_come_in_files_and_are_in_no_variable(example, name):
    assert of_kind(example, "Secret") == {}
    workload = workloads(example)[name]
    mounted = {mount["mountPath"] for container in containers(workload) for mount in container["volumeMounts"]}
    for container in containers(workload):
        assert all("valueFrom" not in variable for variable in container.get("env", ()))
        for value in environment(container).values():
            if value.startswith("/run/secrets/"):
                assert value.rpartition("/")[0] in mounted


def test_nothing_lies_where_tokens_of_service_accounts_are_mounted():
    """``/var/run`` is ``/run`` in these images: a mount on ``/run/secrets`` itself would leave no place for them."""
    for example, name in WORKLOADS:
        for container in containers(workloads(example)[name]):
            assert "/run/secrets" not in {mount["mountPath"].rstrip("/") for mount in container["volumeMounts"]}


def test_no_kubernetes_variables_of_services_come_in():
    for example, name in WORKLOADS:
        assert pod(workloads(example)[name])["enableServiceLinks"] is False


# rights


@pytest.mark.parametrize(("example", "name"), WORKLOADS)
def test_nobody_is_root_or_may_become_it(example, name):
    spec = pod(workloads(example)[name])
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] >= 999
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_root_file_system_cannot_be_written(container):
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not context["allowPrivilegeEscalation"]
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(("example", "name"), ENGINES)
def test_what_the_engine_writes_to_can_be_written(example, name):
    spec = pod(workloads(example)[name])
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in main_container(example, name)["volumeMounts"]}
    shm = volumes[mounts["/dev/shm"]["name"]]["emptyDir"]
    assert shm["medium"] == "Memory"
    assert size_bytes(shm["sizeLimit"]) == size_bytes("1536Mi") > ENOUGH_SHM_MB * 1e6  # as docs/deployment.md says
    for folder in ("/tmp", "/home/triton-server"):
        assert "emptyDir" in volumes[mounts[folder]["name"]]
    assert mounts["/models"]["readOnly"]
    dockerfile = (ROOT / "Dockerfile.triton").read_text()
    assert (
        f"S1_CHECKPOINT={environment(main_container(example, name))['S1_CHECKPOINT'].rpartition('/')[0]}" in dockerfile
    )
    in_memory = size_bytes(main_container(example, name)["resources"]["limits"]["memory"])
    took = 1e6 * max(measured_memory().most_mb["server"].values()) if example == "laptop" else size_bytes("4Gi")
    assert in_memory >= took + size_bytes(shm["sizeLimit"])


def measured_memory() -> PartsMemory:
    """What the parts took with the demo voice."""
    records = read_records([ROOT / "perf" / "results"])
    (record,) = [each for each in records if (each.measurement, each.subject) == ("memory", "demo-voice")]
    return record.figures_as(PartsMemory)


def test_the_laptops_set_has_the_memory_that_was_measured():
    pods = {"server": "s1-calls", "gateway": "s1-gateway", "worker": "s1-worker", "redis": "s1-redis"}
    for part, most_mb in measured_memory().most_mb.items():
        resources = main_container("laptop", pods[part])["resources"]
        took = 1e6 * max(most_mb.values())
        assert size_bytes(resources["requests"]["memory"]) >= took, part
        assert size_bytes(resources["limits"]["memory"]) >= 2 * took, part


@pytest.mark.parametrize("example", ["one-gpu", "eks"])
def test_limits_are_those_of_the_container_page(example):
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["s1-tts"]
    container = main_container(example, "s1-calls")
    assert container["resources"]["limits"]["memory"] == "24Gi"
    assert compose["mem_limit"] == "${SERVER_MEMORY:-24g}"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_only_gateways_and_workers_reach_triton():
    for example in EXAMPLES:
        policy = of_kind(example, "NetworkPolicy")["s1-engines"]["spec"]
        assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "s1-tts"
        callers = {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]: [port["port"] for port in rule["ports"]]
            for rule in policy["ingress"]
            for peer in rule["from"]
            if "podSelector" in peer
        }
        assert callers == {"s1-gateway": ["grpc"], "s1-worker": ["grpc"]}
        others = [rule for rule in policy["ingress"] for peer in rule["from"] if "podSelector" not in peer]
        assert [port["port"] for rule in others for port in rule["ports"]] == ["metrics"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_metrics_behind_an_ingress_want_a_token(example):
    """An ingress leads to all of the gateway's paths; the labels of its metrics name callers."""
    is_open = environment(main_container(example, "s1-gateway"))["S1_GATEWAY_OPEN_METRICS"] == "true"
    assert not (is_open and of_kind(example, "Ingress"))
    for name, monitor in of_kind(example, "ServiceMonitor").items():
        is_gateways = name == "s1-s1-gateway"
        shows_token = all("authorization" in endpoint for endpoint in monitor["spec"]["endpoints"])
        assert shows_token is (is_gateways and not is_open)


# what names what


@pytest.mark.parametrize(("example", "name"), WORKLOADS)
def test_ports_and_volumes_that_are_named_exist(example, name):
    spec = pod(workloads(example)[name])
    claims = {each["metadata"]["name"] for each in workloads(example)[name]["spec"].get("volumeClaimTemplates", ())}
    volumes = {volume["name"] for volume in spec["volumes"]} | claims
    for container in containers(workloads(example)[name]):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        ports = {port["name"] for port in container.get("ports", ())}
        for _, probe in probes(container):
            asked = probe.get("httpGet") or probe.get("tcpSocket") or {}
            assert {asked["port"]} <= ports if asked else "exec" in probe


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_service_finds_pods_with_its_ports(example):
    for service in of_kind(example, "Service").values():
        chosen = [
            containers(workload)
            for workload in workloads(example).values()
            if service["spec"]["selector"].items() <= workload["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert chosen
        for each in chosen:
            ports = {port["name"] for container in each for port in container.get("ports", ())}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@pytest.mark.parametrize("example", EXAMPLES)
def test_addresses_between_parts_are_services_that_exist(example):
    for name in ("s1-gateway", "s1-worker"):
        variables = environment(main_container(example, name))
        host = re.fullmatch(rf"dns:///([\w-]+)\.{NAMESPACE}\.svc:8001", variables["S1_GATEWAY_SERVERS"])
        assert of_kind(example, "Service")[host[1]]["spec"]["clusterIP"] == "None"


def test_the_charts_version_is_the_packages():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["engine"]["image"]["tag"] == values["gateway"]["image"]["tag"] == version


def test_alerts_are_the_projects():
    rules = {name: each["spec"] for name, each in of_kind("eks", "PrometheusRule").items()}
    files = {"s1-s1-tts": "alerts", "s1-s1-gateway": "gateway-alerts", "s1-s1-jobs": "jobs-alerts"}
    folder = FOLDER.parent / "prometheus"
    assert {f"{file}.yml" for file in files.values()} == {path.name for path in folder.glob("*alerts.yml")}
    assert rules == {name: yaml.safe_load((folder / f"{file}.yml").read_text()) for name, file in files.items()}


@pytest.mark.parametrize("example", ["laptop", "one-gpu"])
def test_redis_is_that_of_the_compose_file(example):
    compose = yaml.safe_load((ROOT / "docker-compose.prod.yml").read_text())["services"]["redis"]
    container = main_container(example, "s1-redis")
    assert container["image"] == compose["image"]
    assert container["args"] == compose["command"]
    assert pod(workloads(example)["s1-redis"])["securityContext"]["runAsUser"] == int(compose["user"].partition(":")[0])
    (configuration,) = of_kind(example, "ConfigMap").values()
    text = configuration["data"]["redis.conf"]
    assert text == (ROOT / "deploy" / "redis" / "redis.conf").read_text()
    written = re.search(r"^aclfile (\S+)$", text, re.MULTILINE)[1], re.search(r"^dir (\S+)$", text, re.MULTILINE)[1]
    assert set(written) <= {mount["mountPath"] for mount in container["volumeMounts"]}
    assert size_bytes(container["resources"]["limits"]["memory"]) >= size_bytes("2Gi")
