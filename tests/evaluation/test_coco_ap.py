import contextlib
import dataclasses
import io
import json
import sys

import numpy as np
import pytest

from maskweave.annotations.report import Report
from maskweave.annotations.segmentation import segmentation_to_masks
from maskweave.errors import BadRecord, InvalidValue, MissingDependency, SourceNotFound
from maskweave.evaluation.coco_ap import CocoAP, add_images
from maskweave.evaluation.coco_predictions import CocoPredictions
from maskweave.evaluation.coco_truth import CocoTruth, CocoTruthFile, read_coco_truth
from maskweave.ops.rle import encode_masks
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from tests.evaluation.random_truth import numbers_of_pycocotools, random_data

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


def truth(*rows, labeled=None, crowd=None):
    instances = squares(*[(*row, 1.0) for row in rows])
    crowd = np.zeros(len(rows), dtype=bool) if crowd is None else np.array(crowd)
    return CocoTruth(instances, crowd, None if labeled is None else frozenset(labeled), "a.png")


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


def test_what_is_found_of_a_class_that_is_not_labeled_costs_nothing():
    known = truth((10, 10, 20, 0))
    extra = squares((50, 30, 20, 0, 0.95), (10, 10, 20, 0, 0.9))
    unlabeled = truth(labeled=["dog"])
    other = squares((5, 5, 20, 0, 0.99))
    assert score((known, extra)).masks.ap50 == pytest.approx(50)
    with_unlabeled = score((known, extra), (unlabeled, other))
    assert with_unlabeled.masks.ap50 == pytest.approx(50)
    assert score((known, extra), (truth(), other)).masks.ap50 < 45


def test_objects_of_a_class_that_is_not_labeled_do_not_count():
    scores = score((truth((10, 10, 20, 0), (40, 10, 10, 1), labeled=["cat"]), squares((10, 10, 20, 0, 0.9))))
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
    with pytest.raises(MissingDependency, match=r"pip install 'maskweave\[evaluate\]'"):
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
    assert first.labeled == {"cat"}
    assert (second.labeled, second.instances.names, second.file_name) == (None, ("dog",), "b.png")
    assert (second.box_only.tolist(), second.instances.masks.areas.tolist()) == ([True], [25])
    assert len(read_coco_truth(path, NAMES, sources=["x"])) == 1
    with pytest.raises(InvalidValue, match="at least one image"):
        read_coco_truth(path, NAMES, sources=["y"])


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, SourceNotFound, "no such annotation file"),
        ("{", InvalidValue, "need JSON; a value where the end is"),
        ("[]", InvalidValue, "need a list of results with image_id, got none"),
        (
            '{"images": []}',
            InvalidValue,
            "need the COCO lists images, annotations, categories with at least one image",
        ),
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
    with pytest.raises(BadRecord, match="need x, y of at least 3 points, got 4 numbers"):
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


@pytest.mark.reference
def test_polygons_of_the_truth_give_the_numbers_of_pycocotools(tmp_path):
    """The truth is filled as cocoapi fills it; the results are run lengths of the same polygons, moved a little."""
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(1)
    angles = np.arange(24) * np.pi / 12
    images, known, found = [], [], []
    for image_id in range(1, 9):
        images.append({"id": image_id, "file_name": f"{image_id}.jpg", "width": 320, "height": 240})
        for _ in range(6):
            x, y, radius = rng.uniform(25, 295), rng.uniform(25, 215), rng.uniform(5, 20)
            ring = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1).round(2)
            rle = coco_mask.merge(coco_mask.frPyObjects([ring.ravel().tolist()], 240, 320))
            known.append(
                {"id": len(known) + 1, "image_id": image_id, "category_id": 1, "iscrowd": 0,
                 "segmentation": [ring.ravel().tolist()], "bbox": coco_mask.toBbox(rle).tolist(),
                 "area": float(coco_mask.area(rle))}
            )  # fmt: skip
            moved = (ring + rng.normal(0, 1.5, ring.shape)).ravel().tolist()
            rle = coco_mask.merge(coco_mask.frPyObjects([moved], 240, 320))
            found.append(
                {"image_id": image_id, "category_id": 1, "score": float(rng.uniform(0.5, 1)),
                 "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()}}
            )  # fmt: skip
    truth_file, results = tmp_path / "truth.json", tmp_path / "results.json"
    data = {"images": images, "annotations": known, "categories": [{"id": 1, "name": "a"}]}
    truth_file.write_text(json.dumps(data))
    results.write_text(json.dumps(found))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth_file))
        run = COCOeval(coco, coco.loadRes(str(results)), "segm")
        run.evaluate()
        run.accumulate()
        run.summarize()
    truth_of_file = CocoTruthFile(truth_file)
    metric = CocoAP(truth_of_file.class_names)
    add_images([metric], truth_of_file.truths(), CocoPredictions(results, truth_of_file).of)
    masks = metric.result().masks
    ours = (masks.ap, masks.ap50, masks.ap75, masks.ap_small, masks.ap_medium)
    assert ours == pytest.approx([100 * each for each in run.stats[:5]], abs=1e-6)


