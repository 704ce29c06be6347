"""Data sets are opened, corrected and saved back, with the page and the real server; all else of them stays."""

import json
import zipfile

import numpy as np
import pytest

from tests.annotations.scenes import read
from tests.serving.conftest import encoded
from tests.serving.page import scene
from tests.serving.page.conftest import Canvas

HEIGHT, WIDTH = scene.SIZE
LABELS = {
    "info": {"by": "somebody"},
    "images": [
        {"id": 8, "file_name": "one.png", "height": HEIGHT, "width": WIDTH, "weather": "rain"},
        {"id": 3, "file_name": "sub/two.png", "height": HEIGHT, "width": WIDTH},
        {"id": 4, "file_name": "missing.png", "height": HEIGHT, "width": WIDTH},
    ],
    "annotations": [
        {
            "id": 10,
            "image_id": 8,
            "category_id": 90,
            "segmentation": [[10, 10, 60, 10, 60, 50, 10, 50]],
            "extra": 1.50,
        },
        {
            "id": 11,
            "image_id": 8,
            "category_id": 17,
            "segmentation": scene.rle_of(scene.MASKS[2]),
            "iscrowd": 0,
        },
        {"id": 12, "image_id": 3, "category_id": 17, "bbox": [100, 20, 30, 30]},
    ],
    "categories": [{"id": 90, "name": "cat"}, {"id": 17, "name": "person"}],
}
TEXT = json.dumps(LABELS, indent=1)


@pytest.fixture
def folder(tmp_path):
    data = encoded(scene.image())
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    (root / "one.png").write_bytes(data)
    (root / "sub" / "two.png").write_bytes(data)
    (root / "labels.json").write_text(TEXT)
    return root


@pytest.fixture
def page(open_page, server):
    return open_page(url=server.url, accept_downloads=True)


def open_folder(page, folder, expect):
    page.set_input_files("#folder", folder)
    expect(page.locator("#queue-count")).to_have_text("1 of 2")
    return Canvas(page)


def save(page, path):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all").click()
    download.value.save_as(path)
    return download.value.suggested_filename


def test_a_folder_with_coco_labels_is_corrected_and_saved_back(page, folder, tmp_path, expect):
    canvas = open_folder(page, folder, expect)
    expect(page.locator(".object__name")).to_have_text(["cat", "person"])
    expect(page.locator("#queue-words")).to_have_text("photos: nothing is corrected yet.")
    expect(page.get_by_role("alert")).to_contain_text("missing.png: the image is not among")
    page.locator(".object__button", has_text="person").click()
    page.keyboard.press("e")
    canvas.drag((20, 85), (70, 85))
    expect(page.locator("#undo")).to_be_enabled()
    page.keyboard.press("n")
    expect(page.locator(".object__detail")).to_contain_text("box only")
    page.keyboard.press("Shift+n")
    expect(page.locator("#queue-words")).to_have_text("photos: 1 image corrected.")
    assert save(page, tmp_path / "after.json") == "labels.json"
    after = (tmp_path / "after.json").read_text()
    (tmp_path / "before.json").write_text(TEXT)
    before = read(tmp_path / "before.json", "coco")
    one, two, _ = read(tmp_path / "after.json", "coco")
    assert np.array_equal(one.instances.masks.dense()[0], before[0].instances.masks.dense()[0])
    assert 0 < one.instances.masks.areas[1] < before[0].instances.masks.areas[1]
    assert two.box_only.tolist() == [True]
    assert '"extra": 1.5' in after
    assert json.loads(after)["annotations"][1]["id"] == 11
    lines = zip(TEXT.splitlines(), after.splitlines(), strict=False)
    assert sum(one != other for one, other in lines) > 0
    assert {**json.loads(after), "annotations": None} == {**LABELS, "annotations": None}
    page.locator("#home").click()  # all is saved: nothing is asked
    expect(page.get_by_role("heading", name="Drop an image")).to_be_visible()


def test_what_is_undone_is_not_corrected_and_comes_back_as_it_was(page, folder, tmp_path, expect):
    open_folder(page, folder, expect)
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("Delete")
    page.keyboard.press("n")
    expect(page.locator("#queue-count")).to_have_text("2 of 2")
    page.keyboard.press("Shift+n")
    expect(page.locator(".object__name")).to_have_text(["person"])
    page.keyboard.press("Control+z")  # what was done before one went on
    expect(page.locator(".object__name")).to_have_text(["cat", "person"])
    page.keyboard.press("n")
    expect(page.locator("#queue-words")).to_have_text("photos: nothing is corrected yet.")


def test_more_corrections_than_one_request_takes_are_sent_in_parts(page):
    parts = page.evaluate(
        """async (revisions) => {
          const { partsOf } = await import("/static/js/state/dataset.js");
          return [partsOf(revisions, 20), partsOf(revisions), partsOf([])];
        }""",
        ["a" * 8, "b" * 8, "c" * 30, "d"],
    )
    names = [[[each[0] for each in part] for part in some] for some in parts]
    assert names == [[["a", "b"], ["c"], ["d"]], [["a", "b", "c", "d"]], [[]]]


