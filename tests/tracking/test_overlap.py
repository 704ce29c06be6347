import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.tracking import OverlapTracker
from maskweave.types import Instances, Masks


def squares(*columns, classes=None, size=(40, 200)):
    """20-pixel squares whose left edges are at ``columns``."""
    dense = np.zeros((len(columns), *size), bool)
    for plane, column in zip(dense, columns, strict=True):
        plane[10:30, column : column + 20] = True
    masks = Masks.from_dense(dense) if columns else Masks.empty(size)
    ids = classes or [0] * len(columns)
    return Instances(masks, masks.boxes, [0.9] * len(columns), ids, ("cat", "dog"))


def test_ids_follow_moving_objects_whatever_their_order():
    tracker = OverlapTracker()
    assert tracker.update(squares(0, 100)).track_ids.tolist() == [1, 2]
    assert tracker.update(squares(104, 4)).track_ids.tolist() == [2, 1]
    assert tracker.update(squares(8, 108, 60)).track_ids.tolist() == [1, 2, 3]


def test_an_object_that_is_missed_for_a_while_keeps_its_number():
    tracker = OverlapTracker(patience=2)
    tracker.update(squares(0, 100))
    tracker.update(squares(0))
    tracker.update(squares(0))
    assert tracker.update(squares(0, 100)).track_ids.tolist() == [1, 2]


def test_numbers_are_not_used_again():
    tracker = OverlapTracker(patience=0)
    tracker.update(squares(0, 100))
    tracker.update(squares())
    assert tracker.update(squares(0, 100)).track_ids.tolist() == [3, 4]


def test_classes_do_not_mix():
    tracker = OverlapTracker()
    tracker.update(squares(0))
    assert tracker.update(squares(0, classes=[1])).track_ids.tolist() == [2]


def test_a_new_picture_size_begins_anew():
    tracker = OverlapTracker()
    tracker.update(squares(0))
    assert tracker.update(squares(0, size=(50, 100))).track_ids.tolist() == [2]


def test_wrong_settings_are_refused():
    with pytest.raises(InvalidValue, match="least_iou"):
        OverlapTracker(least_iou=0)
