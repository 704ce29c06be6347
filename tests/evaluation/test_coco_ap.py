import contextlib
import dataclasses
import io
import json
import sys

import numpy as np
import pytest

from maskweave.errors import InvalidValue, MissingDependency, SourceNotFound
from maskweave.evaluation.coco_ap import CocoAP, add_images
from maskweave.evaluation.coco_truth import CocoTruth, read_coco_truth, segmentation_to_masks
from maskweave.ops.rle import encode_masks
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

pytest.importorskip("faster_coco_eval", reason="AP needs the extra: pip install maskweave[evaluate]")

NAMES = ("cat", "dog")
SIZE = (60, 80)


def squares(*rows):
    """Instances of square masks from (x, y, side, class, score)."""
    dense = np.zeros((len(rows), *SIZE), dtype=bool)
    for plane, (x, y, side, _, _) in zip(dense, rows, strict=True):
        plane[y : y + side, x : x + side] = True
    masks = Masks.from_dense(dense)
    return Instances(
        masks=masks,
        boxes=masks.boxes,
        scores=np.array([row[4] for row in rows], dtype=float),
        class_ids=np.array([row[3] for row in rows], dtype=np.int64),
        class_names=NAMES,
    )


def truth(*rows, labelled=None, crowd=None):
    instances = squares(*[(*row, 1.0) for row in rows])
    crowd = np.zeros(len(rows), dtype=bool) if crowd is None else np.array(crowd)
    return CocoTruth(instances, crowd, None if labelled is None else frozenset(labelled), "a.png")


def score(*pairs):
    metric = CocoAP(NAMES)
    for known, predicted in pairs:
        metric.add(known, predicted)
    return metric.result()


def test_the_truth_itself_scores_100():
    scores = score((truth((5, 5, 20, 0), (40, 10, 30, 1)), squares((5, 5, 20, 0, 0.9), (40, 10, 30, 1, 0.8))))
    assert scores.masks.ap == pytest.approx(100)
    assert scores.boxes.ap == pytest.approx(100)
    assert scores.objects == {"cat": 1, "dog": 1}
    assert scores.images == 1


def test_a_shift_costs_at_the_strict_thresholds_first():
    scores = score((truth((10, 10, 20, 0)), squares((14, 10, 20, 0, 0.9))))  # IoU 320 / 480 = 0.667
    assert scores.masks.ap50 == pytest.approx(100)
    assert scores.masks.ap75 == 0
    assert scores.masks.ap == pytest.approx(40)  # passes 0.50, 0.55, 0.60, 0.65 of ten


def test_a_class_without_objects_is_unknown_and_left_out_of_the_mean():
    scores = score((truth((10, 10, 20, 0)), squares((10, 10, 20, 0, 0.9), (40, 10, 10, 1, 0.9))))
    assert np.isnan(scores.masks_per_class["dog"].ap50)
    assert scores.masks.ap50 == pytest.approx(100)


def test_what_is_found_of_a_class_that_is_not_labelled_costs_nothing():
    known = truth((10, 10, 20, 0))
    extra = squares((50, 30, 20, 0, 0.95), (10, 10, 20, 0, 0.9))
    unlabelled = truth(labelled=["dog"])
    other = squares((5, 5, 20, 0, 0.99))
    assert score((known, extra)).masks.ap50 == pytest.approx(50)
    with_unlabelled = score((known, extra), (unlabelled, other))
    assert with_unlabelled.masks.ap50 == pytest.approx(50)
    assert score((known, extra), (truth(), other)).masks.ap50 < 45


def test_objects_of_a_class_that_is_not_labelled_do_not_count():
    scores = score((truth((10, 10, 20, 0), (40, 10, 10, 1), labelled=["cat"]), squares((10, 10, 20, 0, 0.9))))
    assert scores.objects == {"cat": 1, "dog": 0}
    assert scores.masks.ap50 == pytest.approx(100)