def test_a_zip_comes_back_as_a_zip_with_its_images(page, folder, tmp_path, expect):
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder))
        archive.writestr("notes.md", "ours")
    page.set_input_files("#file", tmp_path / "set.zip")
    expect(page.locator("#queue-count")).to_have_text("1 of 2")
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("m")  # one object is no two
    page.locator("#rename").click()
    page.locator(".object input").fill("tiger")
    page.keyboard.press("Enter")
    assert save(page, tmp_path / "after.zip") == "set.zip"
    with zipfile.ZipFile(tmp_path / "after.zip") as after, zipfile.ZipFile(tmp_path / "set.zip") as before:
        assert after.namelist() == before.namelist()
        for name in before.namelist():
            assert (after.read(name) == before.read(name)) == (name != "labels.json")
        labels = json.loads(after.read("labels.json"))
    assert labels["categories"][2:] == [{"id": 91, "name": "tiger"}]
    assert labels["annotations"] == [
        LABELS["annotations"][0] | {"category_id": 91},
        *LABELS["annotations"][1:],
    ]


def test_a_yolo_folder_too(page, tmp_path, expect):
    root = tmp_path / "yolo"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    (root / "images" / "a.png").write_bytes(encoded(scene.image()))
    (root / "data.yaml").write_text("names: [cat, dog]\ntrain: images\n")
    (root / "labels" / "a.txt").write_text("1 0.1 0.1 0.4 0.1 0.4 0.5\n0 0.6 0.6 0.9 0.6 0.9 0.9\n")
    page.set_input_files("#folder", root)
    expect(page.locator(".object__name")).to_have_text(["dog", "cat"])
    page.locator(".object__button", has_text="dog").click()
    page.keyboard.press("Delete")
    assert save(page, tmp_path / "after.zip") == "yolo.labels.zip"
    with zipfile.ZipFile(tmp_path / "after.zip") as after:
        assert after.read("yolo/labels/a.txt") == b"0 0.6 0.6 0.9 0.6 0.9 0.9\n"
        assert after.read("yolo/data.yaml") == (root / "data.yaml").read_bytes()


def test_a_set_that_cannot_be_read_says_why(page, folder, expect):
    (folder / "labels.json").write_text("{}")
    page.set_input_files("#folder", folder)
    expect(page.get_by_role("alert")).to_contain_text("found neither")
    page.get_by_role("button", name="Open the images alone").click()
    expect(page.locator("#queue-count")).to_have_text("1 of 2")


def test_what_is_corrected_is_counted_before_one_goes_on(page, folder, expect):
    open_folder(page, folder, expect)
    page.locator(".object__button", has_text="cat").click()
    page.keyboard.press("Delete")
    expect(page.locator("#queue-words")).to_have_text("photos: 1 image corrected.")
    page.keyboard.press("Control+z")
    expect(page.locator("#queue-words")).to_have_text("photos: nothing is corrected yet.")


def test_what_is_saved_as_yolo_is_one_data_set_that_opens_again(page, folder, tmp_path, expect):
    (folder / "labels.json").unlink()
    page.set_input_files("#folder", folder)
    expect(page.locator("#queue-count")).to_have_text("1 of 2")
    page.locator(".object").first.wait_for()
    page.get_by_label("Your classes").fill("animal")
    page.keyboard.press("Enter")
    canvas = Canvas(page)
    page.keyboard.press("1")
    page.keyboard.press("p")
    canvas.drag((20, 85), (70, 85))
    expect(page.locator(".object__name", has_text="animal")).to_be_visible()
    page.select_option("#queue-format", "yolo")
    name = save(page, tmp_path / "after.zip")
    assert name == "images.yolo.zip"
    with zipfile.ZipFile(tmp_path / "after.zip") as after:
        names = after.namelist()
        assert after.read("images.yolo/images/sub/two.png") == (folder / "sub" / "two.png").read_bytes()
        assert "animal" in after.read("images.yolo/data.yaml").decode()
    assert {"images.yolo/labels/one.txt", "images.yolo/images/one.png"} <= set(names)
    page.locator("#home").click()
    page.set_input_files(
        "#file",
        {"name": name, "mimeType": "application/zip", "buffer": (tmp_path / "after.zip").read_bytes()},
    )
    expect(page.locator("#queue-words")).to_have_text("images.yolo.zip: nothing is corrected yet.")
    expect(page.locator(".object__name", has_text="animal")).to_be_visible()
    expect(page.locator(".object", has_text="animal")).to_contain_text("by hand")


def test_what_was_made_by_hand_comes_back_as_that_out_of_coco(page, folder, tmp_path, expect):
    (folder / "labels.json").unlink()
    page.set_input_files("#folder", folder)
    expect(page.locator("#queue-count")).to_have_text("1 of 2")
    page.locator(".object").first.wait_for()
    page.keyboard.press("p")
    Canvas(page).drag((20, 85), (70, 85))
    expect(page.locator(".object", has_text="object")).to_contain_text("by hand")
    assert save(page, folder / "images.coco.json") == "images.coco.json"
    page.locator("#home").click()
    page.set_input_files("#folder", folder)
    expect(page.locator(".object", has_text="object")).to_contain_text("by hand")
