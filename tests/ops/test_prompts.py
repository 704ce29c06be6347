"""What is pointed at, found by what is there already: detected objects that fit, else GrabCut."""

import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.ops.prompts import objects_at
from maskweave.types import Instances, Masks
from maskweave.types.prompt import Box, Point, Prompt, boxes_of, points_of

SIZE = (60, 90)
NOTHING = Instances.empty(SIZE, ())


def scene():
    """Two red squares on noisy green."""
    random = np.random.default_rng(0)
    image = random.integers(0, 40, (*SIZE, 3), dtype=np.uint8) + np.array([0, 120, 0], np.uint8)
    for x in (20, 60):
        image[20:40, x : x + 20] = (220, 30, 30)
    return image


def truth(*lefts):
    mask = np.zeros(SIZE, bool)
    for x in lefts:
        mask[20:40, x : x + 20] = True
    return mask


def detected():
    masks = Masks.from_dense(np.stack([truth(20), truth(20, 60)]))
    return Instances(masks, masks.boxes, [0.6, 0.8], [0, 1], ("cat", "dog"))


def test_grabcut_cuts_out_what_is_in_the_box():
    found = objects_at(scene(), Prompt(boxes=(Box(14, 14, 46, 46), Box(55, 14, 86, 46))), NOTHING)
    assert found.names == ("object", "object")
    np.testing.assert_array_equal(found.masks.dense(), np.stack([truth(20), truth(60)]))
    assert found.scores.tolist() == [1, 1]


def test_points_in_a_box_leave_out_what_is_beside_the_object():
    both = Box(12, 14, 86, 46)
    plain = objects_at(scene(), Prompt(boxes=(both,)), NOTHING)
    np.testing.assert_array_equal(plain.masks.union(), truth(20, 60))
    marks = (Point(30, 30), *(Point(x, y, inside=False) for x in range(62, 80, 3) for y in range(22, 40, 3)))
    left = objects_at(scene(), Prompt(boxes=(both,), points=marks), NOTHING)
    np.testing.assert_array_equal(left.masks.union(), truth(20))


def test_a_detected_object_is_taken_where_it_fits():
    image = np.zeros((*SIZE, 3), np.uint8)  # nothing for GrabCut to see
    boxed = objects_at(image, Prompt(boxes=(Box(19, 20, 41, 40),)), detected())
    assert (boxed.masks.areas.tolist(), boxed.scores.tolist()) == ([400], [0.6])
    pointed = objects_at(image, Prompt(points=(Point(30, 30),)), detected())
    assert (pointed.masks.areas.tolist(), pointed.scores.tolist()) == ([800], [0.8])
    without = objects_at(image, Prompt(points=(Point(30, 30), Point(70, 30, inside=False))), detected())
    assert without.masks.areas.tolist() == [400]


def test_where_nothing_stands_out_that_is_said():
    with pytest.raises(InvalidValue, match="nothing stands out there"):
        objects_at(
            scene(), Prompt(boxes=(Box(10, 10, 10.4, 10.4),), points=(Point(10, 10, inside=False),)), NOTHING
        )


def test_marks_are_read_from_rows():
    assert boxes_of([(1, 2, 3, 4)]) == (Box(1, 2, 3, 4),)
    assert points_of([(1, 2), (3, 4, 0), (5, 6, 1)]) == (Point(1, 2), Point(3, 4, inside=False), Point(5, 6))
    with pytest.raises(InvalidValue, match="boxes: need rows of x1 y1 x2 y2"):
        boxes_of([(1, 2, 3)])
    with pytest.raises(InvalidValue, match="points: need rows of x y or x y 0"):
        points_of([(1,)])


def test_a_box_may_have_points_but_only_one_and_inside_it():
    Prompt(boxes=(Box(0, 0, 5, 5),), points=(Point(9, 9, inside=False),))
    with pytest.raises(InvalidValue, match="one box and points"):
        Prompt(boxes=(Box(0, 0, 5, 5), Box(5, 5, 9, 9)), points=(Point(1, 1),))
    with pytest.raises(InvalidValue, match="to lie in its box, got 9,9"):
        Prompt(boxes=(Box(0, 0, 5, 5),), points=(Point(9, 9),))
