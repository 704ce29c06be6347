import json

import pytest

from maskweave.annotations.record import Record
from maskweave.errors import InvalidValue
from tests.annotations.scenes import (
    CATEGORIES,
    collected,
    objects,
    plain,
    read,
    rectangle,
    same_objects,
    write,
)


def scored(name="a.png", score=0.4, **more):
    return Record(
        name, objects([rectangle(1, 1, 6, 8), rectangle(8, 2, 15, 11)], scores=[score, 0.9]), **more
    )


@pytest.fixture
def truth(tmp_path):
    """Images a.png and b.png with COCO's gaps in their ids, and a category that COCO does not have."""
    path = tmp_path / "truth.json"
    write(path, "coco", [plain("a.png", names=("person", "unicorn"), class_ids=[0, 1]), plain("b.png")])
    data = json.loads(path.read_text())
    data["images"][0]["id"], data["images"][1]["id"] = 700, 30
    data["annotations"] = []
    data["categories"] = [{"id": 5, "name": "car"}, {"id": 77, "name": "person"}]
    path.write_text(json.dumps(data))
    return path


def test_results_get_the_names_of_the_truth(tmp_path, truth):
    path = tmp_path / "found.json"
    write(path, "coco-results", [scored("b.png")], truth=truth)
    results = json.loads(path.read_text())
    assert [(each["image_id"], each["category_id"], each["score"]) for each in results] == [
        (30, 77, 0.4),
        (30, 5, 0.9),
    ]
    first, second = read(path, truth=truth)
    assert (first.file_name, len(first.instances)) == ("a.png", 0)
    assert same_objects(second, scored("b.png"))
    assert second.instances.scores.tolist() == [0.4, 0.9]


def test_without_the_truth_coco_names_the_classes(tmp_path):
    path = tmp_path / "found.json"
    write(path, "coco-results", [scored(), scored(categories=CATEGORIES)])
    assert [each["category_id"] for each in json.loads(path.read_text())] == [1, 3, 1, 3]
    (first, _) = read(path)
    assert (first.file_name, first.instances.names) == ("1.jpg", ("person", "car"))


def test_what_the_truth_does_not_know_is_named(tmp_path, truth):
    path = tmp_path / "found.json"
    with pytest.raises(Exception, match=r"c\.png: need an image of .*truth\.json"):
        write(path, "coco-results", [scored("c.png")], truth=truth)
    path.write_text('[{"image_id": 1, "category_id": 5, "score": 0.5, "bbox": [1, 1, 2, 2]}]')
    found, lines = collected(path, truth=truth)
    assert (len(found), lines) == (
        2,
        ["found.json, image 1: is not in the truth; it is left out"],
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "result 1: need an object with image_id and category_id, got 3"),
        (
            {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]},
            "image 1: need run lengths",
        ),
        ({"image_id": "1"}, "result 1: need a number or a text as category_id, got None"),
    ],
)
def test_a_broken_result_is_named_and_the_rest_goes_on(tmp_path, entry, message):
    path = tmp_path / "found.json"
    write(path, "coco-results", [plain("x.png"), scored()])
    rest = [each for each in json.loads(path.read_text()) if each["image_id"] == 2]
    path.write_text(json.dumps([entry, *rest]))
    (record,), (line,) = collected(path, "coco-results")
    assert len(record.instances) == 2
    assert f"found.json, {message}" in line


def test_an_empty_list_is_told(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(InvalidValue, match="need a list of results"):
        read(tmp_path / "a.json", "coco-results")
