"""Make docs/images/page-light.jpg, page-dark.jpg and page-live.jpg: the page, as it is.

    python scripts/page_images.py [FOLDER]

Light: the masks of a photo that comes with scikit-image, with the largest object selected. Dark: that object cut out
before the blurred image. Live: the demo's video, as it happens. Needs the
extra [serve], playwright, scikit-image and Chromium.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from PIL import Image
from skimage import data

from maskweave.cli.demo_video import write_video

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SCREEN = {"viewport": {"width": 1280, "height": 800}, "device_scale_factor": 1.25, "reduced_motion": "reduce"}


def main(folder: Path) -> None:
    """Make the images in ``folder``."""
    from playwright.sync_api import sync_playwright

    with (
        TemporaryDirectory() as scratch,
        server(write_video(Path(scratch) / "drift.mp4")) as url,
        sync_playwright() as running,
    ):
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = opened(browser, url, scheme)
            if scheme == "dark":
                page.locator("#look").get_by_text("Cut-out", exact=True).click()
                page.locator("#background").select_option("blur")
                page.locator("#background").blur()
            save(page, folder / f"page-{scheme}.jpg")
        save(live(browser, url), folder / "page-live.jpg")
        browser.close()


@contextmanager
def server(*live_sources: Path) -> Iterator[str]:
    """The address of a `maskweave serve` of its own, which shows the sources live."""
    options = ["--port", "0", "--workers", "1"]
    for source in live_sources:
        options += ["--live-source", str(source)]
    command = [sys.executable, "-m", "maskweave", "serve", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline() if process.stderr else ""
        found = re.search(r"http://\S+", line)
        if found is None:
            raise SystemExit(f"the server did not start: {line.strip()}")
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def live(browser: Browser, url: str) -> Page:
    """A page that shows the server's video live, near its middle."""
    page = browser.new_page(color_scheme="light", **SCREEN)
    page.goto(f"{url}/#live=0")
    page.evaluate(
        """async () => {
          const { stage } = (await import("/static/js/main.js")).page;
          const isThere = ({ answer } = {}) => answer?.time > 1.5 && answer.objects.length > 1;
          while (!isThere(stage.painter?.frame ?? {})) await new Promise(requestAnimationFrame);
        }"""
    )
    return page


def opened(browser: Browser, url: str, scheme: str) -> Page:
    """A page in which the photo was segmented and its largest object is selected."""
    page = browser.new_page(color_scheme=scheme, **SCREEN)
    page.goto(url)
    page.set_input_files("#file", {"name": "astronaut.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    page.locator("#object-list .object").first.wait_for()
    page.evaluate(
        """async () => {
          const { page } = await import("/static/js/main.js");
          const { findings } = page.stage.painter;
          const [largest] = [...findings.shown].sort((one, other) => other.area - one.area);
          findings.selectAll([largest.id]);
        }"""
    )
    return page


def photo() -> bytes:
    """The astronaut of scikit-image (NASA, public domain) as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def save(page: Page, path: Path) -> None:
    """Keep what the page shows."""
    page.mouse.move(0, 0)
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        shot.convert("RGB").save(path, quality=88, optimize=True)
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
