"""From the drop of a photo on the page to its masks on the canvas, in a real browser and with the real server.

    python benchmarks/page.py [--write docs/server.md] [--rounds N] [--short]

Each round starts `maskweave serve` and a fresh page, drops a photo of one megapixel (the first), and then drops it
again (the later ones). The clock is the page's own: from the drop event to the frame of the screen after the one in
which the masks were painted. They are painted in full at once, as for people who prefer reduced motion; for others
they fade in from then on, in a third of a second. The plain reference is the same photo sent by the Python client to
the same server; the page must list as many objects. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import base64
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import machine, replace_between_marks, spread
from PIL import Image

from maskweave.serving.client import Client
from serving import server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_IMAGE = Path(__file__).parents[1] / "docs" / "images" / "overlay.jpg"  # README's, with objects to find
_SIZE = (1333, 750)  # one megapixel, of the same shape
_ASKED = 0.1  # the least score that the page asks for
_READY = "() => performance.getEntriesByType('resource').some((e) => e.name.endsWith('/v1/models'))"

_DROP = """async (text) => {
  const { page } = await import("/static/js/main.js");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
  const before = page.stage.painter;
  const start = performance.now();
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
  return new Promise((resolve) => {
    const told = page.stage.onpaint;
    page.stage.onpaint = () => {
      told();
      const { painter } = page.stage;
      if (painter === before || !painter.findings?.shown.length) return;
      page.stage.onpaint = told;
      requestAnimationFrame(() => resolve([performance.now() - start, painter.findings.items.length]));
    };
  });
}"""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="servers that are started")
    parser.add_argument("--drops", type=int, default=6, help="of the photo in each round, the first included")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    parser.add_argument("--short", action="store_true", help="one round of two drops: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    rounds, drops = (1, 2) if options.short else (options.rounds, options.drops)
    text = f"{table(options.chromium, rounds, drops)}\n\n{machine('onnxruntime', 'fastapi', 'playwright')}"
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, "page", text)


def table(chromium: str, rounds: int, drops: int) -> str:
    """The reference, the first drop and the later ones, as rows of Markdown."""
    from playwright.sync_api import sync_playwright

    photo = photo_bytes()
    plain: list[float] = []
    first: list[float] = []
    later: list[float] = []
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(rounds):
            with server() as (url, _), Client(url) as client:
                taken = dropped(browser, url, photo, drops, lambda client=client: call(client, photo))
            first.append(taken[0][0])
            later += [seconds for seconds, _ in taken[1:]]
            plain += [seconds for _, seconds in taken[1:]]
        browser.close()
    rows = [
        ("`Client.segment(photo)`", plain),
        ("drop on the page to masks on its canvas, the first after the start", first),
        ("drop to masks, later ones", later),
    ]
    middle = statistics.median(plain)
    return "\n".join(
        [
            "| a photo of 1.0 Mpx | ms | ratio |",
            "|---|---|---|",
            *(
                f"| {name} | {spread(taken)} | {statistics.median(taken) / middle:.2f} |"
                for name, taken in rows
            ),
        ]
    )


def photo_bytes() -> bytes:
    """A JPEG of one megapixel."""
    buffer = io.BytesIO()
    with Image.open(_IMAGE) as opened:
        opened.resize(_SIZE, Image.Resampling.LANCZOS).save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def dropped(
    browser: Browser, url: str, photo: bytes, drops: int, reference: Callable[[], tuple[float, int]]
) -> list[tuple[float, float]]:
    """Seconds of each drop on one page, and of the reference after it; raises `SystemExit` where they disagree."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    try:
        page.goto(url)
        page.wait_for_function(_READY)
        return [drop_and_call(page, photo, reference) for _ in range(drops)]
    finally:
        page.close()


def drop_and_call(
    page: Page, photo: bytes, reference: Callable[[], tuple[float, int]]
) -> tuple[float, float]:
    """One drop and one call, in turn."""
    milliseconds, found = page.evaluate(_DROP, base64.b64encode(photo).decode())
    seconds, expected = reference()
    if found != expected:
        raise SystemExit(f"the page lists {found} objects, the server's answer has {expected}")
    return milliseconds / 1000, seconds


def call(client: Client, photo: bytes) -> tuple[float, int]:
    """Seconds of a call, and how many objects it gives."""
    start = time.perf_counter()
    found = client.segment(photo, score=_ASKED)
    return time.perf_counter() - start, len(found)


if __name__ == "__main__":
    main()
