import json

import pytest

from maskweave.annotations.report import Report
from maskweave.errors import BadRecord, InvalidValue, SourceNotFound
from maskweave.evaluation.coco_ap import CocoAP, add_images
from maskweave.evaluation.coco_predictions import CocoPredictions
from maskweave.evaluation.coco_truth import CocoTruthFile

SIZE = [20, 30]


def square(x, y, side=8):
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def truth_data():
    return {
        "images": [{"id": 7, "file_name": "a/one.png", "height": 20, "width": 30},
                   {"id": 9, "file_name": "a/two.png", "height": 20, "width": 30}],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 17, "bbox": [2, 2, 8, 8], "segmentation": square(2, 2)},
            {"id": 2, "image_id": 9, "category_id": 18, "bbox": [5, 5, 8, 8], "segmentation": square(5, 5)},
        ],
    }  # fmt: skip


def results():
    return [
        {"image_id": 7, "category_id": 17, "score": 0.9, "segmentation": square(2, 2)},
        {"image_id": 9, "category_id": 18, "score": 0.8, "segmentation": square(5, 5)},
    ]


class Files:
    """The truth and results of a folder, and what was wrong with them."""

    def __init__(self, folder, truth, found, *, strict=False):
        self.problems = Report(strict=strict)
        for name, data in (("truth.json", truth), ("results.json", found)):
            (folder / name).write_text(json.dumps(data))
        self.truth = CocoTruthFile(folder / "truth.json", report=self.problems)
        self.found = CocoPredictions(folder / "results.json", self.truth)

    def read(self):
        return [self.found.of(truth) for truth in self.truth.truths()]


def test_a_list_names_images_and_categories_by_the_truths_ids(tmp_path):
    files = Files(tmp_path, truth_data(), results())
    first, second = files.read()
    assert (first.names, second.names) == (("cat",), ("dog",))
    assert first.boxes.tolist() == [[2, 2, 10, 10]]
    assert (files.problems.problems, files.found.masked) == (0, True)


def as_instances():
    """The results as a file with ids of its own: of images, of categories, of records."""
    return {
        "images": [{"id": 1, "file_name": "two.png", "height": 20, "width": 30},
                   {"id": 2, "file_name": "one.png", "height": 20, "width": 30}],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 2, "category_id": 2, "score": 0.9, "segmentation": square(2, 2)},
                        {"id": 2, "image_id": 1, "category_id": 1, "score": 0.8, "segmentation": square(5, 5)}],
    }  # fmt: skip


def test_an_instances_file_is_read_by_names(tmp_path):
    files = Files(tmp_path, truth_data(), as_instances())
    assert [each.names for each in files.read()] == [("cat",), ("dog",)]
    assert files.problems.problems == 0


def test_a_folder_of_files_that_each_begin_with_image_1(tmp_path):
    whole = as_instances()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clip.tracks.json").write_text("not for us")
    for number in range(2):
        one = {
            "images": [{**whole["images"][number], "id": 1}],
            "categories": whole["categories"],
            "annotations": [{**whole["annotations"][1 - number], "id": 1, "image_id": 1}],
        }
        (tmp_path / "out" / f"{number}.json").write_text(json.dumps(one))
    files = Files(tmp_path, truth_data(), [])
    found = CocoPredictions(tmp_path / "out", files.truth)
    assert [found.of(truth).names for truth in files.truth.truths()] == [("cat",), ("dog",)]
    assert files.problems.problems == 0
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFound, match="need a folder with JSON files"):
        CocoPredictions(tmp_path / "empty", files.truth)


def test_boxes_alone_are_enough_for_boxes(tmp_path):
    found = [{"image_id": 7, "category_id": 17, "score": 0.9, "bbox": [2, 2, 8, 8]}]
    files = Files(tmp_path, truth_data(), found)
    assert not files.found.masked
    metric = CocoAP(files.truth.class_names, masks=files.found.masked)
    add_images([metric], files.truth.truths(), files.found.of)
    assert metric.result().boxes_per_class["cat"].ap == pytest.approx(100)
    mixed = Files(tmp_path, truth_data(), [*results(), *found])
    mixed.read()
    assert "a/one.png: need a segmentation as other objects have it" in mixed.problems.messages[0]


