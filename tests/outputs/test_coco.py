import json
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from maskweave.annotations.coco import coco_results
from maskweave.errors import InvalidValue, OutputError
from maskweave.ops.coco_names import COCO_IDS, category_ids
from maskweave.outputs import check_formats, choose_formats, is_output, make_writers, saved_formats
from maskweave.outputs.base import Target, Writer
from maskweave.types import Frame, Instances, Masks, SemanticMap, SourceInfo
from maskweave.types.result import FrameResult
from tests.outputs.scenes import writer_of

NAMES = ("person", "dog", "unicorn")


def objects(track_ids=None):
    dense = np.zeros((2, 20, 30), bool)
    dense[0, 2:10, 3:9] = True
    dense[1, 5:20, 10:30] = True
    dense[1, 8:12, 15:20] = False
    masks = Masks.from_dense(dense)
    return Instances(masks, masks.boxes, [0.75, 0.5], [1, 2], NAMES, track_ids)


def frame(index=0):
    return Frame(np.zeros((20, 30, 3), np.uint8), index=index, time=Fraction(index, 25))


def target(folder, kind="image", task="instances"):
    return Target(folder, SourceInfo("street", kind), task, NAMES, model="tester")


def test_category_ids_are_cocos_own_where_they_exist():
    assert category_ids(["dog", "unicorn", "toothbrush", "gnome"]) == [18, 101, 90, 102]
    assert len(COCO_IDS) == 80
    assert len(set(COCO_IDS.values())) == 80


def test_results_carry_boxes_as_x_y_width_height():
    first, second = coco_results(objects(), image_id=7)
    assert first["bbox"] == [3, 2, 6, 8]
    assert (first["image_id"], first["category_id"], first["score"], first["area"]) == (7, 18, 0.75, 48)
    assert second["category_id"] == 101


def test_pycocotools_reads_the_file(tmp_path, capsys):
    with writer_of("coco", target(tmp_path, "video")) as writer:
        writer.write(FrameResult(frame(0), objects([4, 9])))
        writer.write(FrameResult(frame(1), objects([4, 9])[[]]))
        writer.write(FrameResult(frame(2), objects([4, 9])[[1]]))
    coco = COCO(str(tmp_path / "street.json"))
    capsys.readouterr()
    assert [image["frame_index"] for image in coco.loadImgs(coco.getImgIds())] == [0, 1, 2]
    annotations = coco.loadAnns(coco.getAnnIds())
    assert [each["track_id"] for each in annotations] == [4, 9, 9]
    np.testing.assert_array_equal(coco.annToMask(annotations[1]).astype(bool), objects().masks.dense()[1])
    assert {each["id"]: each["name"] for each in coco.loadCats(coco.getCatIds())} == {
        1: "person", 18: "dog", 101: "unicorn",
    }  # fmt: skip


def test_a_failed_run_leaves_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), writer_of("coco", target(tmp_path)) as writer:  # noqa: PT012
        writer.write(FrameResult(frame(), objects()))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_older_result_is_replaced_and_a_foreign_file_is_not(tmp_path):
    for _ in range(2):
        with writer_of("coco", target(tmp_path)) as writer:
            writer.write(FrameResult(frame(), objects()))
    labels = '{"version": "5.0.1", "flags": {}, "shapes": [], "imagePath": "street.jpg"}'
    writer.path.write_text(labels)
    with pytest.raises(OutputError, match=r"street\.json: a file that MaskWeave did not write is there"):
        writer_of("coco", target(tmp_path)).__enter__()
    assert writer.path.read_text() == labels
    assert [path.name for path in tmp_path.iterdir()] == ["street.json"]


@pytest.mark.parametrize(
    ("own", "path", "told"),
    [
        ({"name": "00007", "file_name": "00007.jpg"}, "frames", "00007.jpg"),
        ({"name": "00007"}, "frames", "00007"),
        ({}, "clips/street.mov", "street.mov"),
        ({}, None, "street"),
    ],
)
def test_file_names_are_never_made_up(tmp_path, own, path, told):
    info = SourceInfo("street", "video", Path(path) if path else None)
    with writer_of("coco", Target(tmp_path, info, "instances", NAMES)) as writer:
        writer.write(FrameResult(Frame(np.zeros((20, 30, 3), np.uint8), **own), objects()))
    assert json.loads(writer.path.read_text())["images"][0]["file_name"] == told


