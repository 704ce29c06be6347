import numpy as np
import pytest

from maskweave.outputs.count_marks import draw_numbers, draw_places
from maskweave.outputs.overlay import draw_overlay
from maskweave.types import Counts, Line, LineCount, Zone, ZoneCount
from tests.outputs.scenes import squares


def draw_counts(image, counted, *, pixels, width):
    draw_places(image, counted, width=width)
    draw_numbers(image, counted, pixels=pixels)


def counts(width, height, **now):
    line = Line((width * 0.1, height * 0.5), (width * 0.9, height * 0.5), "gate")
    points = ((width * 0.5, height * 0.6), (width, height * 0.6), (width, height), (width * 0.5, height))
    return Counts(
        (LineCount(line, forward=12, backward=3, **now),), (ZoneCount(Zone(points, "bay"), (1,), 7),)
    )


@pytest.mark.parametrize(("width", "height"), [(16, 16), (64, 48), (854, 480), (333, 999)])
def test_lines_and_zones_show_on_any_size(width, height):
    image = np.full((height, width, 3), 100, np.uint8)
    draw_counts(image, counts(width, height), pixels=max(10, width // 62), width=1)
    middle = image[round(height * 0.5)]
    assert (middle[round(width * 0.15) : round(width * 0.3)] != 100).any()
    assert (image[round(height * 0.95), -3] != 100).any()  # the zone's veil
    assert (image[0] == 100).all() or height < 50


def test_numbers_stand_on_the_side_that_objects_went_to():
    before = np.full((200, 300, 3), 100, np.uint8)
    line = Line((50, 100), (250, 100), "gate")

    def changed(forward, backward):
        images = []
        for count in (LineCount(line), LineCount(line, forward=forward, backward=backward)):
            image = before.copy()
            draw_counts(image, Counts((count,)), pixels=14, width=1)
            images.append(image.astype(int))
        return np.flatnonzero(np.abs(images[0] - images[1]).any(axis=(1, 2)))

    assert changed(8, 0).min() > 105  # below: forward is down for a line from left to right
    assert changed(0, 8).max() < 95


def test_a_crossing_lights_the_line_up():
    images = []
    for now in ({}, {"forward_now": (3,)}):
        image = np.full((200, 300, 3), 100, np.uint8)
        draw_counts(image, counts(300, 200, **now), pixels=14, width=1)
        images.append(image[100, 80].tolist())
    assert images[0] != images[1]


def test_overlays_draw_what_was_counted():
    image = np.full((60, 80, 3), 100, np.uint8)
    objects = squares((5, 5))
    plain = draw_overlay(image, objects)
    counted = draw_overlay(image, objects, counts=counts(80, 60))
    assert (plain[50, 60] == 100).all()
    assert (counted[50, 60] != 100).any()
