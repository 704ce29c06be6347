import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from maskweave.annotations.coco_reading import read_categories
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report
from maskweave.errors import InvalidValue
from maskweave.types import SemanticMap
from tests.annotations.scenes import SIZE, collected, objects, plain, read, rectangle, same_objects, write

CLASSES = np.zeros(SIZE, int)
CLASSES[9:, :5], CLASSES[0, :3] = 1, 255
CATEGORIES = (Category(1, "person"), Category(3, "car"), Category(187, "sky", thing=False))


def scene(name="a.png"):
    return Record(
        name,
        plain().instances,
        crowd=[False, True],
        semantic=SemanticMap(CLASSES, ("background", "sky")),
        categories=CATEGORIES,
    )


def test_the_file_is_cocos(tmp_path):
    report = write(tmp_path / "out", "panoptic", [scene()])
    data = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    (annotation,) = data["annotations"]
    assert [(each["category_id"], each["area"], each["iscrowd"]) for each in annotation["segments_info"]] == [
        (1, 35, 0), (3, 63, 1), (187, 15, 0),
    ]  # fmt: skip
    assert annotation["segments_info"][1]["bbox"] == [8, 2, 7, 9]
    assert {each["id"]: each["isthing"] for each in data["categories"]} == {1: 1, 3: 1, 187: 0}
    with Image.open(tmp_path / "out" / "panoptic" / "a.png") as image:
        assert image.mode == "RGB"
    assert report.losses == {"class map": (0, 3)}  # the pixels to be ignored


def test_things_and_stuff_come_back(tmp_path):
    write(tmp_path / "out", "panoptic", [scene()])
    for place in (tmp_path / "out", tmp_path / "out" / "panoptic.json"):
        (after,) = read(place)
        assert same_objects(after, scene())
        assert after.crowds.tolist() == [False, True]
        np.testing.assert_array_equal(after.semantic.mask("sky"), CLASSES == 1)
        assert after.categories == CATEGORIES


def test_more_segments_than_a_byte_holds(tmp_path):
    dense = np.zeros((300, 20, 20), bool)
    dense.reshape(300, -1)[np.arange(300), np.arange(300)] = True
    write(tmp_path / "out", "panoptic", [Record("a.png", objects(dense))])
    assert len(read(tmp_path / "out")[0].instances) == 300


def info(data):
    return data["annotations"][0]["segments_info"]


DAMAGES = {
    "category": (lambda d: info(d)[0].update(category_id=9), "segment 1: need a category of the file, got 9"),
    "twice": (lambda d: info(d)[1].update(id=1), "segment 1: need an id of its own"),
    "unknown color": (lambda d: info(d).pop(), "need a segment for each color, got none for id 3"),
    "outside": (lambda d: d["annotations"][0].update(file_name="../a.png"), "stays in its folder"),
    "no image": (lambda d: d["annotations"][0].update(file_name="z.png"), "z.png: no such file"),
    "no entry": (lambda d: d["annotations"][0].update(image_id=99), "need one image of that id, got 0"),
    "size": (lambda d: d["images"][0].update(width=7), "need segments of 7 x 12 pixels, got 16 x 12"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_annotation_is_named_and_the_rest_goes_on(tmp_path, name):
    change, message = DAMAGES[name]
    write(tmp_path / "out", "panoptic", [scene("a.png"), scene("b.png")])
    file = tmp_path / "out" / "panoptic.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    (record,), (line,) = collected(tmp_path / "out")
    assert record.file_name == "b.png"
    assert line.startswith("panoptic.json, image ")
    assert message in line


def test_a_folder_as_coco_has_it_is_known(tmp_path):
    write(tmp_path / "out", "panoptic", [scene()])
    (tmp_path / "out" / "panoptic.json").rename(tmp_path / "out" / "panoptic_val2017.json")
    (tmp_path / "out" / "panoptic").rename(tmp_path / "out" / "panoptic_val2017")
    assert len(read(tmp_path / "out")) == 1


def test_a_palette_where_colors_are_needed_is_named(tmp_path):
    write(tmp_path / "out", "panoptic", [scene()])
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "out" / "panoptic" / "a.png")
    _, (line,) = collected(tmp_path / "out")
    assert "need an image of colors (RGB), got a palette or gray one" in line


def test_overlapping_objects_share_the_pixels_once(tmp_path):
    over = replace(scene(), instances=objects([rectangle(0, 0, 8, 8), rectangle(5, 5, 11, 11)]))
    report = write(tmp_path / "out", "panoptic", [over])
    assert report.losses["overlaps"] == (1, 9)


def test_a_file_without_annotations_is_told(tmp_path):
    (tmp_path / "a.json").write_text('{"annotations": [], "images": []}')
    with pytest.raises(InvalidValue, match="need the COCO list annotations"):
        read(tmp_path / "a.json", "panoptic")


def test_a_category_with_a_strange_flag_is_named_and_left_out():
    report = Report("panoptic")
    found = [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "dog", "isthing": 11}]
    classes = read_categories("panoptic.json", found, report)
    assert classes.names == ("cat",)
    assert "panoptic.json, category 2" in report.messages[0]
