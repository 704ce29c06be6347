"""What the page promises for images."""

import io
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image as PILImage

from maskweave.ops.rle import decode_masks
from tests.serving.page import scene
from tests.serving.page.conftest import KEPT, Canvas, pick, until
from tests.serving.page.stand_in import MODEL

CAT, DOG, PERSON = scene.MASKS[:3]
IN_CAT, IN_DOG, IN_PERSON, IN_HOLE, ON_GROUND = (
    (30.5, 30.5),
    (110.5, 40.5),
    (45.5, 63.5),
    (45.5, 85.5),
    (80.5, 105.5),
)


def exported(page, stand_in, name="coco"):
    """What the page sends when a format is downloaded."""
    with page.expect_download() as download:
        page.locator(f".file[data-name={name}]").click()
    assert download.value.suggested_filename == "scene.coco.json"
    return json.loads(stand_in.asked_for("/v1/export")[-1]["request"])


def look(page, name):
    page.locator("#look").get_by_text(name, exact=True).click()


def mask_of(sent):
    return decode_masks([sent["rle"]], scene.SIZE).dense()[0]


def test_a_picked_image_is_listed_with_class_score_and_area(page, expect):
    pick(page)
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    first = page.locator(".object__detail").first
    expect(first).to_contain_text("0.93")
    expect(first).to_contain_text("2,000 px")
    expect(page.locator("#object-count")).to_have_text("3 of 4 objects")
    expect(page.locator("#announcements")).to_contain_text("3 objects found")
    expect(page.locator("#canvas")).to_have_accessible_name(re.compile("cat"))


def test_everything_is_asked_for_once_and_filtered_here(page, stand_in, expect):
    pick(page)
    page.get_by_label("Minimum score").fill("0.1")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person", "cat"])
    page.get_by_label("Minimum score").fill("0.6")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    page.locator(".chip", has_text="dog").click()
    expect(page.locator(".object__name")).to_have_text(["cat"])
    expect(page.locator(".chip", has_text="dog")).to_have_attribute("aria-pressed", "false")
    (query,) = [query for _, path, query, _ in stand_in.asked if path == "/v1/segment"]
    assert query["score"] == ["0.1"]


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_images_come_in_by(page, expect, way):
    data = list(scene.encoded(scene.image()))
    transfer = page.evaluate_handle(
        """(data) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], "scene.png", { type: "image/png" }));
          return transfer;
        }""",
        data,
    )
    if way == "drop":
        page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
        expect(page.locator("#dropping")).to_be_visible()
        page.dispatch_event("body", "drop", {"dataTransfer": transfer})
        expect(page.locator("#dropping")).to_be_hidden()
    else:
        script = (
            "(t) => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: t, bubbles: true}))"
        )
        page.evaluate(script, transfer)
    expect(page.locator(".object")).to_have_count(3)


def test_the_camera_takes_a_photo(page, stand_in, expect):
    page.get_by_role("button", name="Take a photo").click()
    page.get_by_role("button", name="Take the photo").click()
    expect(page.locator(".object")).to_have_count(3)
    (form,) = stand_in.asked_for("/v1/segment")
    assert form["image"].startswith(b"\xff\xd8")  # JPEG


def test_progress_is_told_and_can_be_cancelled(page, stand_in, expect):
    stand_in.gate.clear()
    page.set_input_files(
        "#file", {"name": "a.png", "mimeType": "image/png", "buffer": scene.encoded(scene.image())}
    )
    expect(page.locator("#busy")).to_contain_text("Looking for objects")
    assert Canvas(page).color(*IN_CAT) == (200, 60, 50)  # the image is there already
    page.get_by_role("button", name="Cancel").click()
    stand_in.gate.set()
    expect(page.get_by_role("heading", name="Drop an image")).to_be_visible()
    expect(page.locator("#busy")).to_be_hidden()


