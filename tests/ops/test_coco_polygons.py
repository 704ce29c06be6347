"""Polygons are filled as pycocotools fills them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle

from maskweave.errors import InvalidValue
from maskweave.ops.coco_polygons import fill_coco_polygons

coordinates = st.floats(-30, 60, allow_nan=False).map(lambda value: round(value, 2)) | st.integers(-5, 40)


def theirs(rings, size):
    flat = [[float(each) for point in ring for each in point] for ring in rings]
    return oracle.decode(oracle.merge(oracle.frPyObjects(flat, *size))).astype(bool)


@given(
    st.lists(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=9), min_size=1, max_size=3),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
@settings(max_examples=500)
def test_every_polygon_gives_the_pixels_of_pycocotools(rings, size):
    found = fill_coco_polygons([np.array(ring, float) for ring in rings], size)
    np.testing.assert_array_equal(found.dense()[0], theirs(rings, size))


def test_an_outline_along_pixel_borders_gives_its_pixels():
    ring = np.array([[10, 5], [50, 5], [50, 25], [10, 25]], float)
    found = fill_coco_polygons([ring], (50, 100))
    assert found.boxes.tolist() == [[10, 5, 50, 25]]
    assert found.areas.tolist() == [800]


@pytest.mark.parametrize(
    "ring", [[[1, 1], [2, 2]], [[0, 0], [1, 0], [np.nan, 1]], [[0, 0], [1e13, 0], [1, 1]]]
)
def test_what_is_no_ring_is_refused(ring):
    with pytest.raises(InvalidValue, match="polygon: need"):
        fill_coco_polygons([np.array(ring, float)], (9, 9))


def test_an_outline_far_beyond_the_image_costs_no_more_than_the_image():
    ring = np.array([[-1e11, -1e11], [1e11, -1e11], [1e11, 1e11], [-1e11, 1e11]])
    assert fill_coco_polygons([ring], (30, 40)).areas.tolist() == [1200]
