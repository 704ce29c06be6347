"""Make docs/images/clip-clicks.webp: masks that follow the pointer on the page, and what clicks make of them.

    python scripts/page_clip.py [FOLDER]

The sample photo of a cup in Chromium, without the objects that the model found: every frame is what the page shows,
with the pointer drawn on it. Needs the extra [serve], playwright and Chromium.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from page_images import CHROMIUM, IMAGES, server
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLE = "coffee.webp"
SAMPLES = Path(__file__).parents[1] / "src/maskweave/samples"
SCREEN = {"viewport": {"width": 1100, "height": 760}, "color_scheme": "light", "reduced_motion": "reduce"}
WAYS = (
    ("new", "a", (520, 330), (365, 290)),
    ("same", "a", (420, 120), (408, 92)),
    ("new", "a", (150, 330), (150, 250)),
    ("same", "r", (290, 140), (290, 60)),
)
"""Which object is meant, the key of the tool, where the pointer comes from and where it clicks in the photo."""
STEPS = 5
FRAME, PAUSE = 160, 900
"""Milliseconds that a frame is shown, and one after a click."""


def main(folder: Path) -> None:
    """Make the clip in ``folder``."""
    from playwright.sync_api import sync_playwright

    with server() as url, sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(**SCREEN)
        page.goto(url)
        page.set_input_files("#file", SAMPLES / SAMPLE)
        page.locator("#object-list .object").first.wait_for()
        shots = list(clicked(page))
        browser.close()
    (first, *rest), times = [shot for shot, _ in shots], [time for _, time in shots]
    path = folder / "clip-clicks.webp"
    first.save(path, save_all=True, append_images=rest, duration=times, loop=0, quality=70, method=4)
    print(path)


def clicked(page: Page) -> Iterator[tuple[Image.Image, int]]:
    """Frames, and for how many milliseconds each is shown."""
    page.get_by_label("Minimum score").fill("1")
    page.get_by_label("Minimum score").blur()
    for which, key, start, end in WAYS:
        if which == "new":
            page.keyboard.press("Escape")  # puts the tool away
            page.keyboard.press("Escape")  # and nothing is selected
        page.keyboard.press(key)
        for step in range(STEPS + 1):
            x, y = (a + (b - a) * step / STEPS for a, b in zip(start, end, strict=True))
            place = window_place(page, x, y)
            page.mouse.move(*place)
            wait_for_preview(page)
            yield shot(page, place), FRAME
        page.mouse.click(*place)
        page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
        yield shot(page, place), PAUSE


def window_place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the photo lies in the window."""
    left, top = page.evaluate(
        """async ([x, y]) => {
          const { stage } = (await import("/static/js/main.js")).page;
          const [left, top] = stage.viewport.toWindow(x, y);
          const box = stage.canvas.getBoundingClientRect();
          return [box.left + left / stage.ratio, box.top + top / stage.ratio];
        }""",
        [x, y],
    )
    return left, top


def wait_for_preview(page: Page) -> None:
    """Until what a click would do is shown, or the server has found nothing there."""
    page.evaluate(
        """async () => {
          const { tool } = (await import("/static/js/main.js")).page.stage.painter;
          const rest = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
          for (let looks = 0; looks < 60 && !tool.isShowing; looks += 1) await rest(25);
          await rest(150); // for the newest answer
        }"""
    )


def shot(page: Page, place: tuple[float, float]) -> Image.Image:
    """What the page shows, with the pointer."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    x, y = place
    arrow = [(x, y), (x, y + 20), (x + 5, y + 15.5), (x + 13, y + 15)]
    ImageDraw.Draw(image).polygon(arrow, fill="white", outline="black")
    width = 720
    return image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
