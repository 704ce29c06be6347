import numpy as np
import pytest
from PIL import Image

from maskweave.annotations.cityscapes import LABELS, THINGS
from maskweave.annotations.record import Record
from maskweave.errors import InvalidValue
from maskweave.types import SemanticMap
from tests.annotations.scenes import (
    SIZE,
    collected,
    objects,
    plain,
    put_images,
    read,
    rectangle,
    same_objects,
    write,
)

ROAD = np.zeros(SIZE, int)
ROAD[9:, :5], ROAD[0, 0] = 1, 255


def scene(name="bonn/bonn_1.png", **columns):
    return Record(name, plain(**columns).instances, semantic=SemanticMap(ROAD, ("background", "road")))


def pixels(path):
    with Image.open(path) as image:
        return image.mode, np.array(image)


def test_numbers_are_those_of_cityscapes(tmp_path):
    write(tmp_path / "out", "cityscapes", put_images(tmp_path / "photos", scene()), with_images="copy")
    root = tmp_path / "out" / "gtFine" / "bonn"
    mode, labels = pixels(root / "bonn_1_gtFine_labelIds.png")
    assert (mode, sorted(np.unique(labels).tolist())) == ("L", [0, 7, 24, 26, 255])
    mode, ids = pixels(root / "bonn_1_gtFine_instanceIds.png")
    assert mode.startswith("I")
    assert sorted(np.unique(ids).tolist()) == [0, 7, 24000, 26000]
    (after,) = read(tmp_path / "out")
    assert after.image == tmp_path / "out" / "leftImg8bit" / "bonn" / "bonn_1_leftImg8bit.png"
    assert same_objects(after, scene())
    np.testing.assert_array_equal(after.semantic.mask("road"), ROAD == 1)
    np.testing.assert_array_equal(after.semantic.class_map == 255, ROAD == 255)


def test_groups_are_crowds(tmp_path):
    before = Record("a.png", plain().instances, crowd=[True, False])
    write(tmp_path / "out", "cityscapes", [before])
    _, ids = pixels(tmp_path / "out" / "gtFine" / "a_gtFine_instanceIds.png")
    assert sorted(np.unique(ids).tolist()) == [0, 24, 26000]
    (after,) = read(tmp_path / "out")
    assert dict(zip(after.instances.names, after.crowds.tolist(), strict=True)) == {
        "person": True,
        "car": False,
    }


def test_other_classes_are_left_out_and_told(tmp_path):
    classes = np.zeros(SIZE, int)
    classes[11] = 1
    before = Record(
        "a.png",
        objects([rectangle(1, 1, 6, 8), rectangle(8, 2, 15, 11)], names=("unicorn", "building")),
        semantic=SemanticMap(classes, ("background", "lava")),
    )
    report = write(tmp_path / "out", "cityscapes", [before])
    assert report.losses == {"names": (1, 0), "stuff": (1, 0), "class map": (0, 16)}
    (after,) = read(tmp_path / "out")
    assert len(after.instances) == 0
    assert after.semantic.present() == ("unlabeled", "building")


def test_a_thousand_objects_of_a_class_are_all_there_is(tmp_path):
    dense = np.zeros((1003, 40, 40), bool)
    dense.reshape(1003, -1)[np.arange(1003), np.arange(1003)] = True
    report = write(tmp_path / "out", "cityscapes", [Record("a.png", objects(dense, names=("car",)))])
    assert report.losses == {"ids": (3, 0)}


@pytest.mark.parametrize(
    ("suffix", "value", "message"),
    [
        ("labelIds", 77, "need label ids 0 to 33, got 77"),
        ("instanceIds", 99_9, None),
        ("labelIds", None, "no such file"),
        ("instanceIds", None, "no such file"),
    ],
)
def test_a_broken_image_is_named_and_the_rest_goes_on(tmp_path, suffix, value, message):
    write(tmp_path / "out", "cityscapes", [scene("a.png"), scene("b.png")])
    file = tmp_path / "out" / "gtFine" / f"a_gtFine_{suffix}.png"
    if value is None:
        file.unlink()
    else:
        _, values = pixels(file)
        values[3, 3] = value
        Image.fromarray(values).save(file)
    found, lines = collected(tmp_path / "out")
    assert found[-1].stem == "b"
    assert len(lines) == int(message is not None and not (suffix == "labelIds" and value is None))
    assert all(message in line and line.startswith("a: ") for line in lines)


def test_the_table_of_labels_is_that_of_cityscapes():
    assert (LABELS[7], LABELS[24], LABELS[26], LABELS[33], len(LABELS)) == (
        "road",
        "person",
        "car",
        "bicycle",
        34,
    )
    assert {LABELS[number] for number in THINGS} >= {"person", "rider", "caravan", "train", "bicycle"}


def test_a_folder_without_images_is_told(tmp_path):
    with pytest.raises(InvalidValue, match="found none"):
        read(tmp_path, "cityscapes")
