import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given

from maskweave.annotations.supervisely import decode_bitmap, encode_bitmap
from maskweave.errors import InvalidValue
from tests.annotations.scenes import collected, plain, put_images, read, write
from tests.strategies import bitmaps


@given(bitmaps)
def test_a_bitmap_survives_its_text(mask):
    np.testing.assert_array_equal(decode_bitmap(encode_bitmap(mask)), mask)


def test_the_layout_is_that_of_a_project(tmp_path):
    before = put_images(tmp_path / "photos", plain("trip/a.png"))
    write(tmp_path / "out", "supervisely", before, with_images="copy")
    made = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("[!.]*.*")
    )
    assert made == ["dataset/ann/trip/a.png.json", "dataset/img/trip/a.png", "meta.json"]
    meta = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert [(each["title"], each["shape"]) for each in meta["classes"]] == [
        ("person", "bitmap"),
        ("car", "bitmap"),
    ]
    data = json.loads((tmp_path / "out" / made[0]).read_text())
    assert data["size"] == {"height": 12, "width": 16}
    assert data["objects"][0]["bitmap"]["origin"] == [1, 1]
    (after,) = read(tmp_path / "out")
    assert after.image == tmp_path / "out" / made[1]


def changed(tmp_path, change):
    write(tmp_path / "out", "supervisely", [plain("a.png"), plain("b.png")])
    file = tmp_path / "out" / "dataset" / "ann" / "a.png.json"
    data = json.loads(file.read_text())
    change(data["objects"][0], data)
    file.write_text(json.dumps(data))
    return tmp_path / "out"


def test_polygons_and_rectangles_are_read(tmp_path):
    ring = [[1, 1], [9, 1], [9, 9], [1, 9]]
    hole = [[3, 3], [6, 3], [6, 6], [3, 6]]
    points = {"exterior": ring, "interior": [hole]}
    folder = changed(tmp_path, lambda one, _: one.update(geometryType="polygon", points=points))
    assert read(folder)[0].instances.masks.areas[0] == 55


def test_a_rectangle_has_two_corners(tmp_path):
    points = {"exterior": [[9, 8], [1, 1]], "interior": []}
    folder = changed(tmp_path, lambda one, _: one.update(geometryType="rectangle", points=points))
    assert read(folder)[0].instances.masks.areas[0] == 56


BOMB = base64.b64encode(zlib.compress(bytes(100_000_000))).decode()
CUT = encode_bitmap(np.ones((5, 5), bool))[:-12]
DAMAGES = {
    "class": (lambda one, _: one.update(classTitle="cow"), "need a class of meta.json, got 'cow'"),
    "kind": (
        lambda one, _: one.update(geometryType="point"),
        "need a bitmap, alpha mask, polygon or rectangle, got 'point'",
    ),
    "outside": (
        lambda one, _: one["bitmap"].update(origin=[16, 1]),
        "need a mask with pixels inside the image",
    ),
    "no base64": (lambda one, _: one["bitmap"].update(data="%%"), "need a bitmap as"),
    "bomb": (lambda one, _: one["bitmap"].update(data=BOMB), "need a whole bitmap of at most 64 MB"),
    "cut": (lambda one, _: one["bitmap"].update(data=CUT), "bitmap"),
    "no origin": (lambda one, _: one["bitmap"].pop("origin"), "origin"),
    "no object": (lambda _, data: data["objects"].insert(0, 3), ""),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_object_is_named_and_the_rest_goes_on(tmp_path, name):
    change, message = DAMAGES[name]
    found, (line,) = collected(changed(tmp_path, change))
    assert [len(each.instances) for each in found] == [2 if name == "no object" else 1, 2]
    assert line.startswith("dataset/a.png, object 1: ")
    assert message in line


def test_a_broken_annotation_is_named(tmp_path):
    folder = changed(tmp_path, lambda _, data: data.pop("size"))
    found, (line,) = collected(folder)
    assert (len(found), line) == (1, "dataset/a.png: need an annotation with a size")


@pytest.mark.parametrize("meta", ["[]", "{}", "{", '{"classes": [1]}'])
def test_a_project_without_classes_is_told(tmp_path, meta):
    folder = changed(tmp_path, lambda one, data: None)
    (folder / "meta.json").write_text(meta)
    with pytest.raises(InvalidValue, match=r"meta\.json: need"):
        read(folder)
