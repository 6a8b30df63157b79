"""docker-compose.yml is valid, and what it names is there."""

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from s1_tts.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "docker-compose.yml"
CHECKER = Path(sysconfig.get_path("scripts")) / "check-jsonschema"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
SERVER = SERVICES["s1-tts"]


def check(file: Path) -> subprocess.CompletedProcess[str]:
    """Validate against the Compose specification's schema."""
    command = [CHECKER, "--builtin-schema", "vendor.compose-spec", file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_schema():
    assert check(FILE).returncode == 0


def test_schema_would_find_something(tmp_path):
    (tmp_path / "compose.yml").write_text(FILE.read_text().replace("shm_size", "shared_memory"))
    assert "shared_memory" in check(tmp_path / "compose.yml").stdout


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_foreign_images_are_pinned_by_what_is_in_them(name):
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_files_exist(name):
    for mount in SERVICES[name]["volumes"]:
        if isinstance(mount, str) and mount.startswith("."):
            assert (ROOT / mount.partition(":")[0]).exists()


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_for_this_machine_only(name):
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in SERVICES[name]["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_has_more_rights_or_memory_than_needed(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]


@pytest.mark.parametrize("name", ["s1-tts", "s1-gateway"])
def test_every_caller_has_a_file_to_open(name):
    assert SERVICES[name]["ulimits"]["nofile"] == {"soft": 65536, "hard": 65536}
    assert SERVICES[name]["pids_limit"] >= 1024


def test_what_the_server_writes_to_can_be_written():
    """The compiled kernels are loaded from their folder, which a tmpfs allows only where it says so."""
    mounts = {each.partition(":")[0]: each for each in SERVER["tmpfs"]}
    assert mounts.keys() == {"/tmp", "/home/triton-server/.cache"}
    assert mounts["/home/triton-server/.cache"].endswith(",exec")
    compiled = re.search(r"TRITON_CACHE_DIR=(\S+)", (ROOT / "Dockerfile.triton").read_text())
    assert compiled[1].startswith("/home/triton-server/.cache/"), "the GPU's kernels go to ~/.triton by default"


def test_dockerfile_exists():
    assert (ROOT / SERVER["build"]["context"] / SERVER["build"]["dockerfile"]).is_file()


def test_settings_are_known_and_defaults_are_the_servers():
    for variable, value in SERVER["environment"].items():
        field = Settings.model_fields[variable.removeprefix(ENV_PREFIX).lower()]
        assert value == f"${{{variable}:-{field.default}}}"


def test_weights_are_mounted_where_the_image_looks_and_cannot_be_changed():
    weights = next(mount for mount in SERVER["volumes"] if mount["type"] == "bind")
    assert weights["read_only"]
    assert f"S1_CHECKPOINT={weights['target']}" in (ROOT / "Dockerfile.triton").read_text()
    voices = next(mount for mount in SERVER["volumes"] if mount["type"] == "volume")
    assert f"S1_VOICES={voices['target']}" in (ROOT / "Dockerfile.triton").read_text()


def test_one_gpu():
    assert SERVER["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]


def test_grafana_finds_its_data():
    provisioned = ROOT / "deploy" / "grafana" / "provisioning"
    source = yaml.safe_load((provisioned / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert source["url"] == f"http://prometheus:{SERVICES['prometheus']['ports'][0].rpartition(':')[2]}"
    folder = yaml.safe_load((provisioned / "dashboards" / "s1-tts.yml").read_text())["providers"][0]["options"]["path"]
    assert f"./deploy/grafana/dashboards:{folder}:ro" in SERVICES["grafana"]["volumes"]


def test_prometheus_asks_the_servers_metrics_port():
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"] == [{"targets": ["s1-tts:8002"]}]
    assert "127.0.0.1:8002:8002" in SERVER["ports"]
