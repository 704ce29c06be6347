"""The YOLO layout says the same as the COCO file it was written from."""

import re
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.annotations.data_yaml import read_data_yaml
from maskweave.annotations.report import Report
from maskweave.annotations.yolo import label_path
from maskweave.errors import InvalidValue
from maskweave.training.annotations import OTHER, read_training_set, read_truths
from maskweave.training.errors import TrainingDataError
from tests.training.drawn import draw_data_set, write_as_yolo

pytest.importorskip("yaml", reason="a data.yaml needs PyYAML: pip install maskweave[train]")


@pytest.fixture
def drawn(tmp_path):
    return draw_data_set(tmp_path / "coco")


@pytest.fixture
def data_yaml(drawn, tmp_path):
    return write_as_yolo(drawn, tmp_path / "yolo", val=2)


def read(path, **options):
    return read_training_set(path, read_data_yaml(path).root, **options)


def first_label(data_yaml, part="train"):
    return sorted((data_yaml.parent / "labels" / part).glob("*.txt"))[0]


def test_the_same_set_in_both_layouts_is_read_alike(drawn, data_yaml):
    coco = read_training_set(drawn, drawn.parent / "images")
    yolo = read_training_set(data_yaml, data_yaml.parent)
    assert yolo.class_names == coco.class_names
    assert [record.path.name for record in yolo.images] == [record.path.name for record in coco.images][2:]
    for ours, theirs in zip(yolo.images, coco.images[2:], strict=True):
        assert ours.size == theirs.size
        assert ours.labeled.all()
        for a, b in zip(ours.objects, theirs.objects, strict=True):
            assert (a.class_index, a.mask_exact, a.crowd) == (b.class_index, True, False)
            np.testing.assert_allclose(a.box, b.box, atol=1e-3)
            assert a.mask.corner == b.mask.corner
            # COCO's rule for pixels of the border, by which AP is defined, is not that of pixel centers
            assert (a.mask.dense() == b.mask.dense()).mean() > 0.98


def test_validation_is_read_from_its_own_entry(drawn, data_yaml):
    truths = read_truths(data_yaml, data_yaml.parent, ("disc", "square"))
    assert [truth.file_name for truth in truths] == ["images/val/0.png", "images/val/1.png"]
    coco = read_training_set(drawn, drawn.parent / "images").images[0]
    instances = truths[0].instances
    assert instances.names == ("disc", "square")
    assert not truths[0].crowd.any()
    assert instances.masks.areas.tolist() == [item.mask.dense().sum() for item in coco.objects]


def test_an_object_with_only_a_box_costs_nothing_in_validation(data_yaml):
    first_label(data_yaml, "val").write_text("1 0.5 0.5 0.25 0.5\n")
    truth = read_truths(data_yaml, data_yaml.parent, ("disc", "square"))[0]
    assert truth.box_only.tolist() == [True]
    assert truth.instances.boxes.tolist() == [[36, 24, 60, 72]]
    assert truth.instances.masks.areas.tolist() == [24 * 48]


def test_five_columns_are_a_box(data_yaml):
    first_label(data_yaml).write_text("1 0.5 0.5 0.25 0.5\n\n")
    (item,) = read(data_yaml).images[0].objects
    assert (item.class_index, item.box, item.mask) == (1, (36.0, 24.0, 60.0, 72.0), None)


def test_an_image_without_a_label_file_is_empty(data_yaml):
    first_label(data_yaml).unlink()
    data = read(data_yaml)
    assert [len(record.objects) for record in data.images] == [0, 2, 2, 2]


def test_classes_not_asked_for_become_other(data_yaml):
    data = read(data_yaml, class_names=["square"])
    assert [item.class_index for item in data.images[0].objects] == [OTHER, 0]
    with pytest.raises(TrainingDataError, match="classes star are not among its categories"):
        read(data_yaml, class_names=["star"])


def test_what_lies_outside_the_image_is_cut_off(data_yaml):
    first_label(data_yaml).write_text(
        "0 0.75 0.75 1.5 0.75 1.5 1.5 0.75 1.5\n0 2 2 3 2 3 3\n1 1 0.5 0.5 0.5\n1 2 2 0.5 0.5\n"
    )
    outlined, boxed = read(data_yaml).images[0].objects
    assert outlined.box == (72, 72, 96, 96)
    assert outlined.mask.shape == (24, 24)
    assert boxed.box == (72, 24, 96, 72)


