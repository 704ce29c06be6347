import json

import numpy as np
import pytest

from maskweave.annotations.convert import read_records
from maskweave.annotations.record import Record
from maskweave.errors import InvalidValue
from tests.annotations.scenes import (
    collected,
    objects,
    plain,
    put_images,
    read,
    rectangle,
    same_objects,
    write,
)


def shape(kind="polygon", points=((1, 1), (5, 1), (5, 4)), label="cat", **more):
    return {"label": label, "shape_type": kind, "points": points, "group_id": None, **more}


def put(folder, *shapes, name="a.json", **more):
    folder.mkdir(exist_ok=True)
    data = {"shapes": shapes, "imagePath": "a.jpg", "imageHeight": 12, "imageWidth": 16, **more}
    (folder / name).write_text(json.dumps(data))
    return folder


def test_shapes_are_what_labelme_draws(tmp_path):
    put(
        tmp_path / "in",
        shape("rectangle", [[5, 4], [1, 1]]),
        shape("circle", [[8, 6], [8, 10]], "disc"),
        shape("polygon", [[0, 0], [3, 0], [3, 3], [0, 3]], "pair", group_id=4),
        shape("polygon", [[10, 0], [12, 0], [12, 3], [10, 3]], "pair", group_id=4),
    )
    (record,) = read(tmp_path / "in")
    assert record.instances.names == ("cat", "disc", "pair")
    first, disc, pair = record.instances.masks.areas.tolist()
    assert (first, pair) == (12, 15)
    assert disc == pytest.approx(np.pi * 16, abs=4)
    assert record.file_name == "a.jpg"


def test_parts_share_a_group_and_holes_make_a_mask(tmp_path):
    parts = rectangle(1, 1, 4, 4) | rectangle(1, 7, 4, 9)
    ring = rectangle(6, 1, 15, 9) & ~rectangle(8, 3, 10, 6)
    before = Record("a.png", objects([parts, ring]))
    write(tmp_path / "out", "labelme", [before])
    shapes = json.loads((tmp_path / "out" / "a.json").read_text())["shapes"]
    assert [(each["shape_type"], each["group_id"]) for each in shapes] == [
        ("polygon", 1), ("polygon", 1), ("mask", None),
    ]  # fmt: skip
    assert shapes[2]["points"] == [[6, 1], [14, 8]]
    report = write(tmp_path / "filled", "labelme", [before], holes="fill")
    assert report.losses == {"holes": (1, 6)}
    write(tmp_path / "masks", "labelme", [before], masks="rle")
    assert {each["shape_type"] for each in json.loads((tmp_path / "masks/a.json").read_text())["shapes"]} == {
        "mask"
    }
    assert same_objects(read(tmp_path / "masks")[0], before)


def test_images_lie_beside_their_labels_when_asked(tmp_path):
    before = put_images(tmp_path / "photos", plain("trip/a.png"))
    write(tmp_path / "out", "labelme", before, with_images="copy")
    (after,) = read(tmp_path / "out")
    assert (after.file_name, after.image) == ("trip/a.png", tmp_path / "out" / "trip" / "a.png")


def test_a_size_that_is_missing_is_that_of_the_image(tmp_path):
    folder = put(tmp_path / "in", shape(), imageHeight=None, imageWidth=None)
    _, (line,) = collected(folder)
    assert line.startswith("a.json: need a height and a width")
    put_images(folder, Record("a.jpg", plain().instances))
    assert read(folder)[0].size == (12, 16)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (shape(points=[[1, 1], [5, 5]]), "shape 1: need at least 3 corners"),
        (shape(points=[[1, 1], [5, float("nan")], [2, 2]]), "shape 1: need finite"),
        (shape(points=[[1, 1], [5], [2, 2]]), "shape 1: "),
        (shape("point", [[1, 1]]), "shape 1: need a shape with an area .*, got a point"),
        (shape(label=""), "shape 1: need a label"),
        (shape("mask", [[9, 1], [4, 3]], mask="AAAA"), "shape 1: need a mask from its first to its last"),
        (shape("mask", [[1, 1], [4, 3]], mask="AAAA"), "shape 1: need a mask as PNG"),
        (shape("mask", [[1, 1], [4, 3]], mask="%%%"), "shape 1: need a mask as PNG"),
        (shape("mask", [[1, 1], [4, 3]]), "shape 1: need a mask of two points"),
    ],
)
def test_a_broken_shape_is_named_and_the_rest_goes_on(tmp_path, broken, message):
    found, lines = collected(put(tmp_path / "in", broken, shape()))
    assert [len(each.instances) for each in found] == [1]
    assert len(lines) == 1
    with pytest.raises(Exception, match=f"a.json, {message}"):
        read(tmp_path / "in")


def test_a_broken_file_is_named_and_the_rest_goes_on(tmp_path):
    folder = put(tmp_path / "in", shape())
    (folder / "b.json").write_text("{")
    (folder / "c.json").write_text("[]")
    put(folder, shape(), name="d.json", imagePath=7)
    put(folder, shape(), name="e.json", imagePath="..\\..\\etc\\photo.jpg")
    found, lines = collected(folder)
    assert [each.file_name for each in found] == [
        "a.jpg",
        "photo.jpg",
    ]  # never the folders of another machine
    assert [line.split(":")[0] for line in lines] == ["b.json", "c.json", "d.json"]


def test_null_in_place_of_shapes_is_an_image_without_any(tmp_path):
    data = {"shapes": None, "imagePath": "a.jpg", "imageData": None, "imageHeight": 12, "imageWidth": 16}
    (tmp_path / "a.json").write_text(json.dumps(data))
    (record,) = read_records(tmp_path)
    assert (record.file_name, len(record.instances), record.size) == ("a.jpg", 0, (12, 16))


def test_a_folder_without_files_is_told(tmp_path):
    with pytest.raises(InvalidValue, match="need labelme's JSON files"):
        read(tmp_path, "labelme")