def test_an_annotation_without_a_score_is_of_score_1(tmp_path):
    data = as_instances()
    del data["annotations"][0]["score"]
    files = Files(tmp_path, truth_data(), data)
    assert [each.scores.tolist() for each in files.read()] == [[1.0], [0.8]]
    assert files.problems.messages == []


WRONG_RESULTS = {
    "image 77: is not in the truth; its 2 results are left out": {"image_id": 77},
    "category 99: is not in the truth; its 2 results are left out": {"category_id": 99},
    "need a score in 0..1, got 3": {"score": 3},
    "need the key 'score'": {"score": ...},
    "need size [20, 30], got [9, 9]": {"segmentation": {"size": [9, 9], "counts": "Q2"}},
    "need x, y of at least 3 points": {"segmentation": [[1, 2, 3, 4]]},
    "need a segmentation with pixels inside the image, or a bbox": {"segmentation": []},
    "need a bbox of x, y, width, height": {"bbox": [1, 2, -3, 4]},
}


@pytest.mark.parametrize(("message", "change"), WRONG_RESULTS.items(), ids=WRONG_RESULTS)
def test_what_is_wrong_with_a_result_is_named_and_the_rest_goes_on(tmp_path, message, change):
    bad = {key: value for key, value in {**results()[0], **change}.items() if value is not ...}
    found = [*results(), bad, bad]
    files = Files(tmp_path, truth_data(), found)
    assert [each.names for each in files.read()] == [("cat",), ("dog",)]
    assert files.problems.messages[0].startswith("results.json, ")
    assert message in files.problems.messages[0]
    with pytest.raises(BadRecord, match=r"results\.json, "):
        Files(tmp_path, truth_data(), found, strict=True).read()


WRONG_FILES = {
    "annotation 2 again": ("annotation 2: its id is", lambda d: d["annotations"].append(d["annotations"][1])),
    "no such image": ("need an image of the truth, got x.png", lambda d: d["images"][0].update(file_name="x.png")),
    "size": ("(20, 30), got (9, 30)", lambda d: d["images"][0].update(height=9)),
    "missing": ("image a/two.png is missing; its objects count as not found", lambda d: d["images"].pop(0)),
    "class": ("class 'wolf' is not in the truth", lambda d: d["categories"][0].update({"name": "wolf"})),
}  # fmt: skip


@pytest.mark.parametrize(("message", "damage"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_what_is_wrong_with_an_instances_file_is_named(tmp_path, message, damage):
    data = as_instances()
    damage(data)
    files = Files(tmp_path, truth_data(), data)
    assert files.read()[0].names == ("cat",)
    assert any(message in told for told in files.problems.messages), files.problems.messages


WRONG_TRUTHS = {
    "image 9 ('a/two.png'): need an id of its own": lambda d: d["images"].append(d["images"][1]),
    "annotation 2: its id is another annotation's, too": lambda d: d["annotations"].append(
        d["annotations"][1]
    ),
    "image 5: 1 annotations are of no image of the file": lambda d: d["annotations"].append(
        {"id": 3, "image_id": 5, "category_id": 17, "bbox": [0, 0, 1, 1]}
    ),
    "annotation 3: need a category of the file, got 1": lambda d: d["annotations"].append(
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}
    ),
    "annotation 3: rle 0: need size [20, 30]": lambda d: d["annotations"].append(
        {"id": 3, "image_id": 7, "category_id": 17, "segmentation": {"size": [9, 9], "counts": "Q2"}}
    ),
    "category 17: need an id of its own, 'cat' has it as well": lambda d: d["categories"].append(
        {"id": 17, "name": "wolf"}
    ),
    "image 11 (None): need a file name, got None": lambda d: d["images"].append({"id": 11}),
}


@pytest.mark.parametrize(("message", "damage"), WRONG_TRUTHS.items(), ids=WRONG_TRUTHS)
def test_what_is_wrong_with_the_truth_is_named(tmp_path, message, damage):
    data = truth_data()
    damage(data)
    files = Files(tmp_path, data, results())
    assert [len(each.instances) for each in files.truth.truths()] == [1, 1]
    assert len(files.problems.messages) == 1
    assert message in files.problems.messages[0]
    with pytest.raises(BadRecord, match=r"truth\.json"):
        list(Files(tmp_path, data, results(), strict=True).truth.truths())


def test_files_that_hold_no_results_are_refused(tmp_path):
    with pytest.raises(InvalidValue, match="need"):
        Files(tmp_path, truth_data(), {"annotations": []})