def test_masks_light_up_under_the_pointer(page, expect):
    canvas = pick(page)
    canvas.hover(*ON_GROUND)
    before = canvas.color(*IN_CAT)
    canvas.hover(*IN_CAT)
    expect(page.locator(".object--lit .object__name")).to_have_text("cat")
    assert canvas.color(*IN_CAT) != before
    canvas.hover(*IN_HOLE)
    expect(page.locator(".object--lit")).to_have_count(0)
    page.locator(".object", has_text="dog").hover()
    expect(page.locator(".object--lit .object__name")).to_have_text("dog")


def test_a_click_selects_and_shift_adds(page, expect):
    canvas = pick(page)
    pressed = page.locator(".object__button[aria-pressed=true] .object__name")
    canvas.click(*IN_PERSON)
    expect(pressed).to_have_text(["person"])
    canvas.click(*IN_CAT, modifiers=["Shift"])
    expect(pressed).to_have_text(["cat", "person"])
    page.keyboard.press("Escape")
    expect(pressed).to_have_count(0)
    page.locator(".object__button", has_text="dog").click()
    expect(pressed).to_have_text(["dog"])
    canvas.click(*ON_GROUND)
    expect(pressed).to_have_count(0)


def test_opacity_and_outlines(page):
    canvas = pick(page)
    page.get_by_label("Opacity").fill("0")
    assert canvas.color(*IN_CAT) == (200, 60, 50)
    page.get_by_label("Opacity").fill("1")
    full = canvas.color(*IN_CAT)
    assert full != (200, 60, 50)
    look(page, "Outlines")
    assert canvas.color(*IN_CAT) == (200, 60, 50)
    assert canvas.color(10, 30) != scene.GROUND  # the border of the cat


def test_cut_outs_before_nothing_a_color_and_the_blurred_image(page):
    canvas = pick(page)
    look(page, "Cut-out")
    assert canvas.color(*IN_DOG) == (60, 160, 80)
    assert canvas.color(*ON_GROUND) in ((244, 244, 244), (217, 217, 217))
    page.get_by_label("Background", exact=True).select_option("color")
    page.locator("#color").fill("#123456")
    assert canvas.color(*ON_GROUND) == (0x12, 0x34, 0x56)
    page.get_by_label("Background", exact=True).select_option("blur")
    edge = canvas.color(8, 30)  # beside the red cat: some of its red comes over
    assert edge[0] > scene.GROUND[0] + 10
    canvas.click(*IN_DOG)  # what is selected is cut out alone
    page.get_by_label("Background", exact=True).select_option("transparent")
    canvas.hover(*ON_GROUND)
    assert canvas.color(*IN_CAT) in ((244, 244, 244), (217, 217, 217))


def test_before_and_after(page, expect):
    canvas = pick(page)
    page.get_by_role("button", name="Compare").click()
    slider = page.get_by_role("slider", name="How much of the original")
    slider.press("Home")
    assert canvas.color(*IN_CAT) != (200, 60, 50)
    slider.press("End")
    assert canvas.color(*IN_CAT) == (200, 60, 50)
    expect(slider).to_have_attribute("aria-valuenow", "100")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(*canvas.place(80, 20), steps=3)
    page.mouse.up()
    expect(slider).to_have_attribute("aria-valuenow", "50")
    assert canvas.color(*IN_CAT) == (200, 60, 50)
    assert canvas.color(*IN_DOG) != (60, 160, 80)


def test_points_correct_an_object_and_undo_takes_them_back(page, stand_in, expect):
    canvas = pick(page)
    area = page.locator(".object", has_text="cat").locator(".object__detail")
    canvas.click(*IN_CAT)
    page.keyboard.press("a")
    canvas.click(60.5, 30.5)
    expect(area).to_contain_text("2,200 px")  # 20 x 20 more, of which the half was there
    page.keyboard.press("r")
    canvas.click(20.5, 20.5)
    expect(area).to_contain_text("1,800 px")
    asked = json.loads(stand_in.asked_for("/v1/refine")[-1]["request"])
    assert [point[2] for point in asked["points"]] == [1, 0]
    assert np.allclose([point[:2] for point in asked["points"]], [(60.5, 30.5), (20.5, 20.5)], atol=0.5)
    assert np.array_equal(mask_of(asked), CAT)
    page.keyboard.press("Control+z")
    expect(area).to_contain_text("2,200 px")
    page.get_by_role("button", name="Undo").click()
    expect(area).to_contain_text("2,000 px")
    page.keyboard.press("Control+Shift+z")
    expect(area).to_contain_text("2,200 px")


