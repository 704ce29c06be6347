"""Live video on the page: frames a second, and how far behind the camera, in a real browser and with the real server.

    python benchmarks/live.py [video.mp4] [--write docs/performance.md] [--rounds N] [--seconds S] [--short]

Each round starts `maskweave serve` and a fresh page in Chromium, whose camera plays a video of 640x480 with 30 frames
a second: the demo's cat and astronaut, who drift past each other, or the video that is named. A frame counts as shown
when the browser's next animation frame comes after its masks were painted, and it is as late as that is after the
browser took it from the camera (`captureTime`). The first seconds, in which the model is loaded, do not count.
Browser, server and model share all cores of this machine. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from measuring import machine, replace_between_marks, spread

from maskweave.cli.demo_video import drifting
from serving import server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_WIDTH, _HEIGHT, _RATE = 640, 480, 30
_FRAMES = 120
_WARM_SECONDS = 3.0
_READY = "() => performance.getEntriesByType('resource').some((e) => e.name.endsWith('/v1/models'))"
_BEGUN = """async () => {
  const { page } = await import("/static/js/main.js");
  const end = performance.now() + 120_000;
  while (!(page.view?.pace?.rate > 0)) {
    if (performance.now() > end) throw new Error(document.querySelector("#hint").textContent);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}"""
_MEASURE = """async ([warm, seconds]) => {
  const { page } = await import("/static/js/main.js");
  const wait = (time) => new Promise((resolve) => setTimeout(resolve, 1000 * time));
  await wait(warm);
  const { pace } = page.view;
  const shown = [];
  const add = pace.add.bind(pace);
  pace.add = (taken, now) => {
    shown.push([now, taken]);
    add(taken, now);
  };
  await wait(seconds);
  pace.add = add;
  return shown;
}"""
_INT8 = "masks and names, compact-s-int8"
WAYS = {
    "masks and names": None,
    _INT8: None,
    "background blurred": """() => {
      const select = document.querySelector("#live-ground");
      select.value = "blur";
      select.dispatchEvent(new Event("change"));
    }""",
    "masks and names, recorded": """() => document.querySelector("#live-record").click()""",
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path, help="a video for the camera to show")
    parser.add_argument(
        "--rounds", type=int, default=3, help="servers and pages that are started, for each way"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="that are measured in each round")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    parser.add_argument("--model", default="built-in", help="the server's model")
    parser.add_argument("--short", action="store_true", help="one round of three seconds: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    rounds, seconds = (1, 3.0) if options.short else (options.rounds, options.seconds)
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.y4m"
        write_y4m(camera, video_images(options.video) if options.video else drawn_images())
        rows = measured(options.chromium, camera, options.model, rounds=rounds, seconds=seconds)
    text = f"{table(rows)}\n\n{machine('onnxruntime', 'fastapi', 'playwright')}"
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, "live", text)


def measured(
    chromium: str, camera: Path, model: str, *, rounds: int, seconds: float
) -> dict[str, list[list[tuple[float, float]]]]:
    """For each way, and each of its rounds, when each frame was shown and taken, in milliseconds."""
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    rows: dict[str, list[list[tuple[float, float]]]] = {way: [] for way in WAYS}
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=arguments)
        for _ in range(rounds):
            for way, script in WAYS.items():
                used = "compact-s-int8" if way == _INT8 else model
                with server("--workers", "1", "--model", used) as (url, _), opened(browser, url) as page:
                    if script is not None:
                        page.evaluate(script)
                    rows[way].append(page.evaluate(_MEASURE, [_WARM_SECONDS, seconds]))
        browser.close()
    return rows


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Any]:
    """A page that shows the camera live."""
    page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    try:
        page.goto(url)
        page.wait_for_function(_READY)
        page.locator("#go-live").click()
        page.evaluate(_BEGUN)
        yield page
    finally:
        page.close()


def table(rows: dict[str, list[list[tuple[float, float]]]]) -> str:
    """Rates of the rounds, and how late frames were, as rows of Markdown."""
    lines = ["| live at 640x480 | frames/s | ms behind | 95 of 100 within |", "|---|---|---|---|"]
    for way, rounds in rows.items():
        rates = [1000 * (len(shown) - 1) / (shown[-1][0] - shown[0][0]) for shown in rounds if len(shown) > 1]
        late = [now - taken for shown in rounds for now, taken in shown if taken is not None]
        if not rates or not late:
            raise SystemExit(f"{way}: no frames were shown")
        lines.append(
            f"| {way} | {spread(rates, 1)} | {statistics.median(late):.0f} | {np.percentile(late, 95):.0f} |"
        )
    return "\n".join(lines)


def drawn_images() -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB: the demo's cat and astronaut, who drift past each other and back."""
    left = (854 - _WIDTH) // 2
    forward = [image[:, left : left + _WIDTH] for image in drifting(_FRAMES)]
    yield from forward
    yield from reversed(forward)


def video_images(path: Path) -> Iterator[np.ndarray]:
    """The first frames of a video in the camera's size."""
    from maskweave.sources.video import VideoSource

    with VideoSource(path, "clip") as video:
        for frame in video:
            if frame.index >= 10 * _FRAMES:
                return
            yield cv2.resize(frame.image, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)


def write_y4m(path: Path, images: Iterator[np.ndarray]) -> None:
    """What Chromium's camera plays: YUV 4:2:0, over and over."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{_WIDTH} H{_HEIGHT} F{_RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for image in images:
            file.write(
                b"FRAME\n" + cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YUV_I420).tobytes()
            )


if __name__ == "__main__":
    main()
