"""The page's picture in the docs: ``python -m tests.gateway.picture http://127.0.0.1:8080/ docs/gateway_page.png``.

It takes a gateway that runs, such as ``make up``, and Chromium.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.gateway.browser import chromium, opened

TEXT = (
    "The page speaks while you listen. What you type is heard as it is made, "
    "sentence by sentence, and none of it has to be finished first."
)
LATER = "This one is spoken later, as a job."
SIZE = {"width": 750, "height": 800}
SCALE = 1.6
PLAYED_MS = 2500
"""What has been heard when the picture is taken."""


def take(url: str, file: Path) -> None:
    """Let the page speak, beside a job that is ready, and take its picture.

    Args:
        url: The gateway's.
        file: PNG that is written.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium(Path(folder) / "none.wav") as browser,
        opened(browser, url, viewport=SIZE, device_scale_factor=SCALE) as page,
    ):
        page.open()
        page.expect_voice("default")
        page.page.fill("#text", LATER)
        page.page.click("#make-job")
        expect(page.page.locator("#job-list .job-state").first).to_contain_text("Ready")
        page.speak(TEXT)
        page.expect_status("Speaking.")
        page.page.wait_for_timeout(PLAYED_MS)
        page.page.screenshot(path=str(file), full_page=True)


if __name__ == "__main__":
    take(sys.argv[1], Path(sys.argv[2]))
