"""The gateway's dashboard and alerts ask for metrics that a running gateway has, by labels that they have."""

import asyncio
import json
import re
from pathlib import Path

import httpx2
import openai
import pytest
import yaml
from websockets.asyncio.client import connect

from s1_gateway.errors import Reason
from s1_gateway.metrics import Outcome
from tests.gateway.callers import sdk_of
from tests.gateway.running import RunningGateway, running_gateway
from tests.gateway.stand_in import StandIn, Trouble
from tests.promql import Exported, Query, expressions, read_exported

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "s1-gateway.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "gateway-alerts.yml").read_text())
EXPRESSIONS = expressions(DASHBOARD, ALERTS)
ON_EVERY_SERIES = {"job", "instance"}
KNOWN_VALUES = {"outcome": set(Outcome), "reason": set(Reason)}


@pytest.fixture(scope="module")
def exported(shared_stand_in: tuple[StandIn, str]) -> Exported:
    """After an utterance, a refusal and a socket each metric has a series."""
    with running_gateway(shared_stand_in[1]) as gateway:
        _use(gateway)
        return read_exported(httpx2.get(f"{gateway.url}/metrics").text)


def _use(gateway: RunningGateway) -> None:
    request = {"model": "m", "voice": "alloy", "input": "Hello.", "response_format": "pcm"}
    headers = {"x-stainless-retry-count": "1"}
    with sdk_of(gateway) as sdk:
        sdk.audio.speech.create(**request, extra_headers=headers)
        with pytest.raises(openai.InternalServerError):
            sdk.audio.speech.create(**{**request, "input": Trouble.BUSY})


# metrics of what does not happen to every gateway have no series until it does
SELDOM = {
    "s1_gateway_underruns_total": {"door", "token"},
    "s1_gateway_dropped_samples_total": {"door", "token"},
    "s1_gateway_open_sockets": {"door"},
}


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_metrics_and_labels_exist(exported: Exported, place: str, shared_stand_in: tuple[StandIn, str]) -> None:
    query = Query.of(EXPRESSIONS[place])
    known = {name: set(labels) for name, labels in exported.items()} | SELDOM | {"up": {"job", "instance"}}
    assert query.metrics <= known.keys()
    assert query.labels <= ON_EVERY_SERIES.union(*(known[name] for name in query.metrics))
    for _, label, value in query.matched:
        if label not in ON_EVERY_SERIES:
            assert set(value.split("|")) <= KNOWN_VALUES[label]


def test_seldom_metrics_are_declared(gateway: RunningGateway) -> None:
    page = httpx2.get(f"{gateway.url}/metrics").text
    for name in SELDOM:
        assert f"# TYPE {name} " in page


def test_jobs_are_those_of_prometheus() -> None:
    jobs = {
        each["job_name"]
        for each in yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    }
    used = {value for place in EXPRESSIONS.values() for _, label, value in Query.of(place).matched if label == "job"}
    assert used == {"s1-gateway"} <= jobs


async def test_each_problem_is_counted_once(shared_stand_in: tuple[StandIn, str], stand_in: StandIn) -> None:
    with running_gateway(shared_stand_in[1]) as gateway:
        await asyncio.to_thread(_cause_problems, gateway)
        async with connect(gateway.socket_url + "/ws/tts") as socket:
            await socket.send(json.dumps({"text": Trouble.BUSY}))
            await socket.recv()
        page = await asyncio.to_thread(lambda: httpx2.get(f"{gateway.url}/metrics").text)
    counted = dict(re.findall(r"^s1_gateway_(?:refusals|utterances)_total(\{.*\}) (\S+)$", page, flags=re.MULTILINE))
    token = 'token="anybody"'
    assert counted == {
        f'{{door="openai",reason="busy",{token}}}': "1.0",
        f'{{door="openai",reason="internal",{token}}}': "2.0",
        f'{{door="openai",reason="invalid_request",{token}}}': "1.0",
        f'{{door="openai",reason="not_found",{token}}}': "1.0",
        f'{{door="live",reason="busy",{token}}}': "1.0",
        f'{{door="openai",outcome="refused",{token}}}': "2.0",
        f'{{door="openai",outcome="failed",{token}}}': "2.0",
        f'{{door="live",outcome="refused",{token}}}': "1.0",
    }


def _cause_problems(gateway: RunningGateway) -> None:
    request = {"model": "m", "voice": "alloy", "input": "Hello.", "response_format": "pcm"}
    breaking = f"This breaks off after a while. {Trouble.BREAK}"
    with sdk_of(gateway) as sdk:
        for wrong in ({"speed": 9}, {"voice": "nobody"}, {"input": Trouble.BUSY}, {"input": breaking}):
            with pytest.raises(openai.OpenAIError):
                sdk.audio.speech.create(**{**request, **wrong})
        sdk.audio.speech.create(**{**request, "input": breaking, "stream_format": "sse"})
