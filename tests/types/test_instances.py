import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import InvalidValue
from maskweave.types import Instances, Masks


def make_instances(count=3, **overrides):
    """Every column encodes its row number, so that a misalignment shows."""
    rows = np.arange(count)
    dense = np.broadcast_to((rows % 2 == 1)[:, None, None], (count, 4, 5)).copy()
    columns = {
        "masks": Masks.from_dense(dense) if count else Masks.empty((4, 5)),
        "boxes": np.repeat(rows[:, None], 4, axis=1).astype(float),
        "scores": rows / max(count, 1),
        "class_ids": rows,
        "class_names": tuple(f"class {row}" for row in range(max(count, 1))),
        "track_ids": rows + 100,
    }
    return Instances(**(columns | overrides))


@given(keep=st.lists(st.booleans(), max_size=8))
def test_selection_keeps_rows_aligned(keep):
    picked = make_instances(len(keep))[np.array(keep, dtype=bool)]
    expected = np.flatnonzero(keep)
    np.testing.assert_array_equal(picked.class_ids, expected)
    np.testing.assert_array_equal(picked.boxes[:, 0], expected)
    np.testing.assert_array_equal(picked.masks.areas > 0, expected % 2)
    np.testing.assert_array_equal(picked.track_ids, expected + 100)
    assert picked.size == (4, 5)  # the size survives zero objects


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"masks": np.zeros((3, 4, 5), bool)}, "masks: need Masks"),
        ({"boxes": np.zeros((2, 4))}, r"boxes: need \(3, 4\), got \(2, 4\)"),
        ({"boxes": [[2, 0, 1, 1]] * 3}, "ends swapped"),
        ({"scores": np.array([0.5, np.nan, 1])}, "scores: need finite"),
        ({"scores": np.array([0.5, 1.5, 1])}, r"scores: need values in \[0, 1\]"),
        ({"scores": ["a", "b", "c"]}, "scores: need numbers"),
        ({"class_ids": np.array([0.0, 1.0, 2.0])}, "class_ids: need integers"),
        ({"class_ids": np.array([0, 1, 3])}, "class_ids: need 0..2"),
        ({"track_ids": np.array([0, 1])}, r"track_ids: need \(3,\), got \(2,\)"),
    ],
)
def test_a_broken_column_is_named(broken, message):
    with pytest.raises(InvalidValue, match=message):
        make_instances(**broken)


def test_arrays_are_read_only_copies():
    boxes = np.zeros((3, 4))
    instances = make_instances(boxes=boxes)
    boxes[:] = 9
    assert instances.boxes.max() == 0
    with pytest.raises(ValueError, match="read-only"):
        instances.boxes[0, 0] = 1


def test_iteration_and_names():
    assert [row.names for row in make_instances(2)] == [("class 0",), ("class 1",)]
    assert "1 class 0" in repr(make_instances(2))
    assert len(Instances.empty((2, 2), ("a",))) == 0
