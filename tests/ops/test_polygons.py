import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.errors import InvalidValue
from maskweave.ops.polygons import (
    Polygon,
    fill_polygons,
    mask_to_polygons,
    ring_area,
    rings_to_mask,
    simplify,
)
from tests.strategies import bitmaps


@given(bitmaps)
def test_round_trip_is_exact(mask):
    np.testing.assert_array_equal(fill_polygons(mask_to_polygons(mask), mask.shape).union(), mask)


@given(bitmaps)
def test_areas_of_rings_add_up(mask):
    polygons = mask_to_polygons(mask)
    assert all(ring_area(polygon.exterior) > 0 for polygon in polygons)
    assert all(ring_area(hole) < 0 for polygon in polygons for hole in polygon.holes)
    assert sum(ring_area(ring) for polygon in polygons for ring in polygon.rings) == mask.sum()


@given(bitmaps)
def test_each_polygon_is_one_part_with_its_own_holes(mask):
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    parts = [fill_polygons([polygon], mask.shape).union() for polygon in mask_to_polygons(mask)]
    assert len(parts) == count - 1
    for part in parts:
        np.testing.assert_array_equal(part, labels == labels[part][0])


def test_a_ring_with_an_island_in_its_hole():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[2:7, 2:7] = False
    mask[4, 4] = True
    polygons = mask_to_polygons(mask, offset=(10, 20))
    assert sorted(len(polygon.holes) for polygon in polygons) == [0, 1]
    outer = next(polygon for polygon in polygons if polygon.holes)
    assert sorted(map(tuple, outer.exterior.tolist())) == [(11, 21), (11, 28), (18, 21), (18, 28)]


def test_pixels_that_touch_at_a_corner_are_two_parts():
    assert len(mask_to_polygons(np.eye(2, dtype=bool))) == 2
    assert len(mask_to_polygons(np.eye(2, dtype=bool)[::-1])) == 2


@given(st.integers(0, 999))
def test_filling_counts_pixel_centers(seed):
    rng = np.random.default_rng(seed)
    ring = rng.uniform(-5, 15, (5, 2))
    filled = rings_to_mask([ring], (10, 11))
    for y in range(10):
        for x in range(11):
            crossings = 0
            for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                if (ay <= y + 0.5) != (by <= y + 0.5):
                    crossings += ax + (y + 0.5 - ay) / (by - ay) * (bx - ax) <= x + 0.5
            assert filled[y, x] == crossings % 2


def test_simplify_keeps_a_square():
    mask = np.zeros((20, 20), bool)
    mask[2:18, 3:17] = True
    (polygon,) = mask_to_polygons(mask)
    np.testing.assert_array_equal(fill_polygons([simplify(polygon, 0.5)], mask.shape).union(), mask)


@pytest.mark.parametrize("ring", [np.zeros((2, 2)), np.full((3, 2), np.nan), np.zeros(4)])
def test_malformed_rings_are_refused(ring):
    with pytest.raises(InvalidValue, match="polygon: need"):
        rings_to_mask([ring], (4, 4))


@given(
    st.lists(
        st.lists(st.tuples(*[st.integers(-30, 80).map(lambda n: n / 2)] * 2), min_size=3, max_size=6),
        min_size=1,
        max_size=3,
    ),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_filling_only_what_is_round_an_object_changes_nothing(rings, size):
    polygons = [Polygon(np.array(ring, float)) for ring in rings]
    filled = fill_polygons(polygons, size)
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    expected = np.zeros(size, bool)
    for ring in rings:
        odd = np.zeros(size, bool)
        for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
            if y1 != y2:
                odd ^= ((y1 < y) != (y2 < y)) & (x >= x1 + (y - y1) / (y2 - y1) * (x2 - x1))
        expected |= odd
    near = np.zeros(size, bool)  # where a center lies on an outline, either is right
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
            near |= np.abs((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) < 1e-6
    np.testing.assert_array_equal(filled.union()[~near], expected[~near])
