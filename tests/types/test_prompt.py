"""What users point at, read and checked."""

import pytest

from maskweave.errors import InvalidValue
from maskweave.types.prompt import Box, Point, Prompt, boxes_of, points_of


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