def test_a_class_map_is_refused(tmp_path):
    semantic = SemanticMap(np.zeros((20, 30), int), ("background",))
    writer = writer_of("coco", target(tmp_path))
    with writer, pytest.raises(InvalidValue, match="need instances"):
        writer.write(FrameResult(frame(), semantic))


def predictions(kind, task):
    if task == "instances":
        return objects([4, 9]) if kind == "video" else objects()
    names = ("background", "foreground") if task == "foreground" else ("background", *NAMES)
    return SemanticMap((objects().masks.union()).astype(int), names)


KEYS = [
    (name, kind, task)
    for kind in ("image", "video")
    for task in ("instances", "semantic", "foreground")
    for name in saved_formats(kind, task)
]


@pytest.mark.parametrize("key", KEYS, ids="-".join)
def test_every_format_writes_its_file_and_only_when_whole(key, tmp_path):
    name, kind, task = key
    (writer,) = make_writers([name], target(tmp_path, kind, task))
    assert isinstance(writer, Writer)
    assert not writer.path.exists()
    with writer:
        writer.write(FrameResult(frame(), predictions(kind, task)))
    assert writer.path.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    readable = (".jpg", ".png", ".mp4", ".webm")  # what a later run could take for an input
    made = list(writer.path.iterdir()) if writer.path.is_dir() else [writer.path]
    assert all(is_output(path) for path in made if path.suffix in readable)
    if writer.path.suffix == ".json" and name not in ("coco-results", "label-studio"):
        assert json.loads(writer.path.read_text())["info"]["model"] == "tester"


def test_formats_are_chosen_by_task_and_kind(tmp_path):
    assert choose_formats(None, kind="video", task="foreground") == ("foreground", "masks")
    both = choose_formats(("foreground", "masks"), kind="image", task="foreground")
    assert len(make_writers(both, target(tmp_path, "image", "foreground"))) == 1  # one file, written once
    for names, message in [
        (("gif",), "out of overlay, masks, .*coco, .*csv, .*got 'gif'"),
        ((), "got nothing"),
    ]:
        with pytest.raises(InvalidValue, match=message):
            choose_formats(names, kind="image", task="instances")
    with pytest.raises(InvalidValue, match=r"need an output of --task semantic .*overlay, masks"):
        choose_formats(("coco",), kind="image", task="semantic")
    check_formats(("tracks",), task="instances")
    with pytest.raises(
        InvalidValue,
        match=r"--save tracks: need an output of .* for this kind of input .*coco.*, got another",
    ):
        choose_formats(("tracks",), kind="image", task="instances")


def test_a_writer_that_cannot_begin_leaves_nothing(tmp_path):
    (tmp_path / "street.overlay.mp4").mkdir()
    with pytest.raises(OutputError, match="overlay"), ExitStack() as stack:  # noqa: PT012
        for writer in make_writers(["coco", "overlay"], target(tmp_path, "video")):
            stack.enter_context(writer)
    assert [path.name for path in tmp_path.iterdir()] == ["street.overlay.mp4"]


def test_an_input_of_the_run_is_never_replaced(tmp_path):
    guarded = replace(target(tmp_path), inputs=frozenset({tmp_path / "street.json"}))
    with pytest.raises(OutputError, match="would replace an input"):
        make_writers(["coco"], guarded)


def test_masks_of_a_video_have_one_depth(tmp_path):
    (writer,) = make_writers(["masks"], target(tmp_path, "video"))
    with writer:
        writer.write(FrameResult(frame(0), objects([4, 9])))
        writer.write(FrameResult(frame(1), objects([4, 300])))
        writer.write(FrameResult(frame(2), objects([4, 9])))
    images = [Image.open(path) for path in sorted(writer.path.iterdir())]
    assert {image.mode for image in images} == {"I;16"}
    assert [sorted(np.unique(image).tolist()) for image in images] == [
        [0, 4, 9],
        [0, 4, 300],
        [0, 4, 9],
    ]
