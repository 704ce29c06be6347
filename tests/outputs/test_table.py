import csv

import numpy as np
import pytest

from maskweave.annotations.csv_table import COLUMNS
from maskweave.errors import OutputError
from maskweave.types import Instances, Line, Masks, Zone
from maskweave.types.result import FrameResult
from maskweave.video.counting import Counter
from tests.outputs.scenes import frame, squares, target, writer_of


def rows(folder, *results, kind="video", counter=None, **options):
    with writer_of("csv", target(folder, kind)) as writer:
        for index, result in enumerate(results):
            counts = None if counter is None else counter.update(result)
            writer.write(FrameResult(frame(index, **options), result, counts))
    assert writer.path.name == "street.csv"
    with writer.path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_row_for_each_object_of_each_frame(tmp_path):
    found = rows(tmp_path, squares((5, 7), ids=[4]), squares(), squares((6, 7), (40, 30), ids=[4, 9]))
    assert [(row["frame"], row["track_id"]) for row in found] == [("0", "4"), ("2", "4"), ("2", "9")]
    row = found[1]
    assert tuple(row) == COLUMNS
    assert (row["name"], row["time_seconds"], row["class"], row["score"]) == (
        "street",
        "0.08",
        "person",
        "0.9",
    )
    assert [float(row[key]) for key in ("area", "center_x", "center_y")] == [100, 11, 12]
    assert [float(row[key]) for key in ("x1", "y1", "x2", "y2")] == [6, 7, 16, 17]


def test_the_center_is_that_of_the_mass(tmp_path):
    dense = np.zeros((1, 60, 80), bool)
    dense[0, 10:12, 10:20] = True
    dense[0, 12:20, 10:12] = True
    masks = Masks.from_dense(dense)
    (row,) = rows(tmp_path, Instances(masks, masks.boxes, [0.5], [3], ("a", "b", "c", 'd, "e"')))
    ys, xs = np.nonzero(dense[0])
    assert float(row["center_x"]) == pytest.approx(xs.mean() + 0.5, abs=0.01)
    assert float(row["center_y"]) == pytest.approx(ys.mean() + 0.5, abs=0.01)
    assert (row["class"], row["track_id"]) == ('d, "e"', "")


def test_images_have_rows_without_ids(tmp_path):
    (row,) = rows(
        tmp_path, squares((5, 7)).replace(track_ids=None), kind="image", name="a", file_name="a,b.jpg"
    )
    assert (row["name"], row["track_id"]) == ("a,b.jpg", "")


def test_no_objects_leave_the_head(tmp_path):
    rows(tmp_path)
    assert (tmp_path / "street.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_counts_are_columns(tmp_path):
    counter = Counter(
        [Line((0, 30), (80, 30), "gate")], [Zone(((0, 30), (80, 30), (80, 60), (0, 60)), "south")]
    )
    results = [squares((20, y), (50, 5), ids=[5, 6]) for y in (1, 5, 9, 25, 30, 35)]
    found = [row for row in rows(tmp_path, *results, counter=counter) if row["track_id"] == "5"]
    assert [row["line gate"] for row in found] == [*[""] * 5, "forward"]
    assert [row["line gate forward"] for row in found] == [*"00000", "1"]
    assert {row["line gate backward"] for row in found} == {"0"}
    assert [row["zone south"] for row in found] == [*"000111"]
    assert [(row["zone south inside"], row["zone south seen"]) for row in found][-1] == ("1", "1")


def test_rows_are_on_the_disk_before_the_end(tmp_path):
    """Memory does not grow with the length of the video."""
    with writer_of("csv", target(tmp_path)) as writer:
        for index in range(400):
            writer.write(FrameResult(frame(index), squares((5, 5))))
        (part,) = tmp_path.iterdir()
        assert part.name.startswith(".")
        assert part.stat().st_size > 8000


def test_an_older_table_is_replaced_and_a_foreign_one_is_not(tmp_path):
    rows(tmp_path, squares())
    rows(tmp_path, squares((1, 1)))
    (tmp_path / "street.csv").write_text("mine,yours\n")
    with pytest.raises(OutputError, match="MaskWeave did not write"):
        rows(tmp_path, squares())
    assert (tmp_path / "street.csv").read_text() == "mine,yours\n"