@given(
    points=st.lists(st.tuples(*[st.integers(-40, 140).map(lambda n: n / 100)] * 2), min_size=3, max_size=7),
    size=st.tuples(st.integers(8, 70), st.integers(8, 70)),
)
@settings(max_examples=30)
def test_boxes_hold_their_masks_and_stay_inside(points, size, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((*size, 3), np.uint8))
    cv2.imwrite(str(folder / "images" / "b.png"), np.zeros((9, 9, 3), np.uint8))
    (folder / "labels" / "a.txt").write_text("0 " + " ".join(f"{x} {y}" for x, y in points))
    (folder / "labels" / "b.txt").write_text("0 0.5 0.5 0.5 0.5")  # so that something can be learned
    (folder / "data.yaml").write_text("train: images\nnames: [disc]\n")
    for item in read(folder / "data.yaml").images[0].objects:
        x1, y1, x2, y2 = item.box
        assert 0 <= x1 < x2 <= size[1]
        assert 0 <= y1 < y2 <= size[0]
        if item.mask is not None:
            (x, y), (rows, columns) = item.mask.corner, item.mask.shape
            assert x1 - 1 <= x
            assert y1 - 1 <= y
            assert x + columns <= x2 + 1
            assert y + rows <= y2 + 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.1 0.1 0.2 0.2", r"line 2: need a class number of 0 to 1, got '2'"),
        ("-1 0.1 0.1 0.2 0.2", "line 2: need a class number"),
        ("disc 0.1 0.1 0.2 0.2", "line 2: need a class number"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 4", r"line 2: need a score in 0\.\.1, got 4"),
        ("0 0.1 0.1", "line 2: need .* got 2 numbers"),
        ("0", "line 2: need .* got 0 numbers"),
        ("0 a b c d", "line 2: need numbers after the class"),
        ("0 nan 0 1 1 0 1", "line 2: need finite coordinates"),
        ("0 10 10 50 10 50 50", "line 2: need shares of .*are these pixels"),
    ],
)
def test_a_malformed_line_is_named(data_yaml, line, message):
    label = first_label(data_yaml)
    label.write_text(f"0 0.5 0.5 0.2 0.2\n{line}\n")
    report = Report()
    assert len(read(data_yaml, report=report).images[0].objects) == 1
    assert re.match(rf"{label.name}, {message}", report.messages[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images/train\n", "need names, a list of class names"),
        ("names: []\ntrain: images/train\n", "need names, a list of class names"),
        ("names: {0: disc, 2: square}\ntrain: images/train\n", "need names numbered 0 to 1, got 0, 2"),
        ("names: [disc, square]\n", "has no train entry"),
        ("names: [disc, square]\ntrain: gone\n", "has no images"),
        ("names: [disc, square]\ntrain: empty\n", "has no images"),
        ("names: [disc\n", "not a YAML file"),
        ("- disc\n", "need the keys train, val and names, got a list"),
    ],
)
def test_a_file_that_says_too_little_is_refused(data_yaml, text, message):
    (data_yaml.parent / "empty").mkdir()
    data_yaml.write_text(text)
    with pytest.raises((InvalidValue, TrainingDataError), match=message):
        read(data_yaml)


def test_missing_labels_and_images_are_named(data_yaml):
    shutil.rmtree(data_yaml.parent / "labels" / "train")
    with pytest.raises(TrainingDataError, match=r"no image has an object.*there is no folder .*labels.train"):
        read(data_yaml)
    (data_yaml.parent / "images" / "val" / "0.png").write_bytes(b"no image")
    assert len(read_truths(data_yaml, data_yaml.parent, ["disc"])) == 1
    report = Report()
    (data_yaml.parent / "train.txt").write_text("./images/val/1.png\nimages/val/gone.png\n")
    data_yaml.write_text("names: [disc, square]\ntrain: train.txt\n")
    assert len(read(data_yaml, report=report).images) == 1
    assert report.messages == [f"{data_yaml.parent / 'images/val/gone.png'}: the image is missing"]


def test_labels_without_any_object_teach_nothing(data_yaml):
    for label in (data_yaml.parent / "labels" / "train").iterdir():
        label.write_text("")
    with pytest.raises(TrainingDataError, match="no image has an object of disc, square"):
        read(data_yaml)


@pytest.mark.parametrize(
    "text",
    [
        "path: .\ntrain: images/train\nnames: {0: disc, 1: square}\n",
        "path: /of/another/machine\ntrain: ../images/train/\nnames: [disc, square]\nnc: 2\n",
        "train: [images/train, images/val]\nnames: [disc, square]\n",
        "train: list.txt\nnames: [disc, square]\n",
    ],
    ids=["numbered-names", "moved", "two-folders", "list"],
)
def test_the_ways_to_say_where_images_are(data_yaml, text):
    folder = data_yaml.parent
    (folder / "list.txt").write_text("".join(f"images/train/{n}.png\n" for n in (2, 3, 4, 5)))
    data_yaml.write_text(text)
    data = read(data_yaml)
    assert data.class_names == ("disc", "square")
    assert len(data.images) == (6 if "[images" in text else 4)
    assert all(len(record.objects) == 2 for record in data.images)


def test_labels_lie_beside_images_where_no_folder_is_called_so(tmp_path):
    assert (
        label_path(tmp_path / "images" / "images" / "a.b.jpg") == tmp_path / "images" / "labels" / "a.b.txt"
    )
    assert label_path(tmp_path / "photos" / "a.jpg") == tmp_path / "photos" / "a.txt"


def test_a_turned_photo_is_measured_as_it_is_decoded(data_yaml):
    from PIL import Image

    path = data_yaml.parent / "images" / "train" / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 80, 3), np.uint8)).save(path, exif=exif)
    size = read(data_yaml).images[-1].size
    assert size == cv2.imread(str(path)).shape[:2] == (80, 40)
