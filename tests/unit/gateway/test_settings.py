"""The gateway's settings: wrong ones are named, and variables that are somebody else's are let be."""

import pytest

from s1_gateway.serving import make_server
from s1_gateway.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("environment", "given", "told"),
    [
        ({"S1_GATEWAY_POTR": "1"}, {}, "did you mean S1_GATEWAY_PORT?"),
        ({}, {"host": "0.0.0.0"}, "without tokens"),
        ({}, {"servers": "http://a:1"}, "without http://"),
        ({}, {"servers": "dns:///a:1,b:1"}, "stands alone"),
        ({}, {"servers": " , "}, "S1_GATEWAY_SERVERS"),
        ({}, {"port": 70_000}, "S1_GATEWAY_PORT"),
        ({}, {"tls_key": "/nowhere"}, "go together"),
    ],
)
def test_settings_that_are_wrong_are_named(environment, given, told):
    with pytest.raises(SettingsError) as refused:
        Settings.load(environment, **given)
    assert told in str(refused.value)


def test_no_file_of_settings_is_read(monkeypatch, tmp_path):
    """A folder's ``.env`` is somebody else's."""
    (tmp_path / ".env").write_text("S1_GATEWAY_PORT=1\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.load({}).port == Settings.model_fields["port"].default


def test_a_wrong_certificate_is_told_at_the_start():
    settings = Settings.load({}, tls_certificate="/nowhere/cert", tls_key="/nowhere/key")
    with pytest.raises(SettingsError, match="S1_GATEWAY_TLS_CERTIFICATE"):
        make_server(settings)


LINKS = {
    "S1_GATEWAY_SERVICE_HOST": "10.0.0.1",
    "S1_GATEWAY_SERVICE_PORT": "8080",
    "S1_GATEWAY_SERVICE_PORT_HTTP": "8080",
    "S1_GATEWAY_PORT": "tcp://10.0.0.1:8080",
    "S1_GATEWAY_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "S1_GATEWAY_PORT_8080_TCP_PROTO": "tcp",
    "S1_GATEWAY_PORT_8080_TCP_PORT": "8080",
    "S1_GATEWAY_PORT_8080_TCP_ADDR": "10.0.0.1",
    "S1_GATEWAY_REDIS_PORT": "tcp://10.0.0.2:6379",
    "S1_GATEWAY_REDIS_SERVICE_HOST": "10.0.0.2",
}


@pytest.fixture
def in_kubernetes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What Kubernetes makes for Services whose names are ``s1-gateway`` and ``s1-gateway-redis``."""
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)
    return LINKS


def test_what_kubernetes_makes_of_services_of_our_names_is_let_be(in_kubernetes: dict[str, str]) -> None:
    settings = Settings.load(in_kubernetes)
    assert settings.port == Settings.model_fields["port"].default
    assert settings.redis_url is None


def test_what_is_given_holds_among_them(in_kubernetes: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load(in_kubernetes, port=9000).port == 9000
    monkeypatch.setenv("S1_GATEWAY_PORT", "9001")
    assert Settings.load({**in_kubernetes, "S1_GATEWAY_PORT": "9001"}).port == 9001


@pytest.mark.parametrize("name", ["S1_GATEWAY_SERVICE_HOSTS", "S1_GATEWAY_PORTS", "S1_GATEWAY_PORT_8080_TPC"])
def test_a_misspelt_setting_is_found_among_them(in_kubernetes: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: there is no such setting"):
        Settings.load({**in_kubernetes, name: "x"})
