"""COCO's panoptic files: ids as colours, segments told of in JSON, whole or not there."""

import json

import numpy as np
import pytest
from PIL import Image

import maskweave as mw
from maskweave.errors import InvalidValue, OutputError
from maskweave.outputs.panoptic import colours_of
from maskweave.types.panoptic import Panoptic, Segment

NAMES, THINGS = ("dog", "grass"), (True, False)


def scene(number=1):
    ids = np.zeros((20, 30), int)
    ids[5:, :] = number
    ids[8:12, 4:10] = 70_000
    segments = (Segment(70_000, 0, 24, 0.5), Segment(number, 1, 15 * 30 - 24))
    return Panoptic(ids, segments, NAMES, THINGS)


def write_all(writer, results):
    with writer:
        for name, result in results.items():
            writer.write(name, result)


def test_files_say_what_coco_wants(tmp_path):
    path = tmp_path / "found" / "all.json"
    with mw.PanopticWriter(path, model="tester") as writer:
        writer.write("street.jpg", scene())
        writer.write("a/park.png", scene(300))
        assert not path.exists()
    document = json.loads(path.read_text())
    assert [
        (each["id"], each["file_name"], each["height"], each["width"]) for each in document["images"]
    ] == [
        (1, "street.jpg", 20, 30),
        (2, "a/park.png", 20, 30),
    ]
    assert document["categories"] == [
        {"id": 18, "name": "dog", "supercategory": "", "isthing": 1},
        {"id": 101, "name": "grass", "supercategory": "", "isthing": 0},
    ]
    first, second = document["annotations"]
    assert (first["image_id"], first["file_name"], second["file_name"]) == (1, "street.png", "park.png")
    assert first["segments_info"] == [
        {"id": 70_000, "category_id": 18, "area": 24, "bbox": [4, 8, 6, 4], "iscrowd": 0, "score": 0.5},
        {"id": 1, "category_id": 101, "area": 426, "bbox": [0, 5, 30, 15], "iscrowd": 0},
    ]
    pixels = np.asarray(Image.open(tmp_path / "found" / "all" / "park.png")).astype(int)
    np.testing.assert_array_equal(pixels @ (1, 256, 65536), scene(300).id_map)


def test_every_id_has_a_colour_of_its_own():
    ids = np.array([[0, 1, 255, 256, 65_535, 65_536, 2**24 - 1]], np.int32)
    np.testing.assert_array_equal(colours_of(ids).astype(int) @ (1, 256, 65536), ids)


def test_nothing_is_left_of_a_run_that_fails(tmp_path):
    writer = mw.PanopticWriter(tmp_path / "all.json")
    with pytest.raises(OutputError, match=r"need a name of its own for b/street\.png"):
        write_all(writer, {"a/street.jpg": scene(), "b/street.png": scene()})
    assert list(tmp_path.iterdir()) == []


def test_our_own_files_are_replaced_and_no_others(tmp_path):
    path = tmp_path / "all.json"
    for name in ("one.jpg", "two.jpg"):
        with mw.PanopticWriter(path) as writer:
            writer.write(name, scene())
    assert [each.name for each in (tmp_path / "all").iterdir()] == ["two.png"]
    path.write_text('{"annotations": []}')
    with pytest.raises(OutputError, match="did not write"), mw.PanopticWriter(path):
        pass
    assert path.read_text() == '{"annotations": []}'


def test_wrong_names_and_classes_are_told(tmp_path):
    with pytest.raises(InvalidValue, match=r"ends in \.json"):
        mw.PanopticWriter(tmp_path / "all.png")
    other = Panoptic(np.zeros((2, 2), int), (), ("cat",), (True,))
    writer = mw.PanopticWriter(tmp_path / "all.json")
    with pytest.raises(InvalidValue, match="same class names"):
        write_all(writer, {"one.jpg": scene(), "two.jpg": other})
    with mw.PanopticWriter(tmp_path / "none.json"):
        pass
    assert json.loads((tmp_path / "none.json").read_text())["images"] == []
