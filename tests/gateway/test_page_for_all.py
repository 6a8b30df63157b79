"""The page for people who do not see it, use no mouse, or hold a phone: judged by axe in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.gateway.browser import ListenPage, chromium, opened
from tests.gateway.running import RunningGateway

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("microphone") / "none.wav") as running:
        yield running


def judge(page: ListenPage) -> None:
    found = Axe().run(page.page).response["violations"]
    assert [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found] == []
    width, room = page.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert width <= room, "it has to be moved sideways to be read"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(browser: Browser, gateway: RunningGateway, device: dict, scheme: str) -> None:
    with opened(browser, gateway.url, color_scheme=scheme, reduced_motion="reduce", **device) as page:
        page.open()
        page.expect_voice("default")
        judge(page)
        page.speak("")
        page.expect_problem("There is no text yet")
        page.speak("Hello there.")
        page.expect_status("That was all.")
        page.speak("")
        judge(page)
        page.page.click("#record-voice")
        page.page.click("#save-voice")
        expect(page.page.locator("#recording-problem")).to_be_visible()
        judge(page)


def test_every_control_says_what_it_is(browser: Browser, gateway: RunningGateway) -> None:
    with opened(browser, gateway.url) as page:
        page.open()
        page.expect_voice("default")
        for role, name in (
            ("textbox", "Text to speak"),
            ("combobox", "Voice"),
            ("button", "Speak"),
            ("button", "Stop"),
            ("button", "Record a voice"),
            ("button", "Play again"),
            ("button", "Download MP3"),
            ("button", "Download WAV"),
            ("img", "Waveform"),
        ):
            expect(page.page.get_by_role(role, name=name, exact=True)).to_have_count(1)
        for place, manner in (("#status", "status"), ("#health", "status"), ("#problem", "alert")):
            assert page.page.get_attribute(place, "role") == manner


def test_no_file_is_too_large_to_be_read() -> None:
    static = Path(__file__).resolve().parents[2] / "gateway" / "s1_gateway" / "web" / "static"
    assert max(len(path.read_text().splitlines()) for path in static.iterdir() if path.suffix == ".js") <= 300
