"""Schemathesis makes requests of the gateway's own description, right and wrong ones, and holds the answers to it."""

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from s1_gateway.app import make_app
from s1_gateway.leaving import Leaving
from s1_gateway.limits import Limits
from s1_gateway.settings import Settings
from tests.gateway.running import RunningGateway

SETTINGS = hypothesis.settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)
DESCRIPTION = make_app(Settings.load({}), Limits(Settings.load({})), Leaving()).openapi()
OPERATIONS = [(path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods]
WITH_BODY = [(path, method) for path, method in OPERATIONS if "requestBody" in DESCRIPTION["paths"][path][method]]
CASES = [
    *((*operation, GenerationMode.POSITIVE) for operation in OPERATIONS),
    *((*operation, GenerationMode.NEGATIVE) for operation in WITH_BODY),
]


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_answers_are_as_described(gateway: RunningGateway, path: str, method: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(DESCRIPTION)
    schema.config.update(base_url=gateway.url)
    cases = schema[path][method.upper()].as_strategy(generation_mode=mode)
    # a voice's id, and which rate goes with which format, have rules that a description cannot tell
    unchecked = [positive_data_acceptance, *([negative_data_rejection] if "voices" in path else [])]

    @SETTINGS
    @hypothesis.given(cases)
    def try_one(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(excluded_checks=unchecked)
        assert answer.headers["x-request-id"]
        if path == "/v1/audio/speech" and mode is GenerationMode.POSITIVE and answer.status_code != 200:
            assert answer.json()["error"]["param"] in ("sample_rate", "voice")

    try_one()
