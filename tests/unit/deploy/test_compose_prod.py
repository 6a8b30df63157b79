"""docker-compose.prod.yml is valid, what it names is there, and nothing in it is open that need not be."""

import re

import pytest
import yaml
from scripts.make_secrets import make

from s1_gateway.settings import PREFIX
from s1_gateway.settings import Settings as GatewaySettings
from s1_tts.serving.machine import ENOUGH_SHM_MB
from s1_tts.settings import ENV_PREFIX, Settings
from tests.compose import CONTENT, PROD, SERVICES, interpolated
from tests.doc_pages import ROOT
from tests.unit.deploy.test_compose import SERVICES as SMALL
from tests.unit.deploy.test_compose import check

OURS = ("s1-tts", "s1-gateway", "s1-worker", "flower")
MADE_BY_IMAGES = {"/voices": "Dockerfile.triton", "/sound": "gateway/Dockerfile"}


def test_schema():
    assert check(PROD).returncode == 0


@pytest.mark.parametrize("services", [SMALL, SERVICES])
def test_the_server_has_the_shared_memory_that_it_wants(services):
    assert services["s1-tts"]["shm_size"] == "1536mb"
    assert ENOUGH_SHM_MB * 1e6 < 1536 * 2**20


def test_all_of_it_is_there():
    assert set(SERVICES) == {"s1-tts", "s1-gateway", "s1-worker", "redis", "flower", "prometheus", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_has_more_rights_memory_or_disk_than_needed(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert not service.get("privileged")


@pytest.mark.parametrize("name", SERVICES)
def test_it_says_how_it_is(name):
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", SERVICES)
def test_foreign_images_are_pinned_and_ours_are_built(name):
    service = SERVICES[name]
    if name in OURS:
        assert (ROOT / service["build"]["dockerfile"]).is_file()
    else:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", service["image"])
    if name in SMALL:
        assert service["image"] == SMALL[name]["image"], "both files have one version"


def test_settings_are_known():
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert SERVICES["s1-tts"]["environment"].keys() <= known
    for variable, value in SERVICES["s1-tts"]["environment"].items():
        default = Settings.model_fields[variable.removeprefix(ENV_PREFIX).lower()].default
        assert interpolated(value) == str(default)
    for name in ("s1-gateway", "s1-worker", "flower"):
        assert SERVICES[name]["environment"].keys() <= {
            f"{PREFIX}{each.upper()}" for each in GatewaySettings.model_fields
        }


def test_only_this_machine_reaches_the_ports_and_nobody_reaches_triton_and_redis():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == {"s1-gateway", "flower", "prometheus", "grafana"}
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for ports in published.values() for port in ports)
    assert CONTENT["networks"]["inside"]["internal"]
    assert [name for name, service in SERVICES.items() if service["networks"] == ["inside"]] == ["s1-tts", "redis"]


def test_secrets_are_files_that_a_script_makes_and_git_leaves_alone(tmp_path):
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == CONTENT["secrets"].keys() == set(make(tmp_path))
    for name, secret in CONTENT["secrets"].items():
        assert secret == {"file": f"./deploy/secrets/{name}"}
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    for service in SERVICES.values():
        named = re.findall(r"/run/secrets/(\w+)", str(service.get("environment", "")))
        assert set(named) <= set(service.get("secrets", []))
    for file in ("deploy/redis/redis.conf", "deploy/prometheus/prod.yml"):
        assert set(re.findall(r"/run/secrets/(\w+)", (ROOT / file).read_text())) <= used


def test_secrets_that_are_there_stay_and_belong_together(tmp_path):
    make(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert make(tmp_path) == []
    (tmp_path / "flower_password").unlink()
    (tmp_path / "redis_users").unlink()
    with (tmp_path / "tokens").open("a") as tokens:
        tokens.write("anna " + "0" * 64 + "\n")
    (tmp_path / "metrics_token").unlink()
    assert set(make(tmp_path)) == {"flower_password", "redis_users", "redis_url", "metrics_token", "tokens"}
    after = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name for name in before if before[name] == after[name]} == {"webhook_secret", "grafana_password"}
    assert "anna " + "0" * 64 in after["tokens"].splitlines()
    assert len(set(after["tokens"].splitlines())) == 2
    assert tmp_path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", SERVICES)
def test_mounts_and_volumes_are_there(name):
    for mount in SERVICES[name].get("volumes", []):
        source, target = mount.split(":")[:2] if isinstance(mount, str) else (mount["source"], mount["target"])
        if source.startswith("."):
            assert (ROOT / source).exists()
        elif not source.startswith("$"):
            assert source in CONTENT["volumes"]
            if target in MADE_BY_IMAGES:  # else the volume is root's, and the container's user cannot write to it
                line = next(x for x in (ROOT / MADE_BY_IMAGES[target]).read_text().splitlines() if "install -d" in x)
                assert "-o 1000 -g 1000" in line
                assert target in line


def test_a_worker_has_time_to_give_its_jobs_back():
    worker = SERVICES["s1-worker"]
    assert int(worker["stop_grace_period"].rstrip("s")) >= int(worker["environment"]["S1_GATEWAY_JOBS_GRACE_S"]) + 10
    gateway = SERVICES["s1-gateway"]
    assert int(gateway["stop_grace_period"].rstrip("s")) > GatewaySettings.model_fields["drain_s"].default


def test_prometheus_and_grafana_find_what_they_need():
    config = yaml.safe_load((ROOT / "deploy/prometheus/prod.yml").read_text())
    small = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert config["rule_files"] == small["rule_files"]
    strip = [{key: value for key, value in each.items() if key != "authorization"} for each in config["scrape_configs"]]
    assert strip[:-1] == small["scrape_configs"]
    assert strip[-1]["dns_sd_configs"][0]["names"] == [strip[-1]["job_name"]] == ["s1-worker"]
    assert all((ROOT / "deploy/prometheus" / name).is_file() for name in config["rule_files"])
    assert "--config.file=/etc/prometheus/prod.yml" in SERVICES["prometheus"]["command"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "deploy/grafana/dashboards" / home.rpartition("/")[2]).is_file()
    folder = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/s1-tts.yml").read_text())
    path = folder["providers"][0]["options"]["path"]
    assert home.startswith(path)
    assert f"./deploy/grafana/dashboards:{path}:ro" in SERVICES["grafana"]["volumes"]


def test_redis_keeps_what_it_has_and_throws_nothing_away():
    lines = (ROOT / "deploy/redis/redis.conf").read_text().splitlines()
    assert {"appendonly yes", "maxmemory-policy noeviction", "aclfile /run/secrets/redis_users"} <= set(lines)
    (maxmemory,) = [line.split()[1] for line in lines if line.startswith("maxmemory ")]
    assert (maxmemory, SERVICES["redis"]["mem_limit"]) == ("1gb", "2g"), "rewriting the file takes as much again"
