"""The frames that a video at work has done, line by line."""

import json
from fractions import Fraction

import numpy as np

from maskweave.ops.rle import decode_masks
from maskweave.serving.preview import Preview, read_frames
from maskweave.types import Frame, Instances, Masks
from maskweave.types.result import FrameResult

SIZE = (6, 8)


def result(number, *, tracked=True):
    mask = np.zeros(SIZE, bool)
    mask[1:4, number : number + 2] = True
    masks = Masks.from_dense(mask[None])
    ids = np.array([7]) if tracked else None
    instances = Instances(masks, masks.boxes, np.array([0.5]), np.array([0]), ("cat",), ids)
    return FrameResult(Frame(np.zeros((*SIZE, 3), np.uint8), number, Fraction(number, 2)), instances)


def test_lines_come_from_a_byte_on_and_are_gone_at_the_end(tmp_path):
    with Preview(tmp_path, Fraction(3)) as preview:
        preview.add(result(0))
        first = read_frames(tmp_path, 0)
        preview.add(result(1))
        second = read_frames(tmp_path, len(first))
        assert read_frames(tmp_path, len(first) + len(second)) == b""
    assert read_frames(tmp_path, 0) == b""
    line = json.loads(second)
    assert (line["time"], line["size"]) == (3.5, list(SIZE))
    (found,) = line["objects"]
    assert (found["id"], found["class"], found["score"]) == (7, "cat", 0.5)
    assert found["box"] == [1, 1, 3, 4]
    assert np.array_equal(decode_masks([found["rle"]], SIZE).dense()[0], result(1).instances.masks.dense()[0])


def test_a_line_that_is_being_written_is_left_for_the_next_time(tmp_path):
    with Preview(tmp_path, Fraction(0)) as preview:
        preview.add(result(0))
        whole = read_frames(tmp_path, 0)
        with (tmp_path / "frames.ndjson").open("ab") as file:
            file.write(b'{"time": 0.5, "si')
        assert read_frames(tmp_path, 0) == whole


def test_what_is_not_tracked_has_no_lines(tmp_path):
    with Preview(tmp_path, Fraction(0)) as preview:
        preview.add(result(0, tracked=False))
        assert read_frames(tmp_path, 0) == b""
