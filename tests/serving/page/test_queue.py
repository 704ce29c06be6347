"""Several images at once: a queue that one goes through and saves as a whole."""

import json
import zipfile

from maskweave.annotations.options import Options
from maskweave.annotations.report import Report
from maskweave.annotations.table import format_named
from tests.serving.page import scene
from tests.serving.page.conftest import Canvas, until, until_true

NAMES = ("one.png", "two.png", "three.png")
ALL_DONE = "document.querySelector('#queue-progress').value === 1"


def bring(page, names=NAMES):
    data = scene.encoded(scene.image())
    page.set_input_files("#file", [{"name": name, "mimeType": "image/png", "buffer": data} for name in names])
    page.locator("#object-list .object").first.wait_for()
    return Canvas(page)


def test_images_are_looked_at_one_after_the_other_while_one_is_open(page, stand_in, expect):
    stand_in.gate.clear()
    data = scene.encoded(scene.image())
    page.set_input_files("#file", [{"name": name, "mimeType": "image/png", "buffer": data} for name in NAMES])
    expect(page.locator("#queue-words")).to_have_text("0 of 3 images are ready.")
    expect(page.locator("#queue-count")).to_have_text("1 of 3")
    stand_in.gate.set()
    expect(page.locator("#queue-words")).to_have_text("All are ready; you have seen 1.")
    assert len(stand_in.asked_for("/v1/segment")) == 3
    expect(page.locator(".object")).to_have_count(3)


def test_changes_stay_when_one_goes_on_and_back(page, expect):
    bring(page)
    page.locator(".object__button", has_text="dog").click()
    page.keyboard.press("Delete")
    page.keyboard.press("n")
    expect(page.locator("#queue-count")).to_have_text("2 of 3")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    page.get_by_role("button", name="Previous image").click()
    expect(page.locator(".object__name")).to_have_text(["cat", "person"])


def test_one_coco_file_holds_all_images(page, stand_in, tmp_path, expect):
    bring(page)
    page.locator(".object__button", has_text="dog").click()
    page.keyboard.press("Delete")
    until(page, ALL_DONE)
    page.route("**/v1/export", lambda route: route.fulfill(json=coco_of(route.request)))
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all").click()
    assert download.value.suggested_filename == "images.coco.json"
    download.value.save_as(tmp_path / "images.coco.json")
    records = list(format_named("coco").read(tmp_path / "images.coco.json", Options(), Report()))
    assert [record.file_name for record in records] == list(NAMES)
    assert [record.instances.names for record in records] == [
        ("cat", "person"),
        ("cat", "dog", "person"),
        ("cat", "dog", "person"),
    ]
    page.locator("#home").click()  # all is saved: nothing is asked
    expect(page.get_by_role("heading", name="Drop an image")).to_be_visible()


def test_the_tool_and_the_score_stay_when_one_goes_on(page, expect):
    bring(page)
    until(page, ALL_DONE)
    page.keyboard.press("x")
    page.get_by_label("Minimum score").fill("0.6")
    page.keyboard.press("n")
    expect(page.locator("#queue-count")).to_have_text("2 of 3")
    expect(page.locator("[data-tool=box]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog"])
    page.route("**/v1/export", lambda route: route.fulfill(json=coco_of(route.request)))
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all").click()
    numbers = [each["image_id"] for each in json.loads(download.value.path().read_text())["annotations"]]
    assert numbers == [1, 1, 2, 2, 3, 3]  # what the third would show, too


