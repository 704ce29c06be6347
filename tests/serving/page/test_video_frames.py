"""The tools for images on the frames of a video."""

import json

from maskweave.annotations.options import Options
from maskweave.annotations.report import Report
from maskweave.annotations.table import format_named
from tests.serving.page import scene
from tests.serving.page.test_videos import load, run, seek


def tool(page, name):
    page.locator(f"[data-tool={name}]").click()


def areas(page, track, frames):
    """Pixels of a track in some frames; 0 where it is not seen."""
    return page.evaluate(
        """async ([id, frames]) => {
          const { findings } = (await import("/static/js/main.js")).page.view;
          const { areaOf, spansOf } = await import("/static/js/masks/rle.js");
          return frames.map((frame) => {
            const rle = findings.sighting(id, frame)?.rle;
            return rle ? areaOf(spansOf(rle)) : 0;
          });
        }""",
        [track, frames],
    )


def cat_in_frame_5(page, video):
    """Follow the clip and select the cat in frame 5; returns the canvas, and the place of the cat."""
    canvas = run(page, video)
    seek(page, 5)
    page.locator(".object__button", has_text="cat").click()
    return canvas, *scene.walk(5)


def test_the_brush_and_the_eraser_paint_a_mask_of_one_frame(page, video, expect):
    canvas, x, y = cat_in_frame_5(page, video)
    tool(page, "brush")
    expect(page.locator("#hint")).to_contain_text("Paint “cat”")
    before = areas(page, 1, [4, 5, 6])
    canvas.drag((x + 10, y + 10), (x + 40, y + 10))
    expect(page.locator("#undo")).to_be_enabled()
    expect(page.locator("#hint")).to_contain_text("G carries it through the frames that follow.")
    after = areas(page, 1, [4, 5, 6])
    assert after[1] > before[1]
    assert [after[0], after[2]] == [before[0], before[2]]
    tool(page, "eraser")
    page.keyboard.press(".")  # a larger one
    canvas.drag((x - 5, y + 10), (x + 50, y + 10))
    expect(page.locator("#hint")).to_contain_text("Erase")
    assert areas(page, 1, [5])[0] < after[1]
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(page.locator("#undo")).to_be_disabled()
    assert areas(page, 1, [4, 5, 6]) == before


def test_what_all_is_erased_of_is_not_seen_in_that_frame(page, video, expect):
    canvas, x, y = cat_in_frame_5(page, video)
    tool(page, "eraser")
    for _ in range(12):
        page.keyboard.press(".")
    canvas.click(x + 10, y + 10)
    expect(page.locator(".object", has_text="cat")).to_contain_text("24 of 25 frames")
    assert areas(page, 1, [5]) == [0]


def test_an_object_that_was_missed_is_added_by_a_click_named_and_followed(
    page, stand_in, video, tmp_path, expect
):
    stand_in.result = {**stand_in.result, "size": list(scene.VIDEO_SIZE)}  # what it corrects is a frame
    canvas = run(page, video)
    seek(page, 3)
    page.get_by_label("Your classes").fill("bird")
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    page.keyboard.press("1")
    expect(page.locator("#hint")).to_contain_text("Click on a bird")
    canvas.click(100, 70)
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "bird"])
    expect(page.locator(".object", has_text="bird")).to_contain_text("by hand")
    asked = stand_in.asked_for("/v1/refine")[-1]
    assert asked["image"][:3] == b"\xff\xd8\xff"  # the frame, as a JPEG
    page.keyboard.press("g")
    expect(page.locator("#hint")).to_contain_text("bird")
    form = stand_in.asked_for("/v1/videos")[-1]
    (mask,) = json.loads(form["request"])["masks"]
    assert (mask["frame"], [each["id"] for each in mask["objects"]]) == (3, [3])
    page.keyboard.press("v")
    with page.expect_download() as download:
        page.locator(".file[data-name='clip.tracks.json']").click()
    download.value.save_as(tmp_path / "clip.tracks.json")
    records = list(format_named("youtube-vis").read(tmp_path / "clip.tracks.json", Options(), Report()))
    assert "bird" in records[3].instances.names
    assert "bird" not in records[2].instances.names


def test_a_track_is_painted_where_it_was_not_seen(page, video, expect):
    canvas = run(page, video)
    page.locator(".object__button", has_text="dog").click()  # seen from frame 15 on
    tool(page, "brush")
    seek(page, 14)
    assert areas(page, 2, [14]) == [0]
    canvas.click(100, 20)
    expect(page.locator(".object", has_text="dog")).to_contain_text("11 of 25 frames")
    assert areas(page, 2, [14])[0] > 0


def test_frames_are_stepped_through_with_a_tool_in_the_hand(page, video, expect):
    run(page, video)
    seek(page, 5)
    tool(page, "brush")
    page.locator("#canvas").press("Control+ArrowRight")
    page.wait_for_function(
        "() => import('/static/js/main.js').then(({ page }) => page.stage.painter.frame === 6)"
    )
    page.locator("#canvas").press("ArrowRight")
    expect(page.locator("[data-tool=brush]")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("async () => (await import('/static/js/main.js')).page.stage.crosshair !== null")


def test_before_a_run_the_tools_say_what_comes_first(page, video, expect):
    load(page, video)
    tool(page, "brush")
    expect(page.locator(".note")).to_contain_text("Let the objects be found and followed first")
    expect(page.locator("[data-tool=select]")).to_have_attribute("aria-pressed", "true")


def rows_of_tools(page):
    """The heights in the window at which tools lie, from above."""
    boxes = [each.bounding_box() for each in page.locator(".tools__group:visible .tool:visible").all()]
    assert all(box["x"] >= 0 for box in boxes)
    return sorted({round(box["y"]) for box in boxes})


def test_a_low_screen_keeps_its_height_for_the_video(open_page, video):
    page = open_page(viewport={"width": 844, "height": 390})
    load(page, video)
    assert len(rows_of_tools(page)) == 1


def test_the_tools_of_a_video_fit_a_phone(open_page, video):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    load(page, video)
    assert len(rows_of_tools(page)) <= 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_frame_stays_bright_while_one_draws_on_it(page, video):
    canvas = run(page, video)
    seek(page, 20)
    canvas.hover(100, 80)
    ground = canvas.color(20, 80)
    page.locator(".object__button", has_text="dog").click()
    assert max(canvas.color(20, 80)) < max(ground) - 20
    tool(page, "brush")
    assert canvas.color(20, 80) == ground
