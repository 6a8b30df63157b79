"""A real Chromium before the gateway's page, with a tap on what it plays."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.gateway.hearing import Heard, hear, hear_file

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE_MS = 60_000
"""Only so that a test that fails comes to an end."""

SILENCE = 1e-6
"""At most, of full scale: far less than a step of 16 bits. Chromium may play 1e-14 before a sound
that begins between two samples of its clock."""

WATCH = """
window.seen = { violations: [], heard: [], stopped_s: null };
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  seen.violations.push(`${violatedDirective} ${blockedURI}`);
});
"""

TAP_MODULE = """
registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) { this.port.postMessage([currentFrame, samples]); }
    return true;
  }
});
"""

# what is connected to the loudspeaker goes through the tap too; the page's own modules know nothing of it
TAP = """async (module) => {
  const context = (await import("./page/playback.js")).audioContext();
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([module], { type: "text/javascript" })));
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
      const tap = new AudioWorkletNode(context, "tap");
      tap.port.onmessage = ({ data }) => seen.heard.push(data);
      connect.call(this, tap);
    }
    return connect.call(this, target, ...rest);
  };
  const note = () => { seen.stopped_s = context.currentTime; };
  document.getElementById("stop").addEventListener("click", note, { capture: true });
}"""

RENDERED = """() => {
  const byFrame = seen.heard.sort(([one], [other]) => one - other);
  return JSON.stringify(byFrame.map(([frame, samples]) => [frame, Array.from(samples)]));
}"""


@dataclass(eq=False)
class ListenPage:
    """The page, opened.

    Args:
        page: Playwright's.
        url: The gateway's.
        strangers: Addresses outside the gateway that were asked.
        faults: Exceptions that no code of the page took.
    """

    page: Page
    url: str
    strangers: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Go there, and wait for its voices."""
        self.page.on("request", self._note_request)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.add_init_script(WATCH)
        self.page.goto(self.url)

    def open_with_tap(self) -> None:
        """The same, and listen to what it plays, which the page's policy does not allow; see :func:`opened`."""
        self.open()
        expect(self.page.locator("#health")).to_have_text("Ready")
        self.page.evaluate(TAP, TAP_MODULE)

    def speak(self, text: str) -> None:
        self.page.fill("#text", text)
        self.page.click("#speak")

    def expect_status(self, words: str) -> None:
        expect(self.page.locator("#status")).to_have_text(words)

    def expect_problem(self, words: str) -> None:
        expect(self.page.locator("#problem")).to_contain_text(words)

    def expect_voice(self, name: str) -> None:
        expect(self.page.locator("#voice")).to_have_value(name)

    def rendered(self) -> npt.NDArray[np.float64]:
        """All that was sent to the loudspeaker, from its first sound on, with the pauses in it."""
        blocks = self._blocks()
        if not blocks:
            return np.zeros(0)
        first = blocks[0][0]
        whole = np.zeros(blocks[-1][0] - first + len(blocks[-1][1]))
        for frame, samples in blocks:
            whole[frame - first : frame - first + len(samples)] += samples
        loud = np.flatnonzero(np.abs(whole) > SILENCE)
        return whole[loud[0] : loud[-1] + 1] if len(loud) else whole[:0]

    def last_sound_s(self) -> float:
        """When, by the clock of the sound, the last sample that is no silence was played."""
        frame, samples = [block for block in self._blocks() if any(block[1])][-1]
        return (frame + int(np.flatnonzero(samples)[-1])) / 44_100

    def heard(self) -> Heard:
        """The rendered sound, judged."""
        return hear(self.rendered(), 44_100)

    def download(self, kind: str = "wav") -> tuple[str, Heard]:
        """Press Download; gives the file's name and its sound.

        Args:
            kind: ``wav`` or ``mp3``.
        """
        with self.page.expect_download() as download:
            self.page.click(f"#download-{kind}")
        return download.value.suggested_filename, hear_file(Path(download.value.path()).read_bytes())

    def check(self) -> None:
        """Nothing that the policy forbids was tried, nothing failed unseen, nobody else was asked."""
        assert self.page.evaluate("() => seen.violations") == []
        assert self.faults == []
        assert self.strangers == []

    def _blocks(self) -> list[tuple[int, list[float]]]:
        return json.loads(self.page.evaluate(RENDERED))

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self.url, f"blob:{self.url}", self.url.replace("http", "ws"))):
            self.strangers.append(request.url)


@contextmanager
def chromium(microphone: Path) -> Iterator[Browser]:
    """Run Chromium.

    Args:
        microphone: WAV file that its microphone hears, over and over.
    """
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here (Debian: apt install chromium)")
    arguments = [
        "--disable-gpu",  # frames drawn by an imitated one cost a third more
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, *, may_record: bool = True, **options: Any) -> Iterator[ListenPage]:
    """Open a fresh page, as a person who was never there; afterwards nothing forbidden may have happened in it.

    Args:
        browser: Running.
        url: The gateway's.
        may_record: Whether the microphone is allowed.
        options: Of the browser's context, such as its size; ``bypass_csp`` lets the tap in.
    """
    context = browser.new_context(permissions=["microphone"] if may_record else [], **options)
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page = ListenPage(context.new_page(), url)
    try:
        yield page
        page.check()
    finally:
        context.close()
