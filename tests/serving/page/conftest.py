"""A browser for the page's tests, and what they share."""

import os
import re
import shutil
import time
from pathlib import Path

import pytest

from tests.serving.page import scene

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((Path(found) for name in BROWSERS if (found := shutil.which(name))), None)
WAIT = 60_000  # milliseconds: how long something may take on a busy machine before it counts as not coming
SETTINGS = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
KNOWS_SERVER = "() => performance.getEntriesByType('resource').some((e) => e.name.endsWith('/v1/models'))"
KEPT = "(await import('/static/js/state/kept-results.js'))"
FORGET = f"async () => {{ localStorage.clear(); await {KEPT}.forgetAll(); }}"


@pytest.fixture(scope="package")
def browser():
    """One browser for all; it ends with this package, since its event loop stays in the thread of the tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}, and none is installed")
    playwright.expect.set_options(timeout=WAIT)
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def stand_in(tmp_path_factory):
    pytest.importorskip("fastapi", reason="needs the extra [serve]")
    from tests.serving.page.stand_in import StandIn

    stand_in = StandIn(tmp_path_factory.mktemp("stand-in"))
    yield stand_in
    stand_in.close()


@pytest.fixture
def expect():
    return pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="package")
def video(tmp_path_factory):
    """The file of a clip in which one square walks."""
    return scene.write_video(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.fixture
def artefacts(tmp_path):
    """Where screenshots go."""
    folder = Path(os.environ.get("MASKWEAVE_ARTEFACTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="package")
def shared_context(browser):
    """What tests that need no special screen share: the page's files are fetched once."""
    context = browser.new_context(**SETTINGS)
    yield context
    context.close()


@pytest.fixture
def open_page(browser, shared_context, stand_in):
    """Open the page; whatever it does, it has no errors and asks no other server."""
    stand_in.reset()
    opened, faults = [], []

    def open_page(*, url=stand_in.url, **options):
        context = browser.new_context(**{**SETTINGS, **options}) if options else shared_context
        context.set_default_timeout(WAIT)
        page = context.new_page()
        opened.append(page)
        page.on("request", lambda request: faults.extend(_strange(request.url, url)))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.extend(_worrying(message)))
        page.goto(url)
        page.wait_for_function(KNOWS_SERVER)
        if len(opened) == 1 and page.evaluate(f"async () => (await {KEPT}.keptResults()).length"):
            page.evaluate(FORGET)  # what the page before kept while it was closed
            page.reload()
            page.wait_for_function(KNOWS_SERVER)
        return page

    yield open_page
    for page in opened:
        page.evaluate(FORGET)
        page.close() if page.context is shared_context else page.context.close()
    assert not faults


@pytest.fixture
def page(open_page):
    return open_page()


def _strange(address, url):
    return [] if re.match(rf"({re.escape(url)}|blob:|data:)", address) else [f"asked {address}"]


def _worrying(message):
    """Errors of scripts and policies; that a request was refused is what some tests are about."""
    expected = (
        "Failed to load resource",
        "WebSocket connection to",
        "willReadFrequently",  # `Canvas.color`
    )
    is_expected = any(words in message.text for words in expected)
    return [message.text] if message.type in ("error", "warning") and not is_expected else []


class Canvas:
    """What a person does on the canvas, in pixels of the image."""

    def __init__(self, page):
        self._page = page

    def place(self, x, y):
        """Where a pixel of the image lies in the window."""
        return self._page.evaluate(
            """async ([x, y]) => {
              const { stage } = (await import("/static/js/main.js")).page;
              const [left, top] = stage.viewport.toWindow(x, y);
              const box = stage.canvas.getBoundingClientRect();
              return [box.left + left / stage.ratio, box.top + top / stage.ratio];
            }""",
            [x, y],
        )

    def hover(self, x, y):
        self._page.mouse.move(*self.place(x, y))

    def click(self, x, y, modifiers=()):
        for key in modifiers:
            self._page.keyboard.down(key)
        self._page.mouse.click(*self.place(x, y))
        for key in modifiers:
            self._page.keyboard.up(key)

    def drag(self, start, end):
        self._page.mouse.move(*self.place(*start))
        self._page.mouse.down()
        self._page.mouse.move(*self.place(*end), steps=4)
        self._page.mouse.up()

    def color(self, x, y):
        """(red, green, blue) that is shown there."""
        return tuple(
            self._page.evaluate(
                """async ([x, y]) => {
                  const { stage } = (await import("/static/js/main.js")).page;
                  stage.paintNow();
                  const context = stage.canvas.getContext("2d");
                  const [left, top] = stage.viewport.toWindow(x, y);
                  return [...context.getImageData(left, top, 1, 1).data].slice(0, 3);
                }""",
                [x, y],
            )
        )


def until(page, condition):
    """Wait until ``condition``, an expression that may await, holds in the page."""
    page.evaluate(
        f"""async (most) => {{
          const end = performance.now() + most;
          while (!({condition})) {{
            if (performance.now() > end) throw new Error("it did not come true");
            await new Promise((done) => setTimeout(done, 10));
          }}
        }}""",
        WAIT,
    )


def until_true(page, condition):
    """Wait until ``condition()`` holds here, while what the page sends is taken."""
    end = time.monotonic() + WAIT / 1000
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        page.evaluate("() => new Promise((done) => setTimeout(done, 10))")


def pick(page, data=None, name="scene.png", kind="image/png"):
    """Open an image and wait for its objects."""
    data = scene.encoded(scene.image()) if data is None else data
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})
    page.locator("#object-list .object").first.wait_for()
    return Canvas(page)
