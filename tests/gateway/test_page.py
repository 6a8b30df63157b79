"""The page at ``/`` in a real Chromium: what is heard, and what happens when something goes wrong."""

import re
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from s1_gateway.auth import hash_token
from s1_gateway.web.endpoints import PAGE_HEADERS
from s1_protocol.limits import MAX_TEXT_CHARACTERS
from tests.gateway.browser import ListenPage, chromium, opened
from tests.gateway.hearing import assert_said
from tests.gateway.running import RunningGateway, running_gateway, until
from tests.gateway.stand_in import TONE_HZ, StandIn, Trouble

TEXT = "Hello there, this is what I have to say."
LONG_TEXT = "This is a sentence of some length that takes a while to be said. " * 10
HEARD = re.compile(r"^\d+:(0[1-9]|[1-9]\d)$")
"""A second or more, however late one looks."""

MUTE = """
window.AudioContext = class extends AudioContext {
  constructor(options) { super(options); this.suspend(); window.plugIn = () => super.resume(); }
  resume() { return new Promise(() => {}); }
};
"""
"""What Firefox does on a machine without a loudspeaker; Chromium plays to nobody there."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    spoken = tmp_path_factory.mktemp("microphone") / "tone.wav"
    times = np.arange(10 * 44_100) / 44_100
    with wave.open(str(spoken), "wb") as file:
        file.setparams((1, 2, 44_100, 0, "NONE", ""))
        file.writeframes((9000 * np.sin(2 * np.pi * 220 * times)).astype("<i2").tobytes())
    with chromium(spoken) as running:
        yield running


@pytest.fixture
def page(browser: Browser, gateway: RunningGateway) -> Iterator[ListenPage]:
    with opened(browser, gateway.url) as page:
        yield page


@pytest.fixture
def tapped_page(browser: Browser, gateway: RunningGateway) -> Iterator[ListenPage]:
    """The page, and what it sends to the loudspeaker."""
    with opened(browser, gateway.url, bypass_csp=True) as page:
        page.open_with_tap()
        yield page


def silence_in(samples: np.ndarray) -> np.ndarray:
    """Lengths of all stretches of silence over 5 ms."""
    silent = np.concatenate([[False], samples == 0, [False]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(silent) == 1), np.flatnonzero(np.diff(silent) == -1)
    return (ends - starts)[ends - starts > 220]


def test_what_is_typed_is_heard_and_kept(tapped_page: ListenPage) -> None:
    page = tapped_page
    page.speak(TEXT)
    page.expect_status("That was all.")
    name, kept = page.download()
    assert re.fullmatch(r"default-hello-there.*\.wav", name)
    assert_said(kept, TEXT)
    rendered = page.rendered()
    pauses = int(page.page.inner_text("#pauses"))
    assert len(silence_in(rendered)) == pauses
    assert abs(page.heard().pitch_hz - TONE_HZ) < 3
    if pauses == 0:  # a machine that is very busy lets the page wait; then there are silences in it
        sound = np.trim_zeros(kept.samples)
        assert len(rendered) == len(sound)
        np.testing.assert_allclose(rendered, sound, atol=1.5 / 32768)
    assert re.fullmatch(r"\d+ ms", page.page.inner_text("#first-sound"))


def test_what_was_heard_is_kept_as_mp3_without_being_said_again(page: ListenPage, stand_in: StandIn) -> None:
    page.open()
    page.speak(TEXT)
    page.expect_status("That was all.")
    name, kept = page.download("mp3")
    assert re.fullmatch(r"default-hello-there.*\.mp3", name)
    _, exact = page.download("wav")
    assert_said(kept, TEXT, within_s=0.01)
    assert abs(len(kept.samples) - len(exact.samples)) <= 441
    assert len(stand_in.requests) == 1


def test_a_file_that_cannot_be_made_is_told_and_the_sound_stays(
    browser: Browser, shared_stand_in: tuple[StandIn, str], stand_in: StandIn
) -> None:
    with running_gateway(shared_stand_in[1], max_body_bytes=100_000) as small, opened(browser, small.url) as page:
        page.open()
        page.speak(TEXT)
        page.expect_status("That was all.")
        page.page.click("#download-mp3")
        page.expect_problem("too long to become an MP3")
        assert_said(page.download("wav")[1], TEXT)


@pytest.mark.parametrize("body", [b"", b"abc"])
def test_what_is_no_sound_becomes_no_mp3(gateway: RunningGateway, body: bytes) -> None:
    answer = httpx2.post(f"{gateway.url}/page.mp3", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(f"got {len(body)} bytes")


def test_stop_is_silent_at_once_and_stops_the_server(tapped_page: ListenPage, stand_in: StandIn) -> None:
    stand_in.speedup = 3.0
    page = tapped_page
    page.speak(LONG_TEXT * 5)  # minutes, so that it is under way until it is stopped
    expect(page.page.locator("#heard")).to_have_text(HEARD)
    page.page.click("#stop")
    until(lambda: stand_in.num_open == 0 and stand_in.num_cancelled >= 1)
    page.expect_status("Stopped.")
    page.page.wait_for_timeout(500)
    assert page.last_sound_s() - page.page.evaluate("() => seen.stopped_s") < 0.2
    _, kept = page.download()
    rendered = page.rendered()
    heard_s = (len(rendered) - silence_in(rendered).sum()) / 44_100
    assert abs(kept.duration_s - heard_s) < 0.1, "what was not heard is not kept"


def test_keys_speak_and_stop_and_the_focus_goes_in_order(page: ListenPage, stand_in: StandIn) -> None:
    stand_in.speedup = 3.0
    page.open()
    page.expect_voice("default")
    keyboard = page.page.keyboard
    page.page.focus("#text")
    keyboard.type("Hello.")
    ids = []
    for _ in range(4):
        ids.append(page.page.evaluate("() => document.activeElement.id"))
        keyboard.press("Tab")
    assert ids == ["text", "voice", "record-voice", "speak"]
    page.page.fill("#text", LONG_TEXT)
    keyboard.press("Control+Enter")
    page.expect_status("Speaking.")
    page.page.focus("#stop")
    keyboard.press("Escape")
    page.expect_status("Stopped.")
    expect(page.page.locator("#speak")).to_be_focused()
    page.page.focus("#record-voice")
    keyboard.press("Enter")
    expect(page.page.locator("#record")).to_be_focused()
    keyboard.press("Escape")
    expect(page.page.locator("#recording")).not_to_be_visible()
    expect(page.page.locator("#record-voice")).to_be_focused()


def test_a_voice_is_recorded_stored_and_removed(page: ListenPage, stand_in: StandIn) -> None:
    page.open()
    page.page.click("#record-voice")
    page.page.click("#record")
    expect(page.page.locator("#record-label")).to_have_text(re.compile(r"Stop \(0:(0[2-9]|[1-9]\d)\)"))
    page.page.click("#record")
    expect(page.page.locator("#take-status")).to_have_text(re.compile(r"^([2-9]|[1-9]\d)\.\d seconds recorded\.$"))
    page.page.click("#save-voice")
    problem = page.page.locator("#recording-problem")
    expect(problem).to_contain_text("needs a name")
    page.page.fill("#name", "tone-220")
    page.page.click("#save-voice")
    expect(problem).to_contain_text("the speaker agrees")
    assert stand_in.voices == {}
    page.page.check("#consent")
    page.page.click("#save-voice")
    page.expect_voice("tone-220")
    stored = stand_in.voices["tone-220"]
    assert stored.recordings[0].transcript.startswith("On a bright morning")
    assert "agreed" in stored.metadata["consent"]
    page.page.once("dialog", lambda dialog: dialog.accept())
    page.page.click("#remove-voice")
    page.expect_voice("default")
    assert stand_in.voices == {}


def test_a_microphone_that_is_denied_is_explained(browser: Browser, gateway: RunningGateway) -> None:
    with opened(browser, gateway.url, may_record=False) as page:
        page.open()
        page.page.click("#record-voice")
        page.page.click("#record")
        expect(page.page.locator("#recording-problem")).to_contain_text("may not use the microphone")


def test_a_file_that_is_no_recording_is_explained(page: ListenPage, tmp_path: Path) -> None:
    page.open()
    page.page.click("#record-voice")
    page.page.click("#save-voice")
    problem = page.page.locator("#recording-problem")
    expect(problem).to_contain_text("no recording yet")
    short = tmp_path / "short.wav"
    with wave.open(str(short), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\x00\x20" * 2000)
    page.page.set_input_files("#file", short)
    expect(problem).to_contain_text("0.3 seconds; 1 to 90 seconds are allowed")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no text yet"),
        ("a" * (MAX_TEXT_CHARACTERS + 1), "too long"),
        (Trouble.BUSY, "hands full"),
        (Trouble.INVALID, "allowed: 0 to 2"),
        (f"{TEXT} {Trouble.BREAK}", "Something went wrong on the server"),
    ],
)
def test_what_fails_is_explained_and_the_next_is_heard(page: ListenPage, text: str, words: str) -> None:
    page.open()
    page.expect_voice("default")  # by then it knows what is allowed
    page.speak(text)
    page.expect_problem(words)
    page.speak(TEXT)
    page.expect_status("That was all.")
    expect(page.page.locator("#problem")).to_be_empty()


def test_a_browser_that_plays_nothing_is_explained_and_the_sound_is_kept(page: ListenPage) -> None:
    page.page.add_init_script(MUTE)
    page.open()
    page.speak(TEXT)
    page.expect_problem("The browser plays no sound")
    page.expect_status("Waiting for the first sound…")
    assert_said(page.download()[1], TEXT)
    page.page.evaluate("() => plugIn()")
    page.expect_status("That was all.")
    expect(page.page.locator("#problem")).to_be_empty()


def test_a_voice_that_went_is_explained(page: ListenPage, stand_in: StandIn, gateway: RunningGateway) -> None:
    httpx2.post(
        f"{gateway.url}/v1/audio/voices",
        data={"name": "anna", "ref_text": "Hello."},
        files={"audio_sample": ("a.wav", b"RIFF")},
    ).raise_for_status()
    page.open()
    page.page.select_option("#voice", "anna")
    stand_in.voices.clear()
    page.speak(TEXT)
    page.expect_problem("This voice is not there any more")
    page.expect_voice("default")


def test_a_gateway_that_goes_and_comes_back(
    browser: Browser, shared_stand_in: tuple[StandIn, str], stand_in: StandIn
) -> None:
    stand_in.speedup = 3.0
    with running_gateway(shared_stand_in[1]) as gateway, opened(browser, gateway.url) as page:
        port = gateway.server.port
        page.open()
        page.speak(LONG_TEXT * 5)
        expect(page.page.locator("#heard")).to_have_text(HEARD)
        gateway.server.force_exit = True
        gateway.server.should_exit = True
        page.expect_problem("The connection broke off")
        expect(page.page.locator("#health")).to_have_text("The gateway does not answer")
        page.page.click("#speak")
        page.expect_problem("The gateway does not answer")
        stand_in.speedup = float("inf")
        with running_gateway(shared_stand_in[1], port=port):
            expect(page.page.locator("#health")).to_have_text("Ready")
            expect(page.page.locator("#problem")).to_be_empty()
            page.speak(TEXT)
            page.expect_status("That was all.")
            assert_said(page.download()[1], TEXT)


def test_a_token_is_asked_for_and_forgotten_with_the_tab(
    browser: Browser, shared_stand_in: tuple[StandIn, str]
) -> None:
    entry = f"anna {hash_token('open-sesame')}"
    with running_gateway(shared_stand_in[1], tokens=entry) as gateway, opened(browser, gateway.url) as page:
        page.open()
        expect(page.page.locator("#token")).to_be_focused()
        for token in ("wrong", "open-sesame"):
            if token != "wrong":
                page.expect_problem("This token is not known here")
            page.page.fill("#token", token)
            page.page.keyboard.press("Enter")
        page.expect_voice("default")
        expect(page.page.locator("#problem")).to_be_empty()
        page.speak(TEXT)
        page.expect_status("That was all.")
        assert page.page.evaluate("() => [localStorage.length, document.cookie, sessionStorage.length]") == [0, "", 1]
        page.page.click("#record-voice")  # a token that may not change voices
        page.page.click("#record")
        expect(page.page.locator("#record-label")).to_have_text(re.compile(r"Stop \(0:(0[2-9]|[1-9]\d)\)"))
        page.page.click("#record")
        page.page.fill("#name", "anna")
        page.page.check("#consent")
        page.page.click("#save-voice")
        expect(page.page.locator("#recording-problem")).to_contain_text("does not allow that")


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/page.css"])
def test_every_file_has_the_policy(gateway: RunningGateway, path: str) -> None:
    answer = httpx2.get(gateway.url + path)
    assert answer.status_code == 200
    assert PAGE_HEADERS.items() <= dict(answer.headers).items()
    assert "unsafe" not in answer.headers["content-security-policy"]