def test_boxes_and_points_make_new_objects(page, expect):
    canvas = pick(page)
    page.get_by_role("button", name="Box: draw one").click()
    canvas.drag((70, 70), (90, 110))
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person", "object"])
    expect(page.locator(".object").last).to_contain_text("by hand")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    canvas.click(100, 100)
    expect(page.locator(".object")).to_have_count(5)


def test_a_second_click_corrects_what_the_first_one_found(page, stand_in, expect):
    canvas = pick(page)
    page.keyboard.press("a")
    canvas.click(100, 100)
    expect(page.locator(".object")).to_have_count(4)
    expect(page.locator("#undo")).to_be_enabled()
    page.keyboard.press("r")
    canvas.click(108, 100)
    expect(page.locator(".object").last).to_contain_text("160 px")
    first, second = [json.loads(form["request"]) for form in stand_in.asked_for("/v1/refine")]
    assert first["rle"] is None
    assert mask_of(second).sum() == 400
    assert [point[2] for point in second["points"]] == [1, 0]


def test_one_box_after_the_other_makes_one_object_after_the_other(page, expect):
    canvas = pick(page)
    page.keyboard.press("x")
    for number in range(2):
        canvas.drag((70, 60 + 10 * number), (90, 110))
    expect(page.locator(".object")).to_have_count(5)
    expect(page.locator("#hint")).to_have_text("Draw a box round the next object; 1 to 9 name “object”.")
    page.keyboard.press("v")
    page.keyboard.press("x")
    expect(page.locator("#hint")).to_have_text("Draw a box to find “object” anew.")


def test_a_box_finds_the_selected_object_anew(page, stand_in, expect):
    canvas = pick(page)
    canvas.click(*IN_CAT)
    page.keyboard.press("x")
    expect(page.locator("#hint")).to_have_text("Draw a box to find “cat” anew.")
    canvas.drag((70, 70), (90, 110))
    cat = page.locator(".object", has_text="cat")
    expect(cat).to_contain_text("800 px")
    expect(page.locator(".object")).to_have_count(3)
    asked = json.loads(stand_in.asked_for("/v1/refine")[-1]["request"])
    assert asked["rle"] is None  # what it was before says nothing


def rename(page, canvas):
    canvas.click(*IN_DOG)
    page.keyboard.press("F2")
    page.keyboard.type("wolf")
    page.keyboard.press("Enter")


def merge(page, canvas):
    canvas.click(*IN_DOG)
    canvas.click(*IN_CAT, modifiers=["Shift"])
    page.keyboard.press("m")


def delete(page, canvas):
    canvas.click(*IN_PERSON)
    page.keyboard.press("Delete")


def correct(tool, *, on=None, at=(60.5, 30.5)):
    """Select what lies at ``on``, and use a tool at a place."""

    def act(page, canvas):
        if on:
            canvas.click(*on)
        page.keyboard.press(tool)
        canvas.click(*at)

    return act


def draw(*, on=None):
    def act(page, canvas):
        if on:
            canvas.click(*on)
        page.keyboard.press("x")
        canvas.drag((70, 70), (90, 110))

    return act


def paint(tool, *, on=None):
    def act(page, canvas):
        if on:
            canvas.click(*on)
        page.keyboard.press(tool)
        canvas.drag((20, 30), (90, 30))

    return act