def test_images_of_equal_names_in_a_folder_stay_apart(page, tmp_path, expect):
    for name in ("a/one.png", "b/one.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        (tmp_path / "set" / name).write_bytes(scene.encoded(scene.image()))
    page.set_input_files("#folder", tmp_path / "set")
    expect(page.locator("#queue-list option")).to_have_text(["1. a/one.png ✓", "2. b/one.png"])
    page.route("**/v1/export", lambda route: route.fulfill(json=coco_of(route.request)))
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all").click()
    document = json.loads(download.value.path().read_text())
    assert [image["file_name"] for image in document["images"]] == ["a/one.png", "b/one.png"]
    expect(page.locator(".note")).to_contain_text("images.coco.json has 2 images with 6 objects.")
    page.locator("#queue-format").select_option("masks")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        folders = [name.split("/")[0] for name in archive.namelist()]
    assert folders == ["a", "b"]


def coco_of(request):
    """What the server writes for one image, as far as it matters here."""
    body = request.post_data_buffer
    start = body.index(b'{"format"')
    asked = json.loads(body[start : body.index(b"\r\n--", start)])
    height, width = scene.SIZE
    names = sorted({each["class"] for each in asked["objects"]})
    return {
        "images": [{"id": 1, "file_name": asked["name"], "height": height, "width": width}],
        "categories": [{"id": place, "name": name} for place, name in enumerate(names, start=1)],
        "annotations": [
            {
                "id": place,
                "image_id": 1,
                "category_id": names.index(each["class"]) + 1,
                "segmentation": each["rle"],
                "bbox": [0, 0, 1, 1],
                "area": 1,
                "iscrowd": 0,
            }
            for place, each in enumerate(asked["objects"], start=1)
        ],
    }


def test_other_formats_come_as_one_zip(page, tmp_path):
    bring(page)
    page.get_by_label("Format of the files").select_option("masks")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all").click()
    download.value.save_as(tmp_path / "images.zip")
    with zipfile.ZipFile(tmp_path / "images.zip") as archive:
        assert archive.namelist() == ["one.coco.json", "two.coco.json", "three.coco.json"]


def test_an_image_that_fails_does_not_hold_up_the_others(page, stand_in, expect):
    stand_in.failure = (422, "image: damaged or cut short", None)
    data = scene.encoded(scene.image())
    page.set_input_files("#file", [{"name": name, "mimeType": "image/png", "buffer": data} for name in NAMES])
    expect(page.get_by_role("alert")).to_contain_text("one.png: image: damaged")
    until(page, ALL_DONE)
    expect(page.locator("#queue-list option").first).to_contain_text("failed")
    page.keyboard.press("n")
    expect(page.locator(".object")).to_have_count(3)


def test_a_queue_that_is_not_saved_is_not_left_without_a_word(page, expect):
    bring(page)
    page.locator("#home").click()
    expect(page.get_by_role("heading", name="The queue is not saved")).to_be_visible()
    page.get_by_role("button", name="Stay").click()
    expect(page.locator("#queue")).to_be_visible()
    page.locator("#home").click()
    page.get_by_role("button", name="Leave all the same").click()
    expect(page.get_by_role("heading", name="Drop an image")).to_be_visible()


def test_the_images_of_a_folder_make_a_queue(page, tmp_path, expect):
    data = scene.encoded(scene.image())
    (tmp_path / "trip" / "day").mkdir(parents=True)
    for name in ("b.png", "day/a.png"):
        (tmp_path / "trip" / name).write_bytes(data)
    (tmp_path / "trip" / "notes.md").write_text("ours")
    page.set_input_files("#folder", tmp_path / "trip")
    expect(page.locator("#queue-count")).to_have_text("1 of 2")


def test_what_was_done_before_one_went_on_can_be_undone(page, expect):
    bring(page)
    page.locator(".object__button", has_text="dog").click()
    page.keyboard.press("Delete")
    page.keyboard.press("n")
    expect(page.locator("#queue-count")).to_have_text("2 of 3")
    page.keyboard.press("Shift+n")
    expect(page.locator(".object__name")).to_have_text(["cat", "person"])
    page.keyboard.press("Control+z")
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person"])
    page.keyboard.press("Control+Shift+z")
    expect(page.locator(".object__name")).to_have_text(["cat", "person"])


def test_a_long_queue_holds_the_changes_of_the_images_seen_last_and_the_objects_of_none(page):
    kept = page.evaluate(
        """async () => {
          const { Queue } = await import("/static/js/state/queue.js");
          const objectOf = (name) => ({ class: name, rle: { counts: "04" } });
          const resultOf = (name) => ({ asked: "", default_score: 0.5, objects: [objectOf(name)] });
          const opened = { name: "image", file: new Blob(), result: resultOf("cat") };
          const images = Array.from({ length: 25 }, () => opened);
          const queue = new Queue(images, null);
          for (const entry of queue.entries) queue.keep({ ...resultOf("dog"), hiddenClasses: [] }, new Map(), entry);
          queue.keep({ ...resultOf("cat"), hiddenClasses: [] }, new Map(), queue.entries[9]);
          const { objects } = await queue.shownResultOf(queue.entries[0]);
          return {
            class: objects[0].class,
            held: JSON.stringify(queue.entries).includes("counts"),
            documents: queue.entries.flatMap(({ documents }, place) => (documents ? [place] : [])),
            same: queue.entries.flatMap(({ isChanged }, place) => (isChanged ? [] : [place])),
          };
        }"""
    )
    assert kept == {"class": "dog", "held": False, "documents": [*range(5, 25)], "same": [9]}


def test_a_photo_that_comes_along_is_opened(page, stand_in, expect):
    page.get_by_role("button", name="A cat").click()
    expect(page.locator(".object")).to_have_count(3)
    (sent,) = stand_in.asked_for("/v1/segment")
    assert sent["image"].startswith(b"RIFF")


def set_classes(page, names):
    page.get_by_label("Your classes").fill(names)
    page.keyboard.press("Enter")


def test_after_the_classes_are_typed_letters_are_tools_again(page, expect):
    bring(page)
    set_classes(page, "pet, owner")
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Box: draw")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Your classes")).to_have_value("pet, owner")
    expect(page.locator("#preset-chips button")).to_have_text(["1pet", "2owner"])


