import csv

import numpy as np
from hypothesis import given

from maskweave.annotations.csv_table import COLUMNS, perimeter
from maskweave.annotations.record import Category, Record
from maskweave.ops.polygons import mask_to_polygons
from tests.annotations.scenes import objects, plain, put_images, rectangle, write
from tests.strategies import bitmaps


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_says_what_can_be_counted(tmp_path):
    ring = rectangle(1, 1, 9, 9) & ~rectangle(3, 3, 6, 6)
    before = Record(
        "trip/a.png",
        objects([ring], scores=[0.5], track_ids=[7]),
        crowd=[True],
        categories=(Category(44, "person"),),
        video="trip",
        frame=3,
        time=0.12,
    )
    report = write(tmp_path / "a.csv", "csv", put_images(tmp_path, before))
    (row,) = rows_of(tmp_path / "a.csv")
    assert tuple(row) == COLUMNS
    assert row == {
        "name": "trip/a.png",
        "video": "trip",
        "frame": "3",
        "time_seconds": "0.12",
        "object": "1",
        "track_id": "7",
        "class": "person",
        "category_id": "44",
        "score": "0.5",
        "crowd": "1",
        "area": "55",
        "perimeter": "44",
        "center_x": "5.08",
        "center_y": "5.08",
        "x1": "1.0",
        "y1": "1.0",
        "x2": "9.0",
        "y2": "9.0",
        "mean_red": "120.0",
        "mean_green": "90.0",
        "mean_blue": "60.0",
    }
    assert report.losses == {}


def test_without_the_image_the_color_is_empty_and_that_is_told(tmp_path):
    report = write(tmp_path / "a.csv", "csv", [plain()])
    first, _ = rows_of(tmp_path / "a.csv")
    assert (first["mean_red"], first["track_id"], first["category_id"]) == ("", "", "")
    (line,) = report.lines()
    assert "2 of 2 objects lack a color" in line


@given(bitmaps)
def test_the_perimeter_is_the_length_of_the_outlines(mask):
    sides = [
        np.abs(ring - np.roll(ring, -1, axis=0)).sum()
        for each in mask_to_polygons(mask)
        for ring in each.rings
    ]
    assert perimeter(mask) == sum(sides)