ITEMS = "(await import('/static/js/main.js')).page.stage.painter.findings.items"


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(rename, id="rename"),
        pytest.param(merge, id="merge"),
        pytest.param(delete, id="delete"),
        pytest.param(correct("a", on=IN_CAT), id="add a point"),
        pytest.param(correct("r", on=IN_CAT, at=(20.5, 20.5)), id="remove a point"),
        pytest.param(draw(on=IN_CAT), id="find anew by a box"),
        pytest.param(correct("a", at=ON_GROUND), id="new by a point"),
        pytest.param(draw(), id="new by a box"),
        pytest.param(paint("p", on=IN_CAT), id="paint"),
        pytest.param(paint("p"), id="new by painting"),
        pytest.param(paint("e", on=IN_CAT), id="erase"),
    ],
)
def test_every_edit_is_undone_and_redone_to_the_last_pixel(page, edit):
    canvas = pick(page)
    items = f"async () => JSON.stringify({ITEMS})"
    before = page.evaluate(items)
    edit(page, canvas)
    until(page, f"JSON.stringify({ITEMS}) !== {json.dumps(before)}")
    after = page.evaluate(items)
    page.keyboard.press("Control+z")
    assert page.evaluate(items) == before
    page.keyboard.press("Control+y")
    assert page.evaluate(items) == after
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate(items) == before


def test_the_brush_adds_and_the_eraser_takes_away(page, stand_in, expect):
    canvas = pick(page)
    canvas.click(*IN_CAT)
    page.keyboard.press("p")
    page.keyboard.press(".")  # a radius of 4 pixels instead of 3
    expect(page.locator("#hint")).to_contain_text("8 px wide")
    canvas.drag((60.5, 20.5), (80.5, 20.5))
    added = mask_of(exported(page, stand_in)["objects"][0])
    assert not (CAT & ~added).any()
    assert added[17:24, 60:80].all()
    assert not added[:, 86:].any()
    page.keyboard.press("e")
    canvas.drag((20.5, 30.5), (40.5, 30.5))
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    erased = mask_of(exported(page, stand_in)["objects"][0])
    assert not erased[28:33, 20:41].any()
    assert erased[10:20, 10:60].all()
    assert not stand_in.asked_for("/v1/refine")


def test_an_object_of_which_nothing_is_left_is_gone(page, expect):
    canvas = pick(page)
    canvas.click(*IN_CAT)
    page.keyboard.press("e")
    for _ in range(14):
        page.keyboard.press(".")
    canvas.click(35, 30)
    expect(page.locator(".object__name")).to_have_text(["dog", "person"])


def test_an_object_is_split_into_its_parts(page, stand_in, expect):
    canvas = pick(page)
    canvas.click(*IN_DOG)
    canvas.click(*IN_CAT, modifiers=["Shift"])
    page.keyboard.press("m")
    expect(page.locator(".object")).to_have_count(2)
    page.keyboard.press("g")
    expect(page.locator(".object")).to_have_count(3)
    sent = exported(page, stand_in)["objects"]
    assert {mask_of(each).tobytes() for each in sent} == {mask.tobytes() for mask in scene.MASKS[:3]}
    page.keyboard.press("g")
    expect(page.locator(".note")).to_contain_text("one part only")


def test_what_lies_outside_the_image_is_not_asked_for(page, stand_in, expect):
    canvas = pick(page)
    page.keyboard.press("a")
    canvas.click(-3, 60)
    page.keyboard.press("x")
    canvas.drag((150, 100), (163, 124))
    expect(page.locator(".object")).to_have_count(4)
    (asked,) = [json.loads(form["request"]) for form in stand_in.asked_for("/v1/refine")]
    assert asked["box"] == pytest.approx([150, 100, 160, 120], abs=0.5)
    assert asked["box"][2:] == [160, 120]


def test_the_hint_steps_aside_for_the_pointer(page, expect):
    canvas = pick(page)
    page.keyboard.press("a")
    box = page.locator("#hint").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#hint")).to_have_css("opacity", "0.1")
    canvas.hover(*ON_GROUND)
    expect(page.locator("#hint")).to_have_css("opacity", "1")


