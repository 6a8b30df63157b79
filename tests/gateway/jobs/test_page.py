"""Jobs on the page at ``/``, in a real Chromium, with a real worker."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.gateway.browser import ListenPage, chromium, opened
from tests.gateway.hearing import hear_file
from tests.gateway.jobs.conftest import Place
from tests.gateway.running import running_gateway, until
from tests.gateway.stand_in import StandIn, Trouble, seconds_of
from tests.gateway.test_page_for_all import DESK, PHONE, judge

TEXT = "This is spoken while I do something else."
ENDLESS = f"{Trouble.STALL}, so that its job is under way until it is cancelled."
"""It is never said whole, so that no later job of the same text is answered from the store."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("microphone") / "none.wav") as running:
        yield running


@pytest.fixture(scope="module")
def place_with_worker(shared_place: Place) -> Place:
    shared_place.start_worker()
    return shared_place


@pytest.fixture
def place(place_with_worker: Place) -> Iterator[Place]:
    """Where jobs are done; nothing goes on in it after a test."""
    place_with_worker.stand_in.reset()
    yield place_with_worker
    until(lambda: place_with_worker.stand_in.num_open == 0, 60)


@pytest.fixture
def page(browser: Browser, place: Place) -> Iterator[ListenPage]:
    with opened(browser, place.gateway.url) as page:
        page.open()
        page.expect_voice("default")
        yield page


def make(page: ListenPage, text: str) -> Locator:
    page.page.fill("#text", text)
    page.page.click("#make-job")
    return page.page.locator("#job-list > li").first


def test_a_text_is_spoken_later_heard_and_kept(page: ListenPage) -> None:
    row = make(page, TEXT)
    expect(row.locator(".job-text")).to_have_text(TEXT)
    expect(row.locator(".job-state")).to_have_text(f"Ready, 0:0{int(seconds_of(TEXT))}")
    expect(row.locator("progress")).to_have_count(0)
    player = row.locator("audio")
    player.evaluate("audio => audio.readyState >= 1 || new Promise(done => { audio.onloadedmetadata = done; })")
    assert player.evaluate("audio => audio.duration") == pytest.approx(seconds_of(TEXT), abs=0.1)
    with page.page.expect_download() as download:
        row.get_by_text("Download").click()
    assert re.fullmatch(r"job_\w+\.mp3", download.value.suggested_filename)
    assert hear_file(Path(download.value.path()).read_bytes()).duration_s == pytest.approx(seconds_of(TEXT), abs=0.1)


def test_progress_is_shown_and_a_job_is_cancelled(page: ListenPage) -> None:
    row = make(page, ENDLESS)
    expect(row.locator(".job-state")).to_have_text("Speaking")
    page.page.wait_for_function("() => document.querySelector('#job-list progress').value > 0")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".job-state")).to_have_text("Cancelled")
    expect(row.locator("audio")).to_have_count(0)


def test_what_fails_is_told_in_its_row_and_a_refusal_above(page: ListenPage) -> None:
    row = make(page, f"{Trouble.INVALID} here.")
    expect(row.locator(".job-state")).to_contain_text("Failed: temperature")
    page.page.fill("#text", " ")
    page.page.click("#make-job")
    page.expect_problem("There is no text yet")
    expect(page.page.locator("#job-list > li")).to_have_count(1)
    assert make(page, "One more.").locator(".job-state")
    expect(page.page.locator("#problem")).to_be_empty()


def test_a_job_outlives_an_absence_of_its_gateway(browser: Browser, place: Place, jobs_stand_in) -> None:
    settings = {**place.settings, "redis_url": place.redis.url}
    with running_gateway(jobs_stand_in[1], **settings) as gateway, opened(browser, gateway.url) as page:
        port = gateway.server.port
        page.open()
        page.expect_voice("default")
        row = make(page, f"{Trouble.STALL} {TEXT}")
        expect(row.locator(".job-state")).to_have_text("Speaking")
        gateway.server.force_exit = True
        gateway.server.should_exit = True
        expect(row.locator(".job-state")).to_contain_text("does not answer")
        place.stand_in.is_stalling = False
        with running_gateway(jobs_stand_in[1], port=port, **settings):
            expect(row.locator(".job-state")).to_contain_text("Ready")


def test_a_gateway_without_jobs_does_not_offer_them(browser: Browser, jobs_stand_in: tuple[StandIn, str]) -> None:
    with running_gateway(jobs_stand_in[1]) as gateway, opened(browser, gateway.url) as page:
        page.open()
        page.expect_voice("default")
        expect(page.page.locator("#make-job")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(browser: Browser, place: Place, device: dict, scheme: str) -> None:
    with opened(browser, place.gateway.url, color_scheme=scheme, reduced_motion="reduce", **device) as page:
        page.open()
        page.expect_voice("default")
        for text, words in ((TEXT, "Ready"), (f"{Trouble.INVALID} here.", "Failed")):
            expect(make(page, text).locator(".job-state")).to_contain_text(words)
        expect(make(page, ENDLESS).locator(".job-state")).to_have_text("Speaking")
        judge(page)
        page.page.get_by_role("button", name="Cancel").click()
        expect(page.page.locator("#job-list > li").first).to_contain_text("Cancelled")