def _ellipse(rng, height=240, width=320):
    """A ring of 20 corners, as COCO writes it."""
    x, y = rng.uniform(20, width - 20), rng.uniform(20, height - 20)
    radii, angles = rng.uniform(4, 60, 2), np.arange(20) * np.pi / 10
    ring = np.stack([x + radii[0] * np.cos(angles), y + radii[1] * np.sin(angles)], axis=1)
    return ring.clip(0, (width, height)).round(2).ravel().tolist()


def _run_lengths(mask):
    """Uncompressed run lengths, column by column, background first."""
    flat = mask.ravel(order="F")
    borders = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *borders, len(flat)]).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def _truth_of_every_kind(rng, coco_mask):
    """Annotations of one ring, of two, of run lengths with a hole, and of a crowd, with areas of their own."""
    known = []
    for image_id in range(1, 7):
        for kind in ("ring", "rings", "hole", "crowd", "ring"):
            rings = [_ellipse(rng) for _ in range(1 + (kind != "ring"))]
            rles = coco_mask.frPyObjects(rings, 240, 320)
            segmentation = rings
            if kind in ("hole", "crowd"):
                outer, inner = (coco_mask.decode(each).astype(bool) for each in rles)
                segmentation = _run_lengths(outer & ~inner if kind == "hole" else outer | inner)
                if len(segmentation["counts"]) == 1:
                    continue
            box = coco_mask.toBbox(coco_mask.merge(rles)).tolist()
            area = float(coco_mask.area(coco_mask.merge(rles))) * rng.uniform(0.5, 1.5)
            known.append(
                {"id": len(known) + 1, "image_id": image_id, "category_id": int(rng.integers(1, 3)),
                 "segmentation": segmentation, "iscrowd": int(kind == "crowd"), "bbox": box, "area": area}
            )  # fmt: skip
    return known


def _results_near(known, rng, coco_mask):
    """What is nearly right, what is not at all, and more in the first image than count."""
    found = []
    for each in known:
        rles = coco_mask.frPyObjects(each["segmentation"], 240, 320)
        mask = coco_mask.decode(coco_mask.merge(rles) if isinstance(rles, list) else rles)
        moved = np.roll(mask, rng.integers(-4, 5, 2), axis=(0, 1))
        found.append((each["image_id"], each["category_id"], moved))
    for _ in range(130):
        mask = np.zeros((240, 320), np.uint8)
        x, y = rng.integers(0, 280), rng.integers(0, 200)
        mask[y : y + 30, x : x + 30] = 1
        found.append((1, 1, mask))
    results = []
    for image_id, category_id, mask in found:
        rle = coco_mask.encode(np.asfortranarray(mask))
        segmentation = {"size": rle["size"], "counts": rle["counts"].decode()}
        score = float(rng.uniform(0.1, 1))
        results.append(
            {"image_id": image_id, "category_id": category_id, "segmentation": segmentation, "score": score}
        )
    return results


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(3))
def test_files_of_every_kind_give_all_twelve_numbers_of_pycocotools(tmp_path, seed):
    coco_mask = pytest.importorskip("pycocotools.mask")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(seed)
    known = _truth_of_every_kind(rng, coco_mask)
    data = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 320, "height": 240} for n in range(1, 7)],
        "annotations": known,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }
    truth_file, results = tmp_path / "truth.json", tmp_path / "results.json"
    truth_file.write_text(json.dumps(data))
    results.write_text(json.dumps(_results_near(known, rng, coco_mask)))
    truth_of_file = CocoTruthFile(truth_file)
    metric = CocoAP(truth_of_file.class_names)
    add_images([metric], truth_of_file.truths(), CocoPredictions(results, truth_of_file).of)
    scores = metric.result()
    found = json.loads(results.read_text())
    boxed = [{**each, "bbox": coco_mask.toBbox(each["segmentation"]).tolist()} for each in found]
    for kind, ours, given in (("segm", scores.masks, found), ("bbox", scores.boxes, boxed)):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(truth_file))
            run = COCOeval(coco, coco.loadRes(given), kind)
            run.evaluate()
            run.accumulate()
            run.summarize()
        expected = [100 * value if value >= 0 else np.nan for value in run.stats]
        assert dataclasses.astuple(ours) == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(12))
def test_random_data_gives_all_twelve_numbers_of_pycocotools(tmp_path, seed):
    pytest.importorskip("pycocotools")
    data, found = random_data(seed)
    limit = (100, 20, 300)[seed % 3]
    truth_file, results = tmp_path / "truth.json", tmp_path / "results.json"
    truth_file.write_text(json.dumps(data))
    results.write_text(json.dumps(found))
    truth_of_file = CocoTruthFile(truth_file, report=Report())
    metric = CocoAP(truth_of_file.class_names, max_objects=limit)
    add_images([metric], truth_of_file.truths(), CocoPredictions(results, truth_of_file).of)
    scores = metric.result()
    for kind, ours in (("segm", scores.masks), ("bbox", scores.boxes)):
        expected = numbers_of_pycocotools(data, found, kind, limit)
        assert dataclasses.astuple(ours) == pytest.approx(expected, abs=1e-6, nan_ok=True)
