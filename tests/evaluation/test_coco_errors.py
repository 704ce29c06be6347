import dataclasses

import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.evaluation.coco_ap import CocoAP
from maskweave.evaluation.coco_errors import ERRORS, CocoErrors
from tests.evaluation.test_coco_ap import NAMES, squares, truth


def costs(*pairs, **options):
    metric = CocoErrors(NAMES, **options)
    for known, predicted in pairs:
        metric.add(known, predicted)
    return metric.result()


def only(kind, scores):
    """The cost of ``kind``, when nothing else costs anything."""
    assert {name for name, count in scores.counts.items() if count} == {kind}
    assert all(cost == 0 for name, cost in scores.costs.items() if name != kind)
    return scores.costs[kind]


TWO = truth((5, 5, 20, 0), (50, 5, 20, 0))
RIGHT = (5, 5, 20, 0, 0.5)
HALF = 51 / 101 * 100  # AP of one object found out of two: recalls 0.00 … 0.50


def test_nothing_wrong():
    scores = costs((TWO, squares(RIGHT, (50, 5, 20, 0, 0.4))))
    for each in (scores.masks, scores.boxes):
        assert each.ap50 == pytest.approx(100)
        assert not any(each.counts.values())


@pytest.mark.parametrize("which", ["masks", "boxes"])
def test_each_kind_by_hand(which):
    def of(known, *found):
        return getattr(costs((known, squares(*found))), which)

    missed = of(TWO, RIGHT)
    assert missed.ap50 == pytest.approx(HALF)
    assert only("missed", missed) == pytest.approx(100 - HALF)
    assert missed.false_negatives == pytest.approx(100 - HALF)

    near = of(TWO, RIGHT, (60, 5, 20, 0, 0.4))  # IoU 1/3
    assert only("localization", near) == pytest.approx(100 - HALF)

    other = of(TWO, RIGHT, (50, 5, 20, 1, 0.4))
    assert only("class", other) == pytest.approx(100 - HALF)

    double = of(truth((5, 5, 20, 0), (50, 5, 20, 1)), RIGHT, (6, 5, 20, 0, 0.4), (50, 5, 20, 1, 0.4))
    assert double.counts["duplicate"] == 1
    assert only("duplicate", double) == 0  # below the last object found, it costs nothing

    nothing = of(truth((5, 5, 20, 0)), RIGHT, (50, 30, 20, 0, 0.9))
    assert nothing.ap50 == pytest.approx(50)
    assert only("background", nothing) == pytest.approx(50)
    assert nothing.false_positives == pytest.approx(50)

    both = of(truth((5, 5, 20, 0), (50, 5, 20, 1)), RIGHT, (50, 5, 20, 1, 0.5), (60, 5, 20, 0, 0.9))
    assert only("both", both) == pytest.approx(25)  # half of class 0's precision, mean over two classes


def test_only_the_best_of_several_near_misses_would_have_found_the_object():
    scores = costs((truth((50, 5, 20, 0)), squares((60, 5, 20, 0, 0.9), (61, 5, 20, 0, 0.8)))).masks
    assert scores.counts["localization"] == 2
    assert scores.costs["localization"] == pytest.approx(100)


def test_masks_and_boxes_differ():
    known, found = truth((5, 5, 20, 0)), squares((5, 5, 20, 0, 0.9))
    ragged = found.masks.dense()
    ragged[:, 5:25:2] = False
    ragged[:, 10] = False
    thin = found.replace(masks=type(found.masks).from_dense(ragged))
    scores = costs((known, thin))
    assert scores.boxes.ap50 == pytest.approx(100)
    assert only("localization", scores.masks) == pytest.approx(100)
    assert costs((known, thin), masks=False).masks is None


def test_what_is_not_labeled_and_crowds_cost_nothing():
    right = (TWO, squares(RIGHT, (50, 5, 20, 0, 0.4)))
    elsewhere = truth((40, 10, 10, 0), labeled=["dog"]), squares((5, 5, 20, 0, 0.99), (40, 10, 10, 0, 0.9))
    crowd = truth((40, 10, 40, 0), crowd=[True]), squares((45, 15, 10, 0, 0.95))
    boxed = dataclasses.replace(truth((40, 10, 30, 0)), box_only=np.array([True]))
    masks = costs(right, elsewhere, crowd, (boxed, squares((45, 15, 10, 0, 0.95)))).masks
    assert masks.ap50 == pytest.approx(100)
    assert not any(masks.counts.values())


def test_no_images_and_no_objects():
    with pytest.raises(InvalidValue, match="at least one image"):
        CocoErrors(NAMES).result()
    empty = costs((truth(), squares((5, 5, 20, 0, 0.9)))).masks
    assert np.isnan(empty.ap50)
    assert empty.counts["background"] == 1


def drawn(rng):
    """An image's objects and predictions: two near each object, some of the wrong class, some on nothing."""
    known = [
        (
            int(rng.integers(0, 40)),
            int(rng.integers(0, 25)),
            int(rng.integers(8, 35)),
            int(rng.integers(0, 2)),
        )
        for _ in range(int(rng.integers(0, 4)))
    ]
    found = [
        (
            max(0, x + int(rng.integers(-9, 10))),
            max(0, y + int(rng.integers(-9, 10))),
            side,
            class_id if rng.random() < 0.7 else 1 - class_id,
            float(rng.random()),
        )
        for x, y, side, class_id in known
        for _ in range(2)
    ]
    if rng.random() < 0.8:
        found.append((int(rng.integers(0, 40)), 5, 20, 0, float(rng.random())))
    return truth(*known), squares(*found)


@pytest.mark.reference
def test_the_numbers_are_those_of_the_papers_program():
    """tidecv 1.0.1 (MIT) on these 25 images; masks and boxes are the same squares."""
    rng = np.random.default_rng(5)
    pairs = [drawn(rng) for _ in range(25)]
    for each in vars(costs(*pairs)).values():
        assert each.ap50 == pytest.approx(15.690728, abs=1e-5)
        expected = {"class": (5.1791, 9), "localization": (41.6011, 43), "both": (5.4171, 15),
                    "duplicate": (0.3242, 5), "background": (0.2595, 8), "missed": (1.9382, 4)}  # fmt: skip
        assert tuple(expected) == ERRORS
        assert each.costs == pytest.approx({kind: cost for kind, (cost, _) in expected.items()}, abs=1e-4)
        assert each.counts == {kind: count for kind, (_, count) in expected.items()}
        assert (each.false_positives, each.false_negatives) == pytest.approx((30.8439, 17.9716), abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_ap50_is_that_of_the_precision(seed):
    pytest.importorskip("faster_coco_eval", reason="AP needs the extra: pip install maskweave[evaluate]")
    rng = np.random.default_rng(seed)
    pairs = [drawn(rng) for _ in range(15)]
    precision = CocoAP(NAMES)
    for known, found in pairs:
        precision.add(known, found)
    scores, errors = precision.result(), costs(*pairs)
    assert errors.masks.ap50 == pytest.approx(scores.masks.ap50)
    assert errors.boxes.ap50 == pytest.approx(scores.boxes.ap50)