def test_finding_something_in_a_crowd_costs_nothing():
    known = truth((10, 10, 20, 0), (40, 10, 40, 0), crowd=[False, True])
    assert score((known, squares((45, 15, 10, 0, 0.95), (10, 10, 20, 0, 0.9)))).masks.ap50 == pytest.approx(
        100
    )


def test_no_predictions_score_zero_and_no_images_are_an_error():
    assert score((truth((10, 10, 20, 0)), squares())).masks.ap50 == 0
    with pytest.raises(InvalidValue, match="at least one image"):
        CocoAP(NAMES).result()


def test_other_classes_or_sizes_are_refused():
    metric = CocoAP(("cat",))
    with pytest.raises(InvalidValue, match=r"truth: need classes \('cat',\)"):
        metric.add(truth(), squares())
    with pytest.raises(InvalidValue, match=r"need results of \(height, width\) \(60, 80\)"):
        CocoAP(NAMES).add(truth(), Instances.empty((9, 9), NAMES))


def test_a_missing_library_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(MissingDependency, match=r"pip install maskweave\[evaluate\]"):
        CocoAP(NAMES)


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_numbers_agree_with_pycocotools():
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(3)
    pairs = [_random_pair(rng) for _ in range(12)]
    ours = score(*pairs)
    known, found = as_files(pairs)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = coco.COCO()
        reference.dataset = known
        reference.createIndex()
        for kind, mine in (("segm", ours.masks), ("bbox", ours.boxes)):
            # given a box, the tool takes its area for the size of the mask too
            results = [{k: v for k, v in each.items() if kind == "bbox" or k != "bbox"} for each in found]
            scorer = COCOeval(reference, reference.loadRes(results), kind)
            scorer.evaluate()
            scorer.accumulate()
            scorer.summarize()
            expected = [value * 100 if value >= 0 else np.nan for value in scorer.stats]
            assert dataclasses.astuple(mine) == pytest.approx(expected, abs=1e-6, nan_ok=True)
            precision = scorer.eval["precision"][:, :, :, 0, 2]
            curves = ours.mask_curves if kind == "segm" else ours.box_curves
            np.testing.assert_allclose(curves, precision.mean(axis=2), atol=1e-9)


