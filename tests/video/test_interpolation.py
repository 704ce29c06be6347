from fractions import Fraction

import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.types import Frame, Instances, Masks
from maskweave.video.interpolation import MaskInterpolator
from maskweave.video.key_frames import KeyFrames
from maskweave.video.stream import VideoStream
from tests.video import scenes
from tests.video.drawn import Disc, draw, iou


def found_in(masks):
    compact = Masks.from_dense(masks)
    count = len(masks)
    return Instances(
        compact, compact.boxes, np.linspace(0.9, 0.5, count), np.arange(count) % 2, ("disc", "ball"),
        track_ids=np.arange(count) + 5,
    )  # fmt: skip


class Interpolation:
    """An interpolator and the video that it is given."""

    def __init__(self):
        self.stage, self.stream = MaskInterpolator(), VideoStream()

    def update(self, image, found=None):
        return self.stage.update(self.stream.facts(Frame(image)), found)


@pytest.mark.parametrize("pan", [0, 2])
def test_masks_follow_objects_and_camera(pan):
    discs = [Disc(60, 60, dx=3, dy=1), Disc(140, 50, dx=-4, color=(60, 80, 220))]
    image, masks = draw(discs, 0, pan=pan)
    between = Interpolation()
    between.update(image, found_in(masks))
    for time in range(1, 5):
        image, truth = draw(discs, time, pan=pan)
        found = between.update(image)
        assert found.track_ids.tolist() == [5, 6]
        assert found.class_ids.tolist() == [0, 1]
        assert found.scores.tolist() == [0.9, 0.5]
        for mask, true in zip(found.masks.dense(), truth, strict=True):
            assert iou(mask, true) > 0.85


def test_in_a_still_image_masks_stay_to_the_pixel():
    image, masks = draw([Disc(60, 60), Disc(190, 110)], 0)
    between = Interpolation()
    found = between.update(image, found_in(masks))
    assert between.update(image).masks == found.masks


def test_in_large_images_masks_move_in_their_own_pixels():
    """Motion is measured on reduced images; the mask moves by whole source pixels all the same."""
    floor, size = scenes.ground(0), (400, 700)
    mask = np.zeros((1, *size), bool)
    mask[0, 150:250, 300:420] = True
    between = Interpolation()
    between.update(scenes.window(floor, (0, 0), size), found_in(mask))
    moved = np.roll(mask[0], -10, axis=1)  # the camera goes to the right
    assert iou(between.update(scenes.window(floor, (10, 0), size)).masks.union(), moved) > 0.95


def test_what_leaves_the_image_is_dropped():
    floor, size = scenes.ground(0), (400, 700)
    mask = np.zeros((1, *size), bool)
    mask[0, 150:250, :40] = True
    between = Interpolation()
    between.update(scenes.window(floor, (0, 0), size), found_in(mask))
    left = [len(between.update(scenes.window(floor, (10 * time, 0), size))) for time in range(1, 8)]
    assert left[:2] == [1, 1]
    assert left[-2:] == [0, 0]


def test_between_key_frames_there_is_nothing_without_one():
    image, masks = draw([Disc(60, 60)], 0)
    with pytest.raises(InvalidValue, match=r"need a frame of 200x120 before"):
        Interpolation().update(image)
    between = Interpolation()
    between.update(image, found_in(masks))
    with pytest.raises(InvalidValue, match=r"need a frame of 200x100 before"):
        between.update(image[:100])


def test_key_frames_are_every_third_and_the_first_of_a_scene_and_of_another_size():
    first, second = draw([], 0)[0], draw([], 0, seed=9, ground=(200, 60, 160))[0]
    images = [first] * 5 + [second] * 4 + [second[:100]] * 2
    line = [Frame(image, index=index, time=Fraction(index, 25)) for index, image in enumerate(images)]
    keys, stream = KeyFrames(3), VideoStream()
    assert [frame.index for frame in line if keys.update(stream.facts(frame))] == [0, 3, 5, 8, 9]
    assert all(KeyFrames(1).update(stream.facts(frame)) for frame in line)
    with pytest.raises(InvalidValue, match="every: need 1 or more"):
        KeyFrames(0)
