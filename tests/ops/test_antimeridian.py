"""Polygons in longitude and latitude stay within the map and enclose what they enclosed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.ops.antimeridian import cut_at_antimeridian
from maskweave.ops.polygons import Polygon, fill_polygons, mask_to_polygons, ring_area


def plain(step, west, north):
    """From pixels to degrees of a map that may go on past 180."""

    def to_degrees(points):
        return np.stack([west + step * points[:, 0], north - step * points[:, 1]], axis=1)

    return to_degrees


def polar(points):
    """Longitude and latitude round the north pole, which lies at pixel 32, 32; a pixel is a degree of latitude."""
    x, y = points[:, 0] - 32, points[:, 1] - 32
    return np.stack([np.degrees(np.arctan2(x, -y)), 90 - np.hypot(x, y)], axis=1)


def rings_of(parts):
    return [ring for part in parts for ring in part.rings]


def is_within_the_map(parts):
    for ring in rings_of(parts):
        closed = np.concatenate([ring, ring[:1]])
        assert np.abs(closed[:, 0]).max() <= 180
        assert np.abs(np.diff(closed[:, 0])).max() <= 180


@given(st.integers(0, 2**16 - 1), st.sampled_from([179.97, 179.98, -180.01, 100.0]))
@settings(max_examples=60)
def test_masks_come_back_from_both_sides_of_the_meridian(bits, west):
    mask = np.array([bits >> n & 1 for n in range(16)], bool).reshape(4, 4).repeat(2, 0).repeat(2, 1)
    parts = [
        part for each in mask_to_polygons(mask) for part in cut_at_antimeridian(each, plain(0.01, west, 5))
    ]
    is_within_the_map(parts)

    def to_pixels(ring):
        x = (ring[:, 0] - west) / 0.01
        x -= 36000 * np.rint((x - 4) / 36000)
        return np.stack([x, (5 - ring[:, 1]) / 0.01], axis=1).round(6)

    moved = [Polygon(to_pixels(part.exterior), tuple(map(to_pixels, part.holes))) for part in parts]
    np.testing.assert_array_equal(
        fill_polygons(moved, mask.shape).union() if moved else np.zeros_like(mask), mask
    )


def square(low, high):
    return np.array([[low, low], [high, low], [high, high], [low, high]], float)


def enclosed(parts):
    """Square degrees of longitude and latitude."""
    return sum(
        abs(ring_area(part.exterior)) - sum(abs(ring_area(hole)) for hole in part.holes) for part in parts
    )


@pytest.mark.parametrize("turned", [False, True])
def test_a_polygon_round_the_pole_goes_along_it(turned):
    ring = square(22, 42)[:: -1 if turned else 1]
    parts = cut_at_antimeridian(Polygon(ring), polar)
    is_within_the_map(parts)
    assert max(ring[:, 1].max() for ring in rings_of(parts)) == 90
    angles = np.radians(np.arange(0.5, 360))
    reach = 10 / np.maximum(
        np.abs(np.cos(angles)), np.abs(np.sin(angles))
    )  # degrees from the pole to the square
    assert enclosed(parts) == pytest.approx(reach.sum(), rel=0.01)


def test_a_band_round_the_pole_leaves_the_pole_out():
    parts = cut_at_antimeridian(Polygon(square(22, 42), (square(27, 37)[::-1],)), polar)
    is_within_the_map(parts)
    whole, hole = (cut_at_antimeridian(Polygon(ring), polar) for ring in (square(22, 42), square(27, 37)))
    assert enclosed(parts) == pytest.approx(enclosed(whole) - enclosed(hole), rel=0.01)
    assert max(ring[:, 1].max() for ring in rings_of(parts)) < 90


def test_a_hole_beside_the_meridian_stays_a_hole():
    hole = np.array([[1, 1], [1, 2], [2, 2], [2, 1]], float)
    parts = cut_at_antimeridian(Polygon(square(0, 8), (hole,)), plain(0.01, 179.96, 5))
    assert sorted(len(part.holes) for part in parts) == [0, 1]
    assert enclosed(parts) == pytest.approx((64 - 1) * 0.01**2)
