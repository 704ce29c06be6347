import json

import numpy as np
import pytest

from maskweave.training.annotations import OTHER, classes_without_objects, read_training_set
from maskweave.training.errors import TrainingDataError
from tests.training.drawn import draw_data_set, edit


@pytest.fixture
def drawn(tmp_path):
    return draw_data_set(tmp_path)


def read(path, **options):
    return read_training_set(path, path.parent / "images", **options)


def test_every_object_is_read_with_its_mask_and_box(drawn):
    data = read(drawn)
    assert data.class_names == ("disc", "square")
    first = data.images[0]
    assert first.size == (96, 96)
    assert first.labeled.tolist() == [True, True]
    assert [item.class_index for item in first.objects] == [0, 1]
    for item in first.objects:
        mask = item.mask
        assert mask.dense().shape == mask.shape
        x1, y1, x2, y2 = item.box
        assert abs(mask.corner[0] - x1) <= 1
        assert abs(mask.corner[1] - y1) <= 1
        assert abs(mask.shape[1] - (x2 - x1)) <= 1
        assert abs(mask.shape[0] - (y2 - y1)) <= 1
    assert first.objects[1].mask.dense().mean() == pytest.approx(1, abs=0.05)


def test_an_object_of_a_class_not_asked_for_becomes_other(drawn):
    data = read(drawn, class_names=["square"])
    assert [item.class_index for item in data.images[0].objects] == [OTHER, 0]


def test_labelled_categories_exact_crowd_and_source_are_kept(drawn):
    content = json.loads(drawn.read_text())
    content["images"][0] |= {"labelled_categories": [9], "source": "here"}
    content["annotations"][0] |= {"mask_exact": False, "iscrowd": 1}
    content["annotations"][1] |= {"segmentation": None}
    drawn.write_text(json.dumps(content))
    record = read(drawn).images[0]
    assert record.labeled.tolist() == [False, True]
    assert record.objects[0].crowd
    assert not record.objects[0].mask_exact
    assert record.objects[1].mask is None
    assert len(read(drawn, exclude_sources=["here"]).images) == 5


def test_a_polygon_outside_the_image_leaves_no_object(drawn):
    content = json.loads(drawn.read_text())
    content["annotations"][0] |= {
        "segmentation": [[200, 200, 220, 200, 220, 220]],
        "bbox": [200, 200, 20, 20],
    }
    content["annotations"][1] |= {
        "segmentation": [[80, 80, 120, 80, 120, 120, 80, 120]],
        "bbox": [80, 80, 40, 40],
    }
    drawn.write_text(json.dumps(content))
    objects = read(drawn).images[0].objects
    assert len(objects) == 1
    assert objects[0].box == (80, 80, 96, 96)
    assert objects[0].mask.shape == (16, 16)


def test_a_class_without_objects_is_named(drawn):
    content = json.loads(drawn.read_text())
    edit(drawn, categories=[*content["categories"], {"id": 11, "name": "star"}])
    assert classes_without_objects(read(drawn)) == ("star",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "with at least one image"),
        ({"annotations": []}, "no image has an object of disc, square"),
        ({"categories": []}, "missing categories"),
        (
            {"images": [{"id": 1, "file_name": "gone.png", "height": 9, "width": 9}]},
            "1 of 1 images are missing.*gone",
        ),
    ],
    ids=["empty", "no-objects", "no-categories", "no-image"],
)
def test_data_that_cannot_be_trained_on_is_refused(drawn, changes, message):
    with pytest.raises(TrainingDataError, match=message):
        read(edit(drawn, **changes))


def test_unreadable_files_and_unknown_classes_are_refused(drawn, tmp_path):
    with pytest.raises(TrainingDataError, match="but it does not exist"):
        read(tmp_path / "none.json")
    with pytest.raises(TrainingDataError, match="classes star are not among its categories"):
        read(drawn, class_names=["star"])
    drawn.write_text("{")
    with pytest.raises(TrainingDataError, match="need JSON"):
        read(drawn)


def test_mask_crops_come_back_as_they_were(drawn):
    for record in read(drawn).images:
        for item in record.objects:
            dense = item.mask.dense()
            assert dense.any(0).all()
            assert dense.any(1).all()
            assert set(np.unique(dense)) <= {0, 1}
