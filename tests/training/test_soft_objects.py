"""What teachers saw becomes objects, as far as it is believed and says something new."""

import json

import numpy as np
import pytest

from maskweave.ops.rle import encode_masks
from maskweave.training.annotations import ImageRecord, ObjectRecord, TrainingSet
from maskweave.training.errors import TrainingDataError
from maskweave.training.soft_objects import add_soft_objects
from maskweave.types.masks import Masks

INDEX = {7: 0, 9: 1}  # category ids of the two classes; the second is not labeled
KNOWN = (10.0, 10.0, 30.0, 30.0)


def data():
    known = ObjectRecord(0, KNOWN, None, mask_exact=True, crowd=False)
    image = ImageRecord(5, None, (80, 100), np.array([True, False]), (known,), "")
    return TrainingSet(("disc", "square"), (image,))


def added(tmp_path, *boxes, **extra):
    """The objects that lines of boxes add."""
    path = tmp_path / "seen.jsonl"
    path.write_text(json.dumps({"image_id": 5, "boxes": boxes, **extra}) + "\n")
    (image,) = add_soft_objects(data(), path, INDEX).images
    assert image.objects[0].box == KNOWN
    return image.objects[1:]


@pytest.mark.parametrize(
    ("score", "verdict", "trust"),
    [
        (0.6, None, 0.6),
        (0.45, None, 0.45),
        (0.44, None, None),
        (0.9, -1, None),
        (0.9, 0, None),
        (0.1, 1, 1.0),
    ],
)
def test_scores_are_believed_from_a_threshold_on_and_verdicts_before_them(tmp_path, score, verdict, trust):
    found = added(tmp_path, [40, 40, 60, 60, score, 9, verdict])
    assert [each.trust for each in found] == ([] if trust is None else [trust])


def test_a_box_alone_becomes_an_object_without_a_mask(tmp_path):
    (found,) = added(tmp_path, [40, 40, 60, 70, 0.6, 9, None])
    assert (found.class_index, found.box, found.mask, found.crowd) == (1, (40, 40, 60, 70), None, False)


def test_a_mask_beside_the_box_is_kept_and_never_called_exact(tmp_path):
    dense = np.zeros((1, 80, 100), bool)
    dense[0, 40:70, 40:60] = True
    (found,) = added(tmp_path, [40, 40, 60, 70, 0.6, 9, None], masks=encode_masks(Masks.from_dense(dense)))
    assert not found.mask_exact
    assert found.mask.corner == (40, 40)
    assert found.mask.dense().shape == (30, 20)


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ([40, 40, 60, 60, 0.9, 7, None], "its class is labeled in the image"),
        ([12, 12, 30, 30, 0.9, 9, None], "a labeled object is there"),
        ([40, 40, 60, 60, 0.9, 8, None], "its class is not trained"),
        ([40, 40, 40.5, 60, 0.9, 9, None], "it is too narrow"),
        ([120, 40, 160, 60, 0.9, 9, None], "it lies outside the image"),
    ],
)
def test_what_says_nothing_new_is_left_out(tmp_path, box, why):
    assert added(tmp_path, box) == (), why


def test_boxes_are_cut_at_the_edge_of_the_image(tmp_path):
    (found,) = added(tmp_path, [-5, 40, 120, 90, 0.9, 9, None])
    assert found.box == (0, 40, 100, 80)


def test_images_of_other_ids_stay_as_they_are(tmp_path):
    path = tmp_path / "seen.jsonl"
    path.write_text(json.dumps({"image_id": 6, "boxes": [[40, 40, 60, 60, 0.9, 9, None]]}) + "\n")
    assert add_soft_objects(data(), path, INDEX).images[0].objects == data().images[0].objects


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"boxes": []}',
        '{"image_id": 5}',
        '{"image_id": 5, "boxes": [[1, 2, 3]]}',
        '{"image_id": 5, "boxes": [[1, 2, 30, 40, 0.9, "nine", null]]}',
        '{"image_id": 5, "boxes": [[1, 2, 30, 40, 0.9, 9, null]], "masks": []}',
        '{"image_id": 5, "boxes": [[1, 2, 30, 40, 0.9, 9, null]], "masks": [{}, {}]}',
    ],
)
def test_lines_of_another_form_are_refused(tmp_path, line):
    path = tmp_path / "seen.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(TrainingDataError, match=r"seen.jsonl: need JSON lines of image_id and boxes, got"):
        add_soft_objects(data(), path, INDEX)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TrainingDataError, match=r"seen.jsonl: need JSON lines"):
        add_soft_objects(data(), tmp_path / "seen.jsonl", INDEX)
