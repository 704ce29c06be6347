from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.training.annotations import ImageRecord, MaskCrop, ObjectRecord
from maskweave.training.augment import Augmentation, make_view

PLAIN = Augmentation(scale=(1, 1), color=0, flip=0, gray=0, paste=0)


def record(box=(20, 10, 60, 50), *, mask=True, exact=True, crowd=False, class_index=0, size=(96, 96)):
    x1, y1, x2, y2 = box
    crop = (
        MaskCrop(np.packbits(np.ones((y2 - y1, x2 - x1), np.uint8)), (y2 - y1, x2 - x1), (x1, y1))
        if mask
        else None
    )
    item = ObjectRecord(class_index, tuple(float(v) for v in box), crop, exact, crowd)
    return ImageRecord(1, None, size, np.array([True, False]), (item,), "")


def make_image(box=(20, 10, 60, 50), size=(96, 96)):
    image = np.full((*size, 3), 20, np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 220
    return image


@given(seed=st.integers(0, 10_000))
def test_box_and_mask_follow_the_image(seed):
    how = Augmentation(scale=(0.6, 1.8), color=0, flip=0.5, gray=0, paste=0)
    view = make_view(record(), make_image(), (96, 128), rng=np.random.default_rng(seed), augmentation=how)
    if not len(view.boxes):
        assert len(view.silent) == 1
        return
    bright = view.image[:, :, 0] > 150
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(view.boxes[0], seen, atol=1.6)
    covered = bright.reshape(48, 2, 64, 2).mean((1, 3))
    assert np.abs(covered - view.masks[0] / 255).mean() < 0.05


def test_the_same_generator_gives_the_same_view():
    views = [
        make_view(
            record(),
            make_image(),
            (96, 96),
            rng=np.random.default_rng(5),
            augmentation=Augmentation(),
            donor=(record(), make_image()),
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(views[0].image, views[1].image)
    np.testing.assert_array_equal(views[0].boxes, views[1].boxes)


@pytest.mark.parametrize(
    ("options", "objects", "silent", "weight"),
    [
        ({}, 1, 0, 1.0),
        ({"mask": False}, 1, 0, 0.0),
        ({"exact": False}, 1, 0, 0.6),
        ({"crowd": True}, 0, 1, None),
        ({"box": (20, 10, 22, 12)}, 0, 1, None),
    ],
    ids=["exact", "box-only", "inexact", "crowd", "tiny"],
)
def test_each_kind_of_object_gets_its_share(options, objects, silent, weight):
    view = make_view(
        record(**options), make_image(), (96, 96), rng=np.random.default_rng(0), augmentation=PLAIN
    )
    assert len(view.boxes) == objects
    assert len(view.silent) == silent
    if weight is not None:
        assert view.mask_weights.tolist() == pytest.approx([weight])


def test_trust_goes_with_its_object():
    believed = record()
    doubted = replace(believed, objects=(replace(believed.objects[0], trust=0.4), believed.objects[0]))
    view = make_view(doubted, make_image(), (96, 96), rng=np.random.default_rng(0), augmentation=PLAIN)
    assert view.trust.tolist() == pytest.approx([0.4, 1.0])


def test_a_pasted_object_hides_what_lies_below():
    how = Augmentation(scale=(1, 1), color=0, flip=0, gray=0, paste=1)
    found = [
        make_view(
            record(), make_image(), (96, 96), rng=np.random.default_rng(s), augmentation=how,
            donor=(record((40, 10, 70, 50), class_index=1), make_image((40, 10, 70, 50)))
        )
        for s in range(5)
    ]  # fmt: skip
    pasted = [view for view in found if len(view.classes) == 2]
    assert pasted
    for view in pasted:
        assert view.classes.tolist() == [0, 1]
        assert (view.masks[0].astype(int) + view.masks[1]).max() <= 257  # shares of a cell, each rounded
