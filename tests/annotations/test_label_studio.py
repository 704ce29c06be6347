"""Label Studio's tasks, as it exports them."""

import json

import numpy as np
import pytest
from PIL import Image

from maskweave.annotations.record import Record
from maskweave.ops.brush_rle import encode_brush
from tests.annotations.scenes import collected, objects, read, rectangle, write

SIZE = {"original_width": 20, "original_height": 10}


def task(*results, image="/data/upload/3/1a2b3c4d-photo.jpg", key="annotations", **more):
    return {"id": 5, "data": {"image": image}, key: [{"id": 1, "result": list(results), **more}]}


def region(kind, value, key="a", **more):
    return {"id": key, "type": kind, "from_name": "label", "to_name": "image", "value": value, **SIZE, **more}


def stored(folder, *tasks):
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return path


BOX = {"x": 10, "y": 20, "width": 50, "height": 40, "rotation": 0, "rectanglelabels": ["car"]}


@pytest.mark.parametrize(
    ("kind", "value", "area"),
    [
        ("rectanglelabels", BOX, 40),
        ("polygonlabels", {"points": [[10, 20], [60, 20], [60, 60], [10, 60]], "polygonlabels": ["car"]}, 40),
        (
            "brushlabels",
            {"format": "rle", "rle": encode_brush(np.ones((10, 20), bool)), "brushlabels": ["car"]},
            200,
        ),
        ("ellipselabels", {"x": 50, "y": 50, "radiusX": 20, "radiusY": 40, "ellipselabels": ["car"]}, 50),
        ("rectanglelabels", {**BOX, "x": 60, "y": 10, "rotation": 90}, 36),
    ],
)
def test_every_kind_of_region_is_read(kind, value, area, tmp_path):
    (record,) = read(stored(tmp_path, task(region(kind, value))))
    assert record.instances.names == ("car",)
    assert abs(int(record.instances.masks.areas[0]) - area) <= 3
    assert record.size == (10, 20)


def test_a_label_of_its_own_belongs_to_the_region_of_its_id(tmp_path):
    plain = {key: value for key, value in BOX.items() if key != "rectanglelabels"}
    results = [region("rectangle", plain), region("labels", {**plain, "labels": ["bus"]})]
    (record,) = read(stored(tmp_path, task(*results)))
    assert record.instances.names == ("bus",)


def test_the_newest_annotation_that_was_not_cancelled_counts(tmp_path):
    given = task(region("rectanglelabels", BOX))
    given["annotations"].append({"result": [], "was_cancelled": True})
    (record,) = read(stored(tmp_path, given))
    assert len(record.instances) == 1


def test_predictions_are_read_with_their_scores_where_nobody_annotated(tmp_path):
    given = task(region("rectanglelabels", BOX, score=0.75), key="predictions")
    (record,) = read(stored(tmp_path, {**given, "annotations": []}))
    assert (record.scored, record.instances.scores.tolist()) == (True, [0.75])


def test_an_uploaded_image_is_found_under_the_name_that_it_had(tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "photo.jpg")
    (record,) = read(stored(tmp_path, task()))
    assert (record.file_name, record.size) == ("photo.jpg", (10, 20))


def test_a_damaged_region_costs_itself_alone(tmp_path):
    good, bad = region("rectanglelabels", BOX), region("polygonlabels", {"points": "x"}, key="b")
    (record,), problems = collected(stored(tmp_path, task(good, bad)))
    assert len(record.instances) == 1
    assert problems == [
        "1a2b3c4d-photo.jpg, result 2: damaged (ValueError: could not convert string to float: 'x')"
    ]


@pytest.mark.parametrize("image", ["/data/upload/../../x.jpg?d=../../a.jpg", "s3://bucket/", 7])
def test_an_address_that_leads_out_or_nowhere_is_a_problem(image, tmp_path):
    found, problems = collected(stored(tmp_path, task(region("rectanglelabels", BOX), image=image)))
    assert (found, len(problems)) == ([], 1)


def test_polygons_are_written_where_they_are_asked_for(tmp_path):
    ring = rectangle(1, 1, 9, 9) & ~rectangle(3, 3, 6, 6)
    record = Record("a b.png", objects(np.stack([rectangle(10, 1, 14, 9), ring])))
    write(tmp_path / "out.json", "label-studio", [record], masks="polygons")
    (written,) = json.loads((tmp_path / "out.json").read_text())
    assert [each["type"] for each in written["annotations"][0]["result"]] == ["polygonlabels", "brushlabels"]


def test_an_image_is_addressed_in_its_folder_as_local_storage_wants_it(tmp_path):
    record = Record("a b.png", objects(rectangle(1, 1, 9, 9)[None]), image=tmp_path / "my photos" / "a b.png")
    write(tmp_path / "out.json", "label-studio", [record])
    (written,) = json.loads((tmp_path / "out.json").read_text())
    assert written["data"]["image"] == "/data/local-files/?d=my%20photos/a%20b.png"
    assert [each.file_name for each in read(tmp_path / "out.json", "label-studio")] == ["a b.png"]


def test_an_image_of_local_storage_is_found_in_its_folder(tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "photo.jpg")
    (record,) = read(stored(tmp_path, task(image="/data/local-files/?d=photos/photo.jpg")))
    assert (record.file_name, record.size) == ("photo.jpg", (10, 20))
