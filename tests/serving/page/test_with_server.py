"""The page and the real server, with the model in the package: what the stand-in answers is what that answers."""

import re

import pytest

from maskweave.outputs import saved_formats
from tests.clips import Clip, write_clip
from tests.serving.page.conftest import Canvas, pick, until

ASKS_FIRST = 9  # browsers ask before they take more files than that of one page
FORMATS_OF = """async (names) => {
  const { formatOf } = await import('/static/js/page/save.js');
  const { page } = await import('/static/js/main.js');
  return names.map((name) => formatOf(name, page.formats));
}"""


@pytest.fixture(scope="module")
def cat():
    """A photo that comes with scikit-image."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image")
    return data.chelsea()


def download(page, name):
    with page.expect_download() as download:
        page.locator(f".file[data-name='{name}']").click()
    return download.value


def test_an_image_is_segmented_corrected_and_exported(open_page, server, cat, expect):
    from tests.serving.conftest import encoded

    page = open_page(url=server.url, accept_downloads=True)
    canvas = pick(page, encoded(cat), "chelsea.png")
    expect(page.locator(".object__name").first).to_have_text(re.compile("cat|dog"))
    area = page.locator(".object__detail").first
    before = area.inner_text()
    canvas.click(200, 150)
    page.keyboard.press("r")
    canvas.click(200, 200)
    expect(page.locator("#undo")).to_be_enabled()
    expect(area).not_to_have_text(before)
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    canvas.drag((120, 90), (280, 220))
    expect(page.locator(".object").last).to_contain_text("by hand")
    for name in [file.get_attribute("data-name") for file in page.locator(".file").all()][:ASKS_FIRST]:
        saved = download(page, name)
        assert saved.failure() is None
        assert saved.suggested_filename.startswith("chelsea.")
    page.locator("#task").select_option("semantic")
    expect(page.locator("#object-count")).to_have_text(re.compile(r"^\d+ objects?$"))
    expect(page.locator(".object__name", has_text="cat")).to_have_count(1)


def test_a_video_is_followed_with_a_line(open_page, server, cat, tmp_path, expect):
    images = [cat[20 : 20 + 192, 60 + 4 * step : 60 + 4 * step + 256].copy() for step in range(6)]
    video = write_clip(tmp_path / "cat.mp4", Clip(ticks=range(6), size=(192, 256), images=images))
    page = open_page(url=server.url, accept_downloads=True)
    page.set_input_files("#file", video)
    until(page, "(await import('/static/js/main.js')).page.stage.painter?.video?.videoWidth")
    for task in ("semantic", "foreground", "instances"):
        page.locator("#task").select_option(task)
        offered = [box.get_attribute("value") for box in page.locator("input[name=save]").all()]
        assert set(offered) == set(saved_formats("video", task))
    for box in page.locator("input[name=save]:enabled").all():
        box.check()
    page.get_by_role("button", name="Line: count").click()
    Canvas(page).drag((10, 100), (200, 100))
    page.get_by_role("button", name="Find and follow objects").click()
    expect(page.locator(".file").first).to_be_visible(timeout=120_000)
    expect(page.locator(".object__name").first).to_have_text(re.compile("cat|dog"))
    expect(page.locator(".counter")).to_contain_text("forward")
    files = [file.get_attribute("data-name") for file in page.locator(".file").all()]
    assert set(page.evaluate(FORMATS_OF, files)) == set(offered)
    assert all(name.startswith("cat.") for name in files)
    for name in files[:ASKS_FIRST]:
        assert download(page, name).failure() is None


def test_a_video_is_followed_live_recorded_and_corrected(open_page, server, cat, tmp_path, expect):
    images = [cat[20 : 20 + 192, 60 + 2 * step : 60 + 2 * step + 256].copy() for step in range(50)]
    video = write_clip(tmp_path / "cat.mp4", Clip(ticks=range(50), size=(192, 256), images=images))
    page = open_page(url=server.url, accept_downloads=True)
    page.get_by_role("button", name="Live camera").click()
    until(page, "(await import('/static/js/main.js')).page.view?.pace?.rate > 0")
    page.set_input_files("#live-file", video)
    expect(page.locator("#live-counts .chip", has_text=re.compile("cat|dog")).first).to_be_visible()
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".object__name").first).to_have_text(re.compile("cat|dog"))
    canvas = Canvas(page)
    page.keyboard.press("x")
    canvas.drag((20, 40), (200, 185))
    expect(page.locator("#undo")).to_be_enabled()
    page.get_by_role("button", name="Go on").click()
    until(page, "(await import('/static/js/main.js')).page.view?.pace?.rate > 0")
    with page.expect_download() as saved:
        page.get_by_role("button", name="End and save").click()
    assert saved.value.failure() is None
    page.get_by_role("button", name="End the live video").click()
    expect(page.locator("#welcome")).to_be_visible()
