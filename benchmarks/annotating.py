"""How the page keeps up with a hand: clicks, the brush, long queues and long videos, in a real browser.

    python benchmarks/annotating.py [--write docs/performance.md] [--short]

- Clicks: a photo of 1600x900 on the real server, an object selected, points added at random places in and around its
  box and undone again. The clock is the page's own, from the tap to the frame of the screen after the mask changed.
- Brush: a stroke over the same photo, a point a frame of the screen; frames a second, and how long the page paints.
- Queue: images of 1600x900 one after the other, whose objects a stand-in gives at once. What the page's scripts hold
  after a collection of garbage, early and at the end.
- Video: a clip of tiny frames at 50 a second with many tracks. Frames that are painted with their masks a second
  while it plays, and frames of the screen a second while list and timeline are scrolled.

Headless Chromium shows 60 frames a second at most. Needs playwright, Chromium and PyAV; a quiet machine.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import statistics
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from measuring import machine, replace_between_marks
from PIL import Image

from maskweave.serving.client import Client
from serving import server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

_IMAGE = Path(__file__).parents[1] / "docs" / "images" / "overlay.jpg"  # README's, with objects to find
_SIZE = (1600, 900)
_READY = "() => performance.getEntriesByType('resource').some((e) => e.name.endsWith('/v1/models'))"
_RATE = 50  # frames a second of the clip

_TAP = """async ([x, y]) => {
  const { page } = await import("/static/js/main.js");
  const { painter } = page.stage;
  const { findings } = painter;
  const changed = new Promise((resolve, reject) => {
    findings.addEventListener("items", resolve, { once: true });
    setTimeout(() => reject(new Error("no answer")), 10000);
  });
  const start = performance.now();
  painter.tool.tap(x, y, { adds: false });
  await changed;
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const taken = performance.now() - start;
  findings.undo();
  return taken;
}"""
_PAINT = """async (seconds) => {
  const { page } = await import("/static/js/main.js");
  const { stage } = page;
  const { width, height } = stage.imageSize;
  const { tool } = stage.painter;
  const painted = [];
  const paintNow = stage.paintNow.bind(stage);
  stage.paintNow = () => {
    const begun = performance.now();
    paintNow();
    painted.push(performance.now() - begun);
  };
  tool.dragStart(10, 10);
  const start = performance.now();
  await new Promise((resolve) => {
    const step = (now) => {
      const share = (now - start) / (1000 * seconds);
      if (share >= 1) return resolve();
      tool.drag((0.5 + 0.4 * Math.sin(9 * share)) * width, (0.5 + 0.4 * Math.sin(13 * share)) * height);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  const taken = (performance.now() - start) / 1000;
  tool.dragEnd();
  delete stage.paintNow;
  return [painted.length / taken, painted];
}"""
_PLAY = """async (seconds) => {
  const { page } = await import("/static/js/main.js");
  const { stage } = page;
  const frames = new Set();
  const paintNow = stage.paintNow.bind(stage);
  stage.paintNow = () => {
    paintNow();
    frames.add(stage.painter.frame);
  };
  document.querySelector("#play").click();
  await new Promise((resolve) => setTimeout(resolve, 1000)); // until it runs smoothly
  frames.clear();
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  const taken = (performance.now() - start) / 1000;
  document.querySelector("#play").click();
  delete stage.paintNow;
  return frames.size / taken;
}"""
_SCROLL = """async ([selector, seconds]) => {
  const scroller = document.querySelector(selector);
  let frames = 0;
  const start = performance.now();
  await new Promise((resolve) => {
    const step = (now) => {
      if (now - start >= 1000 * seconds) return resolve();
      frames += 1;
      scroller.scrollTop = (scroller.scrollTop + 90) % (scroller.scrollHeight - scroller.clientHeight);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  return frames / ((performance.now() - start) / 1000);
}"""
_KEEP = """async ([text, { frames, tracks, long, rate, size }]) => {
  const { keepResult } = await import("/static/js/state/kept-results.js");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const file = new File([bytes], "long.mp4", { type: "video/mp4" });
  const [height, width] = size;
  const { rleOf } = await import("/static/js/masks/rle.js");
  const annotations = Array.from({ length: tracks }, (_, place) => {
    const first = Math.floor((place / tracks) * (frames - long));
    const [segmentations, bboxes, scores] = [new Array(frames), new Array(frames), new Array(frames)];
    for (let frame = first; frame < first + long; frame += 1) {
      const [x, y] = [(place * 37 + frame) % (width - 24), (place * 53) % (height - 24)];
      const spans = Uint32Array.from({ length: 40 }, (_, at) => (x + (at >> 1)) * height + y + (at % 2) * 20);
      segmentations[frame] = rleOf(spans, [height, width]);
      bboxes[frame] = [x, y, 20, 20];
      scores[frame] = 0.9;
    }
    const id = place + 1;
    return { id, track_id: id, category_id: 1 + (place % 3), score: 0.9, segmentations, bboxes, scores };
  });
  const document = {
    videos: [{ id: 1, height, width, times_seconds: Array.from({ length: frames }, (_, at) => at / rate) }],
    categories: ["person", "car", "dog"].map((name, at) => ({ id: at + 1, name })),
    annotations,
  };
  const result = { tracks: document, job: { id: "0", results: [] }, counters: [] };
  const entry = { id: "long", kind: "video", name: file.name, when: Date.now(), words: "", thumbnail: null, result };
  await keepResult(entry, file);
}"""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    parser.add_argument("--short", action="store_true", help="a little of each: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    text = f"{table(options.chromium, short=options.short)}\n\n{machine('onnxruntime', 'playwright')}"
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, "annotating", text)


def table(chromium: str, *, short: bool) -> str:
    """All measures as rows of Markdown."""
    from playwright.sync_api import sync_playwright

    rows: list[tuple[str, str]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as running,
        server() as (url, _),
    ):
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(photo_bytes())
        rows += with_page(browser, url, lambda page: hand_rows(page, photo, short=short))
        found = segmented(url, photo)
        rows += with_page(browser, url, lambda page: queue_rows(page, photo, found, 12 if short else 500))
        rows += with_page(browser, url, lambda page: video_rows(page, short=short))
        browser.close()
    return "\n".join(
        ["| on the page | measured |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    )


def with_page(
    browser: Browser, url: str, measure: Callable[[Page], list[tuple[str, str]]]
) -> list[tuple[str, str]]:
    """What is measured on a page of its own."""
    context = browser.new_context(viewport={"width": 1600, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(url)
    page.wait_for_function(_READY)
    try:
        return measure(page)
    finally:
        context.close()


def photo_bytes() -> bytes:
    """A JPEG of the size that is measured."""
    buffer = io.BytesIO()
    with Image.open(_IMAGE) as opened:
        opened.resize(_SIZE, Image.Resampling.LANCZOS).save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def segmented(url: str, photo: Path) -> dict[str, Any]:
    """The server's answer about the photo, as the page asks for it."""
    import httpx

    with Client(url):  # says at once where there is no server
        answer = httpx.post(f"{url}/v1/segment?score=0.1", files={"image": photo.read_bytes()}, timeout=120)
    found: dict[str, Any] = answer.json()
    return found


def hand_rows(page: Page, photo: Path, *, short: bool) -> list[tuple[str, str]]:
    """Clicks and the brush on one photo."""
    page.set_input_files("#file", photo)
    page.locator(".object__button").first.click()
    x1, y1, x2, y2 = page.evaluate(
        "async () => (await import('/static/js/main.js')).page.stage.painter.findings.selected[0].box"
    )
    page.keyboard.press("a")
    chance = random.Random(1)
    spread = 0.15 * max(x2 - x1, y2 - y1)
    places = [
        (
            min(max(chance.uniform(x1 - spread, x2 + spread), 1), _SIZE[0] - 2),
            min(max(chance.uniform(y1 - spread, y2 + spread), 1), _SIZE[1] - 2),
        )
        for _ in range(4 if short else 60)
    ]
    taken = sorted(page.evaluate(_TAP, place) for place in places)
    page.keyboard.press("p")
    rate, painted = page.evaluate(_PAINT, 1 if short else 5)
    return [
        (
            f"click to corrected mask, {_SIZE[0]}x{_SIZE[1]}: median and 90th percentile",
            f"{statistics.median(taken):.0f} ms, {percentile(taken, 0.9):.0f} ms",
        ),
        (
            "brush: frames a second, and the 95th percentile of painting one",
            f"{rate:.0f}, {percentile(sorted(painted), 0.95):.1f} ms",
        ),
    ]


def queue_rows(page: Page, photo: Path, found: dict[str, Any], count: int) -> list[tuple[str, str]]:
    """What is held after the first images of a queue, and after the last."""
    early = max(2, count // 10)
    page.route("**/v1/segment*", lambda route: route.fulfill(json=found))
    files = []
    for number in range(count):
        path = photo.with_name(f"image{number:04d}.jpg")
        path.write_bytes(photo.read_bytes())
        files.append(path)
    page.set_input_files("#file", files)
    session = page.context.new_cdp_session(page)
    held = {}
    for number in range(1, count + 1):
        page.wait_for_function(
            "text => document.querySelector('#queue-count').textContent === text", arg=f"{number} of {count}"
        )
        page.locator(".object").first.wait_for()
        if number in (early, count):
            held[number] = heap(session)
        page.keyboard.press("n")
    answers = len(json.dumps(found)) / 1e6
    return [
        (
            f"queue of {count} images: what scripts hold after {early} and after all, and of it the objects' masks",
            f"{held[early]:.1f} MB, {held[count]:.1f} MB; {early * answers:.1f} MB, {count * answers:.1f} MB",
        )
    ]


def heap(session: CDPSession) -> float:
    """Megabytes that the page's scripts hold once garbage is collected."""
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"]) / 1e6


def video_rows(page: Page, *, short: bool) -> list[tuple[str, str]]:
    """A long video with many tracks: playing it, and scrolling their list and timeline."""
    frames, tracks = (500, 50) if short else (10_000, 1000)
    seconds = 1 if short else 6
    size = (180, 320)
    text = base64.b64encode(clip_bytes(frames, size)).decode()
    sizes = {"frames": frames, "tracks": tracks, "long": min(300, frames // 2), "rate": _RATE, "size": size}
    page.evaluate(_KEEP, [text, sizes])
    page.reload()
    page.wait_for_function(_READY)
    page.locator("#recent .card__open").first.click()
    page.locator(".object").first.wait_for()
    played = page.evaluate(_PLAY, seconds)
    scrolled = [page.evaluate(_SCROLL, [root, seconds]) for root in ("#object-scroller", "#timeline")]
    return [
        (
            f"video of {frames:,} frames at {_RATE} a second with {tracks:,} tracks: frames a second while it plays",
            f"{played:.0f}",
        ),
        (
            "its list and its timeline: frames a second while they scroll",
            " and ".join(f"{each:.0f}" for each in scrolled),
        ),
    ]


def clip_bytes(frames: int, size: tuple[int, int]) -> bytes:
    """An MP4 of gray frames that grow lighter."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_RATE, options={"preset": "ultrafast", "crf": "35"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            image = np.full((*size, 3), 40 + number % 160, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def percentile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of the ``ordered`` ones lie."""
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


if __name__ == "__main__":
    main()