def as_files(pairs):
    """The pairs as a COCO instances file and a result list."""
    known = {
        "images": [
            {"id": i, "height": SIZE[0], "width": SIZE[1], "file_name": f"{i}.png"} for i in range(len(pairs))
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [],
    }
    found = []
    for image, (target, predicted) in enumerate(pairs):
        for rows, instances in ((known["annotations"], target.instances), (found, predicted)):
            for row, rle in enumerate(encode_masks(instances.masks)):
                x1, y1, x2, y2 = instances.boxes[row].tolist()
                rows.append(
                    {
                        "id": len(rows) + 1, "image_id": image, "category_id": int(instances.class_ids[row]) + 1,
                        "segmentation": rle, "area": float(instances.masks.areas[row]),
                        "iscrowd": int(rows is not found and target.crowd[row]),
                        "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(instances.scores[row]),
                    }
                )  # fmt: skip
    return known, found


def _random_pair(rng):
    known = [
        (
            int(rng.integers(0, 40)),
            int(rng.integers(0, 25)),
            int(rng.integers(8, 45)),
            int(rng.integers(0, 2)),
        )
        for _ in range(3)
    ]
    moved = [
        (
            max(0, x + int(rng.integers(-4, 5))),
            max(0, y + int(rng.integers(-4, 5))),
            side,
            class_id,
            float(rng.random()),
        )
        for x, y, side, class_id in known
    ]
    moved.append((int(rng.integers(0, 40)), 5, 20, 0, float(rng.random())))
    return truth(*known, crowd=rng.random(len(known)) < 0.1), squares(*moved)


def test_truth_is_read_from_a_file(tmp_path):
    content = {
        "images": [
            {"id": 4, "file_name": "a.png", "height": 60, "width": 80, "labelled_categories": [17], "source": "x"},
            {"id": 5, "file_name": "b.png", "height": 60, "width": 80},
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}, {"id": 100, "name": "other object"}],
        "annotations": [
            {"id": 1, "image_id": 4, "category_id": 17, "bbox": [10, 10, 20, 20], "iscrowd": 1,
             "segmentation": [[10, 10, 30, 10, 30, 30, 10, 30]]},
            {"id": 2, "image_id": 4, "category_id": 100, "bbox": [0, 0, 5, 5], "segmentation": [[0, 0, 5, 0, 5, 5]]},
            {"id": 3, "image_id": 5, "category_id": 18, "bbox": [0, 0, 5, 5], "segmentation": None},
        ],
    }  # fmt: skip
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    first, second = read_coco_truth(path, NAMES)
    assert first.instances.masks.areas.tolist() == [400]
    assert first.instances.boxes.tolist() == [[10, 10, 30, 30]]
    assert first.crowd.tolist() == [True]
    assert first.labelled == {"cat"}
    assert (second.labelled, second.instances.names, second.file_name) == (None, ("dog",), "b.png")
    assert (second.box_only.tolist(), second.instances.masks.areas.tolist()) == ([True], [25])
    assert len(read_coco_truth(path, NAMES, sources=["x"])) == 1
    with pytest.raises(InvalidValue, match="at least one image"):
        read_coco_truth(path, NAMES, sources=["y"])


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, SourceNotFound, "no such annotation file"),
        ("{", InvalidValue, "got no JSON"),
        ("[]", InvalidValue, "missing images, annotations, categories"),
        ('{"images": []}', InvalidValue, "missing annotations, categories"),
    ],
)
def test_files_that_hold_no_truth_are_refused(tmp_path, text, error, message):
    path = tmp_path / "instances.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=message):
        read_coco_truth(path, NAMES)


def test_polygons_lose_what_lies_outside_and_bad_ones_are_named():
    masks = segmentation_to_masks([[70, 50, 100, 50, 100, 90, 70, 90], [0, 0, 4, 0, 4, 4, 0, 4]], SIZE)
    assert masks.areas.tolist() == [10 * 10 + 16]
    with pytest.raises(InvalidValue, match="need x, y of at least 3 points, got 4 numbers"):
        segmentation_to_masks([[1, 2, 3, 4]], SIZE)


def test_images_are_added_one_by_one():
    seen, metric = [], CocoAP(NAMES)
    add_images(
        [metric],
        [truth((10, 10, 20, 0)), truth((10, 10, 20, 0))],
        lambda known: squares((10, 10, 20, 0, 0.9)),
        progress=seen.append,
    )
    assert metric.result().masks.ap50 == pytest.approx(100)
    assert seen == [1, 2]


def test_an_object_known_by_its_box_alone_counts_for_boxes_and_costs_no_mask_anything():
    known = truth((10, 10, 20, 0), (50, 30, 20, 0))
    known = dataclasses.replace(known, box_only=np.array([False, True]))
    scores = score((known, squares((10, 10, 20, 0, 0.5), (50, 30, 20, 0, 0.9))))
    assert (scores.masks.ap, scores.boxes.ap) == pytest.approx((100, 100))
    missed = score((known, squares((10, 10, 20, 0, 0.5))))
    assert missed.masks.ap == pytest.approx(100)
    assert missed.boxes.ap50 == pytest.approx(51 / 101 * 100)  # recalls 0.00 … 0.50 of the 101
    alone = dataclasses.replace(truth((10, 10, 20, 0)), box_only=np.array([True]))
    assert np.isnan(score((alone, squares((10, 10, 20, 0, 0.5)))).masks.ap)


def test_boxes_alone():
    metric = CocoAP(NAMES, masks=False)
    metric.add(truth((10, 10, 20, 0)), squares((10, 10, 20, 0, 0.9)))
    assert np.isnan(metric.result().masks.ap)
    assert metric.result().boxes.ap == pytest.approx(100)
