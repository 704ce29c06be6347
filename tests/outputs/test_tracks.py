import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from maskweave.annotations import youtube_vis
from maskweave.errors import InvalidValue, OutputError
from maskweave.outputs import make_writers
from maskweave.outputs.base import Target
from maskweave.types import Instances, Line, Masks, Zone
from maskweave.types.frame import SourceInfo
from maskweave.types.result import FrameResult
from maskweave.video.counting import Counter
from tests.outputs.scenes import NAMES, SIZE, frame, squares, target, writer_of


def document(folder, results, counter=None, **options):
    with writer_of("tracks", target(folder)) as writer:
        for index, result in enumerate(results):
            counts = None if counter is None else counter.update(result)
            writer.write(FrameResult(frame(index, **options), result, counts))
    assert writer.path.name == "street.tracks.json"
    return json.loads(writer.path.read_text())


def test_the_layout_is_that_of_youtube_vis(tmp_path):
    data = document(tmp_path, [squares((5, 5), ids=[4]), squares(), squares((9, 5), (40, 30), ids=[4, 2])])
    (video,) = data["videos"]
    assert (video["id"], video["width"], video["height"], video["length"]) == (1, 80, 60, 3)
    assert video["file_names"] == ["street"] * 3
    assert video["times_seconds"] == [0, 0.04, 0.08]
    assert {each["id"]: each["name"] for each in data["categories"]} == {
        1: "person", 2: "bicycle", 3: "car", 101: "unicorn",
    }  # fmt: skip
    second, fourth = data["annotations"]
    assert (second["id"], fourth["id"], fourth["video_id"], fourth["track_id"]) == (2, 4, 1, 4)
    assert fourth["bboxes"] == [[5, 5, 10, 10], None, [9, 5, 10, 10]]
    assert fourth["areas"] == [100, None, 100]
    assert fourth["segmentations"][1] is None
    assert fourth["category_id"] == 1
    assert fourth["score"] == pytest.approx(0.9)
    assert second["segmentations"][:2] == [None, None]
    assert "counts" not in data


def test_frames_of_a_folder_keep_their_names(tmp_path):
    data = document(tmp_path, [squares((5, 5))], file_name="17 \udcff.jpg")
    assert data["videos"][0]["file_names"] == ["17 \udcff.jpg"]


def test_the_class_is_what_the_track_was_most_often(tmp_path):
    data = document(tmp_path, [squares((5, 5), classes=[each]) for each in (2, 0, 2)])
    assert data["annotations"][0]["category_id"] == 3


@st.composite
def sequences(draw):
    """A few frames of objects, each with an id of its own: (ids, (N, H, W) bool) a frame."""
    size = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    frames = []
    for _ in range(draw(st.integers(1, 5))):
        ids = draw(st.lists(st.integers(1, 6), unique=True, max_size=4))
        frames.append((ids, draw(arrays.arrays(np.bool_, (len(ids), *size)))))
    return size, frames


@given(sequences())
@settings(max_examples=30)
def test_pycocotools_reads_every_mask_back(tmp_path_factory, sequence):
    size, frames = sequence
    results = []
    for ids, dense in frames:
        masks = Masks.from_dense(dense)
        count = len(ids)
        results.append(
            Instances(masks, masks.boxes, np.ones(count), np.zeros(count, int), NAMES, np.array(ids, int))
        )
    data = document(tmp_path_factory.mktemp("clip"), results, size=size)
    found = {each["track_id"]: each for each in data["annotations"]}
    assert set(found) == {track_id for ids, _ in frames for track_id in ids}
    for track_id, annotation in found.items():
        for index, (ids, dense) in enumerate(frames):
            rle = annotation["segmentations"][index]
            if track_id not in ids:
                assert (rle, annotation["bboxes"][index], annotation["areas"][index]) == (None, None, None)
                continue
            truth = dense[ids.index(track_id)]
            np.testing.assert_array_equal(coco_mask.decode(rle).astype(bool), truth)
            assert int(coco_mask.area(rle)) == annotation["areas"][index] == truth.sum()


def test_counts_are_in_the_file(tmp_path):
    counter = Counter(
        [Line((0, 30), (80, 30), "gate")], [Zone(((0, 30), (80, 30), (80, 60), (0, 60)), "south")]
    )
    data = document(tmp_path, [squares((20, y), ids=[5]) for y in (1, 5, 9, 25, 30, 35)], counter)
    (line,), (zone,) = data["counts"]["lines"], data["counts"]["zones"]
    assert (line["name"], line["start"], line["forward"], line["backward"]) == ("gate", [0, 30], 1, 0)
    assert line["crossings"] == [{"frame": 5, "track_id": 5, "direction": "forward"}]
    assert (zone["name"], zone["seen"], zone["inside"]) == ("south", 1, [0, 0, 0, 1, 1, 1])


def test_an_empty_video_is_a_whole_document(tmp_path):
    data = document(tmp_path, [])
    assert data["annotations"] == []
    assert data["videos"][0]["length"] == 0


def test_what_the_format_costs_is_told(tmp_path, monkeypatch):
    for much, told in ((4 * 6 * 2 * 3, True), (4 * 6 * 2 * 3 + 1, False)):
        monkeypatch.setattr(youtube_vis, "_MUCH", much)
        with writer_of("tracks", target(tmp_path)) as writer:
            for index in range(3):
                writer.write(FrameResult(frame(index), squares((5, 5), (20, 20), ids=[4, 9])))
        assert [("each frame of the video" in each) for each in writer.warnings] == [True] * told


def test_what_cannot_be_written_is_told(tmp_path):
    with writer_of("tracks", target(tmp_path)) as writer:
        with pytest.raises(InvalidValue, match="need objects with track ids"):
            writer.write(FrameResult(frame(), squares((1, 1)).replace(track_ids=None)))
        with pytest.raises(InvalidValue, match="each id once a frame, got 3 twice"):
            writer.write(FrameResult(frame(), squares((1, 1), (20, 20), ids=[3, 3])))
        with pytest.raises(InvalidValue, match="frames of one size"):
            writer.write(FrameResult(frame(), squares(size=(61, 80))))


def test_an_older_result_is_replaced_and_a_foreign_file_is_not(tmp_path):
    document(tmp_path, [squares()])
    document(tmp_path, [squares()])
    (tmp_path / "street.tracks.json").write_text('{"mine": 1}')
    with pytest.raises(OutputError, match="MaskWeave did not write"):
        document(tmp_path, [squares()])
    assert (tmp_path / "street.tracks.json").read_text() == '{"mine": 1}'
    assert SIZE == (60, 80)


def test_what_was_taken_off_the_times_and_the_shape_of_the_pixels_are_numbers(tmp_path):
    info = SourceInfo("street", "video", start=Fraction(7, 5), pixel_aspect=Fraction(64, 45))
    with make_writers(["tracks"], Target(tmp_path, info, "instances", NAMES))[0] as writer:
        writer.write(FrameResult(frame(0), squares()))
    (video,) = json.loads(writer.path.read_text())["videos"]
    assert (video["start_seconds"], video["pixel_aspect_ratio"]) == (1.4, [64, 45])
