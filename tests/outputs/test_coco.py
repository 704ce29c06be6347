import json
from fractions import Fraction

import numpy as np
import pytest
from pycocotools.coco import COCO

from maskweave.errors import InvalidValue
from maskweave.ops.coco_names import COCO_IDS, category_ids
from maskweave.outputs import FORMATS, choose_formats, open_writers
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.coco import CocoFile, coco_results
from maskweave.types import Frame, Instances, Masks, SemanticMap, SourceInfo

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
    with CocoFile(target(tmp_path, "video")) as writer:
        writer.write(frame(0), objects([4, 9]))
        writer.write(frame(1), objects([4, 9])[[]])
        writer.write(frame(2), objects([4, 9])[[1]])
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
    with pytest.raises(KeyboardInterrupt), CocoFile(target(tmp_path)) as writer:  # noqa: PT012
        writer.write(frame(), objects())
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_class_map_is_refused(tmp_path):
    semantic = SemanticMap(np.zeros((20, 30), int), ("background",))
    writer = CocoFile(target(tmp_path))
    with writer, pytest.raises(InvalidValue, match="need instances"):
        writer.write(frame(), semantic)


def predictions(task):
    if task == "instances":
        return objects()
    names = ("background", "foreground") if task == "foreground" else ("background", *NAMES)
    return SemanticMap((objects().masks.union()).astype(int), names)


@pytest.mark.parametrize("key", FORMATS, ids="-".join)
def test_every_format_writes_its_file_and_only_when_whole(key, tmp_path):
    name, kind, task = key
    (writer,) = open_writers([name], target(tmp_path, kind, task))
    assert isinstance(writer, Writer)
    assert not writer.path.exists()
    with writer:
        writer.write(frame(), predictions(task))
    assert writer.path.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    if writer.path.suffix == ".json":
        assert json.loads(writer.path.read_text())["info"]["model"] == "tester"


def test_formats_are_chosen_by_task_and_kind():
    assert choose_formats(None, kind="video", task="foreground") == ("foreground", "masks")
    assert choose_formats(("foreground", "masks"), kind="image", task="foreground") == ("masks",)
    with pytest.raises(InvalidValue, match="out of overlay, masks, coco, foreground, got 'gif'"):
        choose_formats(("gif",), kind="image", task="instances")
    with pytest.raises(InvalidValue, match="--save coco: there is no such output of --task semantic"):
        choose_formats(("coco",), kind="image", task="semantic")


def test_when_one_writer_cannot_open_the_others_are_undone(tmp_path):
    (tmp_path / "street.overlay.mp4").mkdir()
    with pytest.raises(Exception, match="overlay"):
        open_writers(["coco", "overlay"], target(tmp_path, "video"))
    assert [path.name for path in tmp_path.iterdir()] == ["street.overlay.mp4"]