def test_a_number_names_what_is_drawn_next(page, expect):
    canvas = bring(page)
    set_classes(page, "pet, owner")
    page.keyboard.press("x")
    page.keyboard.press("2")
    expect(page.locator("#hint")).to_have_text("Draw a box round an owner to add it.")
    canvas.drag((100, 60), (140, 110))
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person", "owner"])
    page.keyboard.press("n")
    expect(page.locator("#queue-count")).to_have_text("2 of 3")
    expect(page.locator("#hint")).to_have_text("Draw a box round an owner to add it.")
    page.locator("#preset-chips").get_by_text("owner").click()  # none again
    canvas.drag((100, 60), (140, 110))
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person", "object"])


def held_back(page, path="**/v1/refine"):
    """Let answers of that path wait; returns what lets them go."""
    waiting = []

    def hold(route):
        waiting.append(route)

    page.route(path, hold)

    def release():
        for route in waiting:
            route.continue_()
        page.unroute(path)

    return waiting, release


def test_a_number_that_is_faster_than_the_answer_names_what_comes(page, expect):
    canvas = bring(page)
    set_classes(page, "pet, owner")
    page.keyboard.press("x")
    waiting, release = held_back(page)
    canvas.drag((100, 60), (140, 110))
    until_true(page, lambda: waiting)
    page.keyboard.press("2")
    release()
    expect(page.locator(".object__name")).to_have_text(["cat", "dog", "person", "owner"])
    expect(page.get_by_role("radio", name="Masks")).to_be_checked()


def test_an_answer_that_comes_after_one_went_on_is_that_images(page, stand_in, expect):
    canvas = bring(page)
    until(page, ALL_DONE)
    page.keyboard.press("x")
    waiting, release = held_back(page)
    canvas.drag((100, 60), (140, 110))
    until_true(page, lambda: waiting)
    page.keyboard.press("n")
    expect(page.locator("#queue-count")).to_have_text("2 of 3")
    expect(page.locator("#hint")).to_have_text("Draw a box round an object to add it.")
    release()
    page.keyboard.press("n")
    expect(page.locator("#queue-count")).to_have_text("3 of 3")
    expect(page.locator(".object")).to_have_count(3)
    page.select_option("#queue-format", "overlay")
    with page.expect_download():
        page.get_by_role("button", name="Save all").click()
    sent = [json.loads(form["request"])["objects"] for form in stand_in.asked_for("/v1/export")]
    assert [[each["class"] for each in objects] for objects in sent] == [
        ["cat", "dog", "person", "object"],
        ["cat", "dog", "person"],
        ["cat", "dog", "person"],
    ]


def test_classes_that_are_hidden_stay_hidden_in_all_images_and_in_no_file(page, stand_in, expect):
    bring(page)
    until(page, ALL_DONE)
    page.keyboard.press("n")
    page.locator("#class-chips").get_by_text("dog").click()
    page.keyboard.press("Shift+n")
    expect(page.locator(".object__name")).to_have_text(["cat", "person"])
    page.select_option("#queue-format", "overlay")
    with page.expect_download():
        page.get_by_role("button", name="Save all").click()
    for form in stand_in.asked_for("/v1/export"):
        assert [each["class"] for each in json.loads(form["request"])["objects"]] == ["cat", "person"]


def test_the_queue_tells_which_images_were_seen(page, expect):
    bring(page)
    until(page, ALL_DONE)
    page.keyboard.press("n")
    expect(page.locator("#queue-words")).to_have_text("All are ready; you have seen 2.")
    expect(page.locator("#queue-list option")).to_have_text(["1. one.png ✓", "2. two.png ✓", "3. three.png"])