def test_corrections_keep_their_order_when_they_come_fast(page, stand_in, expect):
    canvas = pick(page)
    canvas.click(*IN_CAT)
    page.keyboard.press("a")
    for x in (70.5, 85.5, 100.5):
        canvas.click(x, 30.5)
    expect(page.locator(".object", has_text="cat")).to_contain_text("3,000 px")
    counts = [len(json.loads(form["request"])["points"]) for form in stand_in.asked_for("/v1/refine")]
    assert counts == [1, 2, 3]


def test_delete_merge_and_rename(page, stand_in, expect):
    canvas = pick(page)
    canvas.click(*IN_DOG)
    canvas.click(*IN_PERSON, modifiers=["Shift"])
    page.get_by_role("button", name="Merge").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("creature")
    page.get_by_label("New name").press("Enter")
    expect(page.locator(".object__name")).to_have_text(["cat", "creature"])
    page.keyboard.press("Escape")
    canvas.click(*IN_CAT)
    page.keyboard.press("Delete")
    expect(page.locator(".object__name")).to_have_text(["creature"])
    (sent,) = exported(page, stand_in)["objects"]
    assert sent["class"] == "creature"
    assert np.array_equal(mask_of(sent), DOG | PERSON)
    for _ in range(3):
        page.keyboard.press("Control+z")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def scope(page, name):
    page.locator("#download-scope").get_by_text(name, exact=True).click()


def test_downloads_hold_all_that_is_shown_unless_the_selection_is_asked_for(page, stand_in, expect):
    canvas = pick(page)
    canvas.click(*IN_DOG)
    sent = exported(page, stand_in)
    assert [each["class"] for each in sent["objects"]] == ["cat", "dog", "person"]
    assert all(
        np.array_equal(mask_of(each), mask) for each, mask in zip(sent["objects"], scene.MASKS, strict=False)
    )
    scope(page, "Selected")
    expect(page.locator("#download-what")).to_have_text("What is selected: 1 object.")
    look(page, "Cut-out")
    page.get_by_label("Background", exact=True).select_option("blur")
    sent = exported(page, stand_in, "masks")
    assert [each["class"] for each in sent["objects"]] == ["dog"]
    assert sent["format"] == "masks"
    assert sent["options"]["background"] == "blur"
    page.keyboard.press("Escape")  # nothing is selected: all again
    assert len(exported(page, stand_in)["objects"]) == 3
    expect(page.get_by_label("Selected", exact=True)).to_be_disabled()


def test_exports_bear_the_files_own_name(page, stand_in):
    pick(page)
    assert exported(page, stand_in)["name"] == "scene.png"


def test_all_formats_come_as_one_zip(page, stand_in, tmp_path):
    pick(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="All of them as one zip").click()
    assert download.value.suggested_filename == "scene.zip"
    download.value.save_as(tmp_path / "scene.zip")
    with zipfile.ZipFile(tmp_path / "scene.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["scene.coco.json", "scene.coco 2.json", "scene.coco 3.json"]
        formats = [json.loads(archive.read(name))["format"] for name in archive.namelist()]
    assert formats == ["overlay", "masks", "coco"]


def test_a_failed_download_can_be_tried_again_and_equal_errors_are_one(page, expect):
    pick(page)
    page.route("**/v1/export", lambda route: route.abort())
    for _ in range(3):
        page.locator(".file[data-name=coco]").click()
        expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.locator(".note")).to_have_count(1)
    page.unroute("**/v1/export")
    with page.expect_download() as download:
        page.get_by_role("button", name="Try again").click()
    assert download.value.suggested_filename == "scene.coco.json"


