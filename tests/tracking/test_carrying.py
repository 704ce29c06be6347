from fractions import Fraction

import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.tracking.carrying import MaskCarrier
from maskweave.tracking.key_frames import KeyFrames
from maskweave.types import Frame, Instances, Masks
from tests.tracking import scenes
from tests.tracking.drawn import Disc, draw, iou


def found_in(masks):
    compact = Masks.from_dense(masks)
    count = len(masks)
    return Instances(
        compact, compact.boxes, np.linspace(0.9, 0.5, count), np.arange(count) % 2, ("disc", "ball"),
        track_ids=np.arange(count) + 5,
    )  # fmt: skip


@pytest.mark.parametrize("pan", [0, 2])
def test_masks_follow_objects_and_camera(pan):
    discs = [Disc(60, 60, dx=3, dy=1), Disc(140, 50, dx=-4, colour=(60, 80, 220))]
    image, masks = draw(discs, 0, pan=pan)
    carrier = MaskCarrier()
    carrier.note(image, found_in(masks))
    for time in range(1, 5):
        image, truth = draw(discs, time, pan=pan)
        found = carrier.carry(image)
        assert found.track_ids.tolist() == [5, 6]
        assert found.class_ids.tolist() == [0, 1]
        assert found.scores.tolist() == [0.9, 0.5]
        for mask, true in zip(found.masks.dense(), truth, strict=True):
            assert iou(mask, true) > 0.85


def test_in_a_still_picture_masks_stay_to_the_pixel():
    image, masks = draw([Disc(60, 60), Disc(190, 110)], 0)
    carrier = MaskCarrier()
    found = carrier.note(image, found_in(masks))
    assert carrier.carry(image).masks == found.masks


def test_large_pictures_are_carried_in_their_own_pixels():
    """Motion is measured on reduced pictures; the mask moves by whole source pixels all the same."""
    floor, size = scenes.ground(0), (400, 700)
    mask = np.zeros((1, *size), bool)
    mask[0, 150:250, 300:420] = True
    carrier = MaskCarrier()
    carrier.note(scenes.window(floor, (0, 0), size), found_in(mask))
    moved = np.roll(mask[0], -10, axis=1)  # the camera goes to the right
    assert iou(carrier.carry(scenes.window(floor, (10, 0), size)).masks.union(), moved) > 0.95


def test_what_leaves_the_picture_is_dropped():
    floor, size = scenes.ground(0), (400, 700)
    mask = np.zeros((1, *size), bool)
    mask[0, 150:250, :40] = True
    carrier = MaskCarrier()
    carrier.note(scenes.window(floor, (0, 0), size), found_in(mask))
    left = [len(carrier.carry(scenes.window(floor, (10 * time, 0), size))) for time in range(1, 8)]
    assert left[:2] == [1, 1]
    assert left[-2:] == [0, 0]


def test_nothing_can_be_carried_from_nowhere():
    image, masks = draw([Disc(60, 60)], 0)
    with pytest.raises(InvalidValue, match=r"need a frame of size \(120, 200\) before"):
        MaskCarrier().carry(image)
    carrier = MaskCarrier()
    carrier.note(image, found_in(masks))
    with pytest.raises(InvalidValue, match=r"need a frame of size \(100, 200\) before"):
        carrier.carry(image[:100])


def test_key_frames_are_every_third_and_those_after_cuts_and_of_another_size():
    first, second = draw([], 0)[0], draw([], 0, seed=9, ground=(200, 60, 160))[0]
    pictures = [first] * 5 + [second] * 4 + [second[:100]] * 2
    line = [Frame(image, index=index, time=Fraction(index, 25)) for index, image in enumerate(pictures)]
    keys = KeyFrames(3)
    assert [frame.index for frame in line if keys.looks_at(frame)] == [0, 3, 5, 8, 9]
    assert all(KeyFrames(1).looks_at(frame) for frame in line)
    with pytest.raises(InvalidValue, match="every: need 1 or more"):
        KeyFrames(0)
