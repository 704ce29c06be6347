import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from maskweave.annotations.mots import MotsRow, format_row, parse_row
from maskweave.errors import InvalidValue
from maskweave.ops.rle import encode_masks
from maskweave.types.result import FrameResult
from tests.outputs.scenes import frame, squares, target, writer_of
from tests.strategies import compact_masks


def written(folder, *results):
    with writer_of("mots", target(folder)) as writer:
        for index, result in enumerate(results):
            writer.write(FrameResult(frame(index), result))
    assert writer.path.name == "street.mots.txt"
    return writer, [parse_row(line) for line in writer.path.read_text().splitlines()]


def test_lines_are_as_kitti_writes_them(tmp_path):
    writer, _ = written(tmp_path, squares(), squares((5, 5), (30, 30), ids=[4, 12], classes=[2, 0]))
    lines = [line.split(" ") for line in writer.path.read_text().splitlines()]
    assert [line[:5] for line in lines] == [["1", "1004", "1", "60", "80"], ["1", "2012", "2", "60", "80"]]
    decoded = coco_mask.decode({"size": [60, 80], "counts": lines[0][5]})
    assert decoded[5:15, 5:15].all()
    assert decoded.sum() == 100
    assert writer.warnings == []


def test_other_classes_meet_none_of_kittis(tmp_path):
    writer, rows = written(tmp_path, squares((5, 5), (30, 30), classes=[1, 3]))
    assert [(row.class_id, row.track_id) for row in rows] == [(102, 1), (201, 2)]
    (warning,) = writer.warnings
    assert "classes other than car and person are written as 100 + COCO's id" in warning


def test_masks_do_not_overlap_and_the_better_score_is_in_front(tmp_path):
    _, rows = written(
        tmp_path, squares((5, 5), (10, 5), (5, 5), ids=[1, 2, 3], scores=[0.5, 0.9, 0.4], classes=[2, 2, 2])
    )
    assert [row.track_id for row in rows] == [1, 2]  # the third lies wholly behind the first
    masks = np.stack([coco_mask.decode(row.rle) for row in rows])
    assert masks.sum(axis=0).max() == 1
    assert [mask.sum() for mask in masks] == [50, 100]


def test_ids_that_do_not_fit_get_free_numbers_and_are_never_wrapped(tmp_path):
    writer, rows = written(tmp_path, squares((5, 5), (30, 30), ids=[1000, 999], classes=[2, 2]))
    assert [(row.class_id, row.track_id) for row in rows] == [(1, 0), (1, 999)]
    assert writer.warnings == []


@given(compact_masks(max_objects=2), st.integers(0, 10**6), st.integers(1, 999), st.integers(1, 300))
def test_a_row_survives_text(masks, number, track_id, class_id):
    for rle in encode_masks(masks):
        row = MotsRow(number, track_id, class_id, rle)
        assert parse_row(format_row(row) + "\n") == row


@pytest.mark.parametrize("line", ["", "1 2 3 4 5", "1 2 x 4 5 abc", "1 2 3 4 5 a b"])
def test_other_text_is_told(line):
    with pytest.raises(InvalidValue, match="mots: need 'frame id class_id height width rle', got"):
        parse_row(line)


def test_objects_without_ids_cannot_be_written(tmp_path):
    with (
        writer_of("mots", target(tmp_path)) as writer,
        pytest.raises(InvalidValue, match="need objects with track ids"),
    ):
        writer.write(FrameResult(frame(), squares((1, 1)).replace(track_ids=None)))
