"""What ``s1-tts doctor`` makes of a server's metrics: new ones, old ones, another program's, none at all."""

import pytest

from s1_client.diagnosis import Verdict, metrics_url_of, serving_facts
from s1_client.metrics import MetricsPage
from s1_protocol.version import package_version

LOAD = 's1_lm_slots 8\ns1_lm_active_sequences{service="call"} 2\ns1_lm_active_sequences{service="note"} 3\n'
INFO = 's1_server_info{{checkpoint="{0}",development="{1}",device="{2}",dtype="bfloat16",slots="8",version="{3}"}} 1\n'


def facts_of(page: str) -> dict[str, tuple[Verdict, str]]:
    return {finding.subject: (finding.verdict, finding.fact) for finding in serving_facts(MetricsPage.read(page))}


def test_what_the_server_says_of_itself_is_told() -> None:
    facts = facts_of(LOAD + INFO.format("openaudio-s1-mini", "false", "cuda:0", package_version()))
    assert facts == {
        "version": (Verdict.GOOD, f"s1-tts {package_version()}"),
        "checkpoint": (Verdict.GOOD, "openaudio-s1-mini"),
        "device": (Verdict.GOOD, "cuda:0, computing in bfloat16"),
        "load": (Verdict.GOOD, "5 of 8 slots in use, 0 waiting"),
    }


@pytest.mark.parametrize(
    ("subject", "values", "words"),
    [
        ("checkpoint", ("dev", "true", "cuda:0", package_version()), "noise, not words"),
        ("device", ("s1", "false", "cpu", package_version()), "cpu"),
        ("version", ("s1", "false", "cuda:0", "99.0"), "the server's s1-tts is 99.0"),
    ],
)
def test_what_to_mind_is_a_note(subject: str, values: tuple[str, ...], words: str) -> None:
    facts = facts_of(LOAD + INFO.format(*values))
    assert [name for name, (verdict, _) in facts.items() if verdict is Verdict.NOTICE] == [subject]
    assert words in facts[subject][1]


def test_requests_that_wait_are_a_note() -> None:
    verdict, fact = facts_of(LOAD + 's1_lm_waiting_sequences{service="note"} 4\n')["load"]
    assert (verdict, fact) == (Verdict.NOTICE, "5 of 8 slots in use, 4 waiting")


def test_an_older_server_is_told_as_such_and_its_load_all_the_same() -> None:
    facts = facts_of(LOAD)
    assert facts["engine"][0] is Verdict.NOTICE
    assert "older than this client" in facts["engine"][1]
    assert "load" in facts


@pytest.mark.parametrize("page", ["", "<html>no such page</html>", "hello world\nup 1\n"])
def test_another_programs_page_is_told_as_such(page: str) -> None:
    assert facts_of(page) == {"engine": (Verdict.NOTICE, "its metrics do not tell")}


def test_figures_are_summed_over_their_labels_and_labels_are_read_as_they_were_meant() -> None:
    page = MetricsPage.read(
        '# HELP a b\n# TYPE a gauge\na{x="1"} 2\na{x="b\\"\\\\\\n}",y=""} 3.5\nb 1e3\nc +Inf\nno number\n'
    )
    assert (page.total("a"), page.total("b"), page.total("c"), page.total("d")) == (5.5, 1000.0, float("inf"), 0)
    assert [sample.labels for sample in page.of("a")] == [{"x": "1"}, {"x": 'b"\\\n}', "y": ""}]
    assert page.of("no") == []


def test_metrics_are_looked_for_on_the_same_host() -> None:
    assert metrics_url_of("host:9001") == "http://host:8002/metrics"
