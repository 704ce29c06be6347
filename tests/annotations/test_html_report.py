import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from maskweave.annotations import html_report
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.types import SemanticMap
from tests.annotations.scenes import SIZE, objects, plain, put_images, rectangle, write


class Tags(HTMLParser):
    """Every tag with its attributes; complains of what does not nest."""

    EMPTY = ("meta", "input", "image", "rect", "path", "i")

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


@pytest.fixture
def given(tmp_path):
    wild = Record('b "<script>.png', objects([rectangle(1, 1, 9, 9)], names=("<b>&",), scores=[0.5]))
    return [*put_images(tmp_path / "photos", plain("a.png")), wild, plain("c.png", track_ids=[7, 8])]


def report(tmp_path, records):
    write(tmp_path / "r.html", "html", records)
    return (tmp_path / "r.html").read_text(encoding="utf-8")


def test_all_images_classes_and_counts_are_there(tmp_path, given):
    text = report(tmp_path, given)
    tags = Tags(text)
    assert [each["data-name"] for each in tags.all("figure")] == ["a.png", 'b "<script>.png', "c.png"]
    assert len(tags.all("path")) == 5
    assert [each["href"][:23] for each in tags.all("image")] == [
        "data:image/jpeg;base64,"
    ]  # the others are not there
    chips = [each["data-k"] for each in tags.all("button") if each.get("class") == "chip"]
    assert sorted(chips) == ["0", "1", "2"]
    assert re.search(r"<b>5</b> objects of <b>3</b> classes in <b>3</b> images", text)
    assert "<title>&lt;b&gt;&amp; · 0.50</title>" in text
    assert "<title>person · #7</title>" in text
    assert text.count("<script>") == 1  # names are never markup


def test_nothing_is_fetched(tmp_path, given):
    text = report(tmp_path, given)
    assert "default-src 'none'" in text
    assert not re.search(r"""(src|href)=["'](?!data:)|url\(|@import|https?://""", text)


def test_holes_crowds_and_stuff_are_drawn(tmp_path):
    ring = rectangle(1, 1, 9, 9) & ~rectangle(3, 3, 6, 6)
    classes = np.zeros(SIZE, int)
    classes[10:] = 1
    record = Record(
        "a.png", objects([ring]), crowd=[True], semantic=SemanticMap(classes, ("background", "sky"))
    )
    stuff, crowd = Tags(report(tmp_path, [record])).all("path")
    assert (stuff["class"], stuff["d"].count("M")) == ("k1 stuff", 1)
    assert (crowd["class"], crowd["d"].count("M")) == ("k0 crowd", 2)


def test_of_many_images_the_first_are_shown_and_all_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(html_report, "MAX_IMAGES", 2)
    text = report(tmp_path, [plain(f"{number}.png") for number in range(5)])
    assert len(Tags(text).all("figure")) == 2
    assert "<b>10</b> objects" in text
    assert "the report holds the first 2; counts are of all" in text


def test_a_broken_image_is_named_and_its_outlines_are_drawn(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    lines = []
    report = Report("html", show=lines.append)
    with html_report.write(tmp_path / "r.html", Options(), report) as put:
        put(replace(plain("a.png"), image=tmp_path / "a.png"))
    assert len(lines) == 1
    assert "a.png" in lines[0]
    assert len(Tags((tmp_path / "r.html").read_text()).all("path")) == 2


def test_it_works_in_a_browser_offline_at_any_size(tmp_path, given):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium")
    report(tmp_path, given)
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 800}, color_scheme="dark")
        errors, requests = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((tmp_path / "r.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 20, 23)"
        visible = page.locator("figure:visible")
        assert visible.count() == 3
        page.locator(".chip", has_text="person").click()
        page.locator(".chip", has_text="car").click()
        assert visible.count() == 1
        assert page.locator("#shown").inner_text() == "1"
        page.locator("#all").click()
        page.locator("input").fill("C.P")
        assert visible.count() == 1
        visible.first.locator("button").click()
        assert page.locator("dialog path").count() == 2
        page.keyboard.press("Escape")
        page.locator("#masks").click()
        assert page.locator("figure path:visible").count() == 0
        page.set_viewport_size({"width": 3840, "height": 2160})
        assert page.evaluate("document.documentElement.scrollWidth") <= 3840
        browser.close()
    assert errors == []
    assert [each for each in requests if not each.startswith(("file:", "data:"))] == []
