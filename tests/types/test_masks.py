import numpy as np
import pytest
from hypothesis import given

from maskweave.errors import InvalidValue
from maskweave.types import Masks
from maskweave.types.masks import concatenate
from tests.strategies import dense_masks


@given(dense_masks())
def test_dense_round_trip(dense):
    masks = Masks.from_dense(dense)
    np.testing.assert_array_equal(masks.dense(), dense)
    np.testing.assert_array_equal(masks.areas, dense.sum(axis=(1, 2)))
    np.testing.assert_array_equal(masks.union(), dense.any(axis=0))
    assert masks.size == dense.shape[1:]


@given(dense_masks())
def test_boxes_are_tight_and_crops_fill_them(dense):
    for box, crop, plane in zip(
        Masks.from_dense(dense).boxes, Masks.from_dense(dense).crops, dense, strict=True
    ):
        rows, columns = np.nonzero(plane)
        if not len(rows):
            assert crop.shape == (0, 0)
            continue
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert crop.any(axis=0)[[0, -1]].all()
        assert crop.any(axis=1)[[0, -1]].all()


@given(dense_masks())
def test_selection_agrees_with_numpy(dense):
    masks = Masks.from_dense(dense)
    keep = dense.any(axis=(1, 2))
    np.testing.assert_array_equal(masks[keep].dense(), dense[keep])
    np.testing.assert_array_equal(masks[::-1].dense(), dense[::-1])
    assert masks[[]].size == masks.size


def test_a_crop_beyond_the_image_is_refused():
    with pytest.raises(InvalidValue, match=r"crop 0: need pixels inside the 4x4 image"):
        Masks([np.ones((2, 2), bool)], [(3, 0)], (4, 4))


def test_an_empty_margin_beyond_the_image_is_trimmed():
    crop = np.zeros((3, 3), bool)
    crop[1, 1] = True
    masks = Masks([crop], [(-1, -1)], (2, 2))
    assert masks.boxes.tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("crops", "corners", "message"),
    [
        ([np.ones((2, 2), np.uint8)], [(0, 0)], "need a 2-D bool array, got .* uint8"),
        ([np.ones((2, 2), bool)], [(0.5, 0)], "corners: need .* integers"),
        ([np.ones((2, 2), bool)], [(0, 0), (1, 1)], r"corners: need \(1, 2\)"),
    ],
)
def test_malformed_crops_are_named(crops, corners, message):
    with pytest.raises(InvalidValue, match=message):
        Masks(crops, corners, (4, 4))


def test_crops_are_read_only_copies():
    dense = np.ones((1, 2, 2), bool)
    masks = Masks.from_dense(dense)
    dense[:] = False
    assert masks.areas.tolist() == [4]
    with pytest.raises(ValueError, match="read-only"):
        masks.crops[0][0, 0] = False


def test_a_hundred_objects_in_4k_take_under_20_mb():
    crops = [np.ones((400, 400), bool)] * 100
    corners = [(37 * i % 3400, 17 * i % 1700) for i in range(100)]
    assert Masks(crops, corners, (2160, 3840)).nbytes < 20e6


@given(dense_masks())
def test_concatenate(dense):
    masks = Masks.from_dense(dense)
    joined = concatenate([masks, masks[::-1]])
    np.testing.assert_array_equal(joined.dense(), np.concatenate([dense, dense[::-1]]))


def test_rows_out_of_range_raise():
    with pytest.raises(IndexError):
        Masks.empty((3, 3))[1]
    with pytest.raises(InvalidValue, match=r"need \(0,\) booleans"):
        Masks.empty((3, 3))[[True]]