def test_a_huge_image_is_scaled_for_display_and_exact_for_export(page, stand_in, expect):
    size = (1500, 5000)
    mask = np.zeros(size, bool)
    mask[401:1222, 1501:3444] = True
    stand_in.result = scene.result([mask], size)
    stripes = PILImage.new("RGB", size[::-1], (10, 120, 200))
    canvas = pick(page, scene.encoded(np.asarray(stripes)))
    script = "async () => (await import('/static/js/main.js')).page.stage.painter.bitmap.width"
    assert page.evaluate(script) == 4096
    canvas.hover(3440, 1218)
    expect(page.locator(".object--lit")).to_have_count(1)
    canvas.hover(3450, 1218)
    expect(page.locator(".object--lit")).to_have_count(0)
    (sent,) = exported(page, stand_in)["objects"]
    assert sent["rle"] == scene.rle_of(mask)


def test_a_file_that_the_browser_cannot_show_is_shown_by_the_server(page):
    canvas = pick(page, b"II*\0 no browser knows this", "scan.tif", "image/tiff")
    page.get_by_label("Opacity").fill("0")
    assert canvas.color(*IN_CAT) == (200, 60, 50)


def test_an_error_is_told_and_can_be_tried_again(page, stand_in, expect):
    stand_in.failure = (429, "queue: the server is busy", {"Retry-After": "3"})
    page.set_input_files(
        "#file", {"name": "a.png", "mimeType": "image/png", "buffer": scene.encoded(scene.image())}
    )
    expect(page.get_by_role("alert")).to_contain_text("the server is busy. Try again in 3 seconds.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".object")).to_have_count(3)


def test_a_server_that_has_gone_is_told_and_found_again(page, stand_in, expect):
    page.route("**/v1/segment*", lambda route: route.abort())
    page.set_input_files(
        "#file", {"name": "a.png", "mimeType": "image/png", "buffer": scene.encoded(scene.image())}
    )
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached. Is it still running?")
    page.unroute("**/v1/segment*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".object")).to_have_count(3)


def test_a_correction_that_is_refused_is_told_and_changes_nothing(page, stand_in, expect):
    canvas = pick(page)
    before = page.evaluate(f"async () => JSON.stringify({ITEMS})")
    canvas.click(*IN_CAT)
    page.route("**/v1/refine", lambda route: route.abort())
    page.keyboard.press("r")
    canvas.click(20.5, 20.5)
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    expect(page.locator("#hint")).to_have_text("Click on what does not belong to “cat”.")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    assert page.evaluate(f"async () => JSON.stringify({ITEMS})") == before
    page.unroute("**/v1/refine")
    canvas.click(20.5, 20.5)
    expect(page.locator(".object", has_text="cat")).to_contain_text("1,600 px")


def test_a_file_of_another_kind_is_told_in_plain_words(page, stand_in, expect):
    stand_in.failure = (415, "body: need an image of a known format, its first bytes are 25 50 44 46", None)
    page.set_input_files("#file", {"name": "letter.png", "mimeType": "image/png", "buffer": b"%PDF-1.7"})
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("“letter.png” is no image or video of a kind that is known here.")
    expect(alert.get_by_role("button", name="Try again")).to_have_count(0)  # it would be the same again
    page.get_by_role("button", name="Close this note").click()
    expect(alert).to_be_empty()


def test_another_model_looks_anew(open_page, stand_in, expect):
    stand_in.models = [MODEL, {**MODEL, "name": "other"}, {**MODEL, "name": "away", "here": False}]
    page = open_page()
    pick(page)
    expect(page.locator("#model option")).to_have_text(["tester", "other"])
    stand_in.result = scene.result(scene.MASKS[:2])
    page.locator("#model").select_option("other")
    expect(page.locator(".object")).to_have_count(2)
    asked = [query["model"] for _, path, query, _ in stand_in.asked if path == "/v1/segment"]
    assert asked == [["tester"], ["other"]]


def test_the_latest_forty_results_are_kept(open_page):
    page = open_page(
        locale="en-GB"
    )  # with a store of its own: a page before it may still be keeping its result
    kept = page.evaluate(
        f"""async () => {{
          const kept = {KEPT};
          const file = new File(["x"], "x.png");
          for (let when = 0; when < 42; when += 1) await kept.keepResult({{ id: String(when), when }}, file);
          const files = await Promise.all(["1", "2"].map((id) => kept.keptFile(id)));
          return [(await kept.keptResults()).map((entry) => entry.when), files.map(Boolean)];
        }}"""
    )
    assert kept == [list(range(41, 1, -1)), [False, True]]


def test_one_earlier_result_is_forgotten_alone(page, stand_in, expect):
    for name in ("one.png", "two.png"):
        pick(page, name=name)
        page.locator("#home").click()
    until(page, f"(await {KEPT}.keptResults()).length === 2")
    page.get_by_role("button", name="Earlier results").click()
    page.locator("#history").get_by_role("button", name="Forget one.png").click()
    expect(page.locator("#history .card__name")).to_have_text(["two.png"])
    until(page, f"(await {KEPT}.keptResults()).length === 1")


def test_the_token_is_asked_for_once(open_page, stand_in, expect):
    stand_in.token = "sesame"
    page = open_page()
    page.get_by_label("Token", exact=True).fill("wrong")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("did not accept that one")).to_be_visible()
    page.get_by_label("Token", exact=True).fill("sesame")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#token")).to_be_hidden()
    pick(page)
    page.reload()
    pick(page)
    expect(page.locator("#token")).to_be_hidden()
    assert page.evaluate("() => localStorage.length + document.cookie.length") < 60  # it is not kept there


def test_earlier_results_come_back_without_the_server(page, stand_in, expect):
    canvas = pick(page)
    canvas.click(*IN_DOG)
    page.keyboard.press("Delete")
    expect(page.locator(".object")).to_have_count(2)
    until(page, f"(await {KEPT}.keptResults())[0]?.result.objects.length === 3")
    page.reload()
    page.locator("#recent .card__open", has_text="scene.png").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "person"])
    assert len(stand_in.asked_for("/v1/segment")) == 1
    page.get_by_role("button", name="Earlier results").click()
    page.get_by_role("button", name="Forget all").click()
    expect(page.locator("#history-none")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Drop an image")).to_be_visible()
    expect(page.locator("#recent")).to_be_hidden()


def test_another_task_looks_anew(page, stand_in, expect):
    pick(page)
    stand_in.result = scene.result(task="semantic")
    page.get_by_label("Find").select_option("semantic")
    expect(page.locator(".object")).to_have_count(4)  # classes have no score to filter by
    expect(page.locator("#score-field")).to_be_hidden()
    asked = [query["task"] for _, path, query, _ in stand_in.asked if path == "/v1/segment"]
    assert asked[-1] == ["semantic"]


def test_what_was_changed_comes_back_with_its_task(page, stand_in, expect):
    canvas = pick(page)
    delete(page, canvas)
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    page.get_by_label("Find").select_option("semantic")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    page.get_by_label("Find").select_option("instances")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    page.keyboard.press("Control+z")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    assert len(stand_in.asked_for("/v1/segment")) == 2


def test_a_task_that_fails_leaves_what_is_there_and_can_be_tried_again(page, stand_in, expect):
    canvas = pick(page)
    delete(page, canvas)
    stand_in.failure = (503, "queue: the server is busy", None)
    page.get_by_label("Find").select_option("semantic")
    expect(page.get_by_role("alert")).to_contain_text("the server is busy")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    expect(page.get_by_label("Find")).to_have_value("instances")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    expect(page.get_by_label("Find")).to_have_value("semantic")


def test_earlier_results_are_at_home_at_once(page, expect):
    pick(page)
    page.locator("#home").click()
    expect(page.locator("#recent .card__name")).to_have_text(["scene.png"])


def test_an_image_over_the_budget_is_offered_smaller(page, stand_in, expect):
    detail = "image: 160 x 120 pixels are 0.02 Mpx, over the budget of 0.0048 Mpx; scale it down"
    stand_in.failure = (413, detail, None, "image-too-large")
    page.set_input_files(
        "#file", {"name": "a.png", "mimeType": "image/png", "buffer": scene.encoded(scene.image())}
    )
    stand_in.result = scene.result([mask[::2, ::2] for mask in scene.MASKS], (60, 80))
    page.get_by_role("button", name="Open it smaller").click()
    expect(page.locator(".object")).to_have_count(3)
    sent = PILImage.open(io.BytesIO(stand_in.asked_for("/v1/segment")[-1]["image"]))
    assert sent.size == (80, 60)


def test_objects_are_hidden_locked_and_shown_alone(page, stand_in, expect):
    canvas = pick(page)
    canvas.click(*IN_CAT)
    page.keyboard.press("d")
    expect(page.locator("#object-count")).to_have_text("2 of 4 objects")
    expect(page.locator(".object")).to_have_count(3)  # the list can bring it back
    assert canvas.color(*IN_CAT) == (200, 60, 50)
    assert [each["class"] for each in exported(page, stand_in)["objects"]] == ["dog", "person"]
    page.locator(".object", has_text="cat").hover()
    page.locator(".object", has_text="cat").get_by_role("button", name="Hide").click()
    expect(page.locator("#object-count")).to_have_text("3 of 4 objects")
    canvas.click(*IN_DOG)
    page.keyboard.press("s")
    expect(page.locator("#object-count")).to_have_text("1 of 4 objects")
    page.keyboard.press("s")
    expect(page.locator("#object-count")).to_have_text("3 of 4 objects")
    page.keyboard.press("q")
    page.keyboard.press("Delete")
    expect(page.locator(".object")).to_have_count(3)
    page.keyboard.press("Escape")
    canvas.click(*IN_DOG)  # it is in nobody's way
    expect(page.locator(".object__button[aria-pressed=true]")).to_have_count(0)


def test_objects_are_sorted_and_searched(page, expect):
    pick(page)
    page.get_by_label("Order of the objects").select_option("score")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    page.get_by_label("Order of the objects").select_option("class")
    page.get_by_label("Minimum score").fill("0.1")
    expect(page.locator(".object__name")).to_have_text(["cat", "cat", "dog", "person"])
    page.get_by_label("Search the objects").fill("o")
    expect(page.locator(".object__name")).to_have_text(["dog", "person"])
    expect(page.locator("#object-count")).to_have_text("2 of 4 objects")


def test_several_objects_are_renamed_at_once(page, expect):
    pick(page)
    page.keyboard.press("Control+a")
    page.keyboard.press("F2")
    page.keyboard.type("thing")
    page.keyboard.press("Enter")
    expect(page.locator(".object__name")).to_have_text(["thing"] * 3)
    page.keyboard.press("Control+z")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    expect(page.locator("#announcements")).to_contain_text("Undone")


def test_the_view_goes_to_an_object(page, expect):
    canvas = pick(page)
    canvas.click(*IN_DOG)
    page.keyboard.press("f")
    width = page.evaluate("() => canvas.clientWidth")
    box = page.locator("#canvas").bounding_box()
    x, _ = canvas.place(*IN_DOG)
    assert abs(x - box["x"] - width / 2) < 0.2 * width
    page.keyboard.press("j")
    other = canvas.place(*IN_PERSON)
    assert box["x"] < other[0] < box["x"] + width


def test_zoom_keeps_what_is_under_the_pointer(page, expect):
    canvas = pick(page)
    before = canvas.place(*IN_DOG)
    page.mouse.move(*before)
    page.mouse.wheel(0, -200)
    until(page, "!(await import('/static/js/main.js')).page.stage.viewport.isFitted")
    assert canvas.place(*IN_DOG) == pytest.approx(before, abs=2)  # the browser rounds the place of an event
    canvas.click(*IN_DOG)
    expect(page.locator(".object__button[aria-pressed=true]")).to_contain_text("dog")
    page.keyboard.press("0")
    assert canvas.place(*IN_DOG) == pytest.approx(before, abs=2)  # the browser rounds the place of an event
