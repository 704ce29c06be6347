import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskweave.errors import InvalidValue
from maskweave.ops import iou
from maskweave.ops.boxes import box_iou, clip_boxes, non_maximum_suppression
from maskweave.ops.iou import mask_containment, mask_iou
from maskweave.types import Masks
from tests.strategies import dense_masks


@pytest.mark.parametrize("crowded", [0, np.inf], ids=["packed", "plain"])
@given(dense_masks())
def test_mask_iou_agrees_with_dense_arrays(crowded, dense):
    masks = Masks.from_dense(dense)
    expected = np.zeros((len(dense), len(dense)))
    for i, a in enumerate(dense):
        for j, b in enumerate(dense):
            expected[i, j] = (a & b).sum() / max(1, (a | b).sum())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iou, "_CROWDED", crowded)
        np.testing.assert_allclose(mask_iou(masks, masks), expected)
        np.testing.assert_allclose(mask_iou(masks[::-1], masks), expected[::-1])


def test_masks_that_lie_over_each_other_are_packed(monkeypatch):
    """Long rows at every place within eight pixels; the plain way would give the same."""
    rng = np.random.default_rng(3)
    crops = list(rng.random((12, 40, 70)) < 0.5)
    masks = Masks(crops, rng.integers(0, 20, (12, 2)), (60, 90))
    monkeypatch.setattr(iou, "_plain", None)
    packed = iou.mask_intersections(masks, masks)
    dense = masks.dense().reshape(12, -1).astype(int)
    np.testing.assert_array_equal(packed, dense @ dense.T)


@given(dense_masks())
def test_containment_agrees_with_dense_arrays(dense):
    masks = Masks.from_dense(dense)
    expected = np.array([[(a & b).sum() / max(1, a.sum()) for b in dense] for a in dense]).reshape(
        len(dense), len(dense)
    )
    np.testing.assert_allclose(mask_containment(masks, masks), expected)


def test_masks_of_other_images_are_refused():
    with pytest.raises(InvalidValue, match="one image size"):
        mask_iou(Masks.empty((2, 2)), Masks.empty((3, 2)))


def test_box_iou_and_clip():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 5, 5]], float)
    np.testing.assert_allclose(box_iou(boxes, boxes)[0], [1, 1 / 7, 0])
    assert clip_boxes(np.array([[-5.0, -1, 99, 3]]), (10, 20)).tolist() == [[0, 0, 20, 3]]


def slow_nms(boxes, scores, class_ids, iou):
    kept = []
    for row in sorted(range(len(boxes)), key=lambda r: (-scores[r], r)):
        overlaps = [
            box_iou(boxes[[row]], boxes[[other]])[0, 0]
            for other in kept
            if class_ids[other] == class_ids[row]
        ]
        if all(overlap <= iou for overlap in overlaps):
            kept.append(row)
    return kept


@given(st.integers(0, 12), st.integers(0, 999), arrays.arrays(np.int64, 12, elements=st.integers(0, 2)))
def test_suppression_agrees_with_the_plain_loop(count, seed, classes):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 10, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 8, (count, 2))], axis=1)
    scores = rng.integers(0, 5, count) / 5
    kept = non_maximum_suppression(boxes, scores, classes[:count], iou=0.4)
    assert kept.tolist() == slow_nms(boxes, scores, classes[:count], 0.4)
