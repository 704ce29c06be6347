import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.types import Instances, Masks
from maskweave.video.mask_propagator import MaskPropagator, share_pixels
from tests.video.drawn import Disc, draw, facts_of, iou


def begun(image, masks):
    """What follows (K, H, W) masks from an image on."""
    facts = facts_of(image)
    return MaskPropagator(facts, np.stack([facts.features.from_source(mask) for mask in masks]))


def update(propagator, facts):
    return propagator.update(facts, facts.network_instances)


def follow(discs, frames, **options):
    """Truth and result of every frame after the first."""
    image, masks = draw(discs, 0, **options)
    propagator = begun(image, masks)
    for time in range(1, frames):
        image, masks = draw(discs, time, **options)
        yield masks, update(propagator, facts_of(image))


def test_a_moving_object_is_followed_where_a_still_mask_fails():
    disc = Disc(40, 60, dx=4)
    first = draw([disc], 0)[1][0]
    pairs = list(follow([disc], 20))
    assert min(iou(truth[0], soft[0] > 0.5) for truth, soft in pairs) > 0.85
    assert iou(pairs[-1][0][0], first) < 0.1


def test_the_camera_may_pan():
    pairs = list(follow([Disc(60, 60, dx=1, dy=0.5)], 15, pan=3))
    assert min(iou(truth[0], soft[0] > 0.5) for truth, soft in pairs) > 0.85


def test_objects_that_cross_keep_their_numbers():
    discs = [Disc(40, 60, dx=5), Disc(160, 66, dx=-5, color=(60, 80, 220))]
    truth, soft = list(follow(discs, 24))[-1]
    for row in (0, 1):
        assert iou(truth[row], soft[row] > 0.5) > 0.75


def test_in_another_scene_the_object_is_found_by_its_looks():
    image, masks = draw([Disc(40, 60)], 0)
    propagator = begun(image, masks)
    elsewhere, truth = draw([Disc(150, 50)], 0, seed=3)
    found = update(propagator, facts_of(elsewhere, scene_start=True))[0] > 0.5
    assert iou(truth[0], found) > 0.7


def test_an_instance_that_fits_says_where_the_object_is():
    """Colors and features that tell nothing apart: only the network's instance knows how the object grew."""
    image = np.full((120, 200, 3), 90, np.uint8)
    grown = np.zeros((1, 120, 200), bool)
    small = grown.copy()
    small[0, 40:70, 60:100] = True
    grown[0, 38:74, 57:104] = True
    found = Instances.empty((120, 200), ("disc",)).replace(
        masks=Masks.from_dense(grown), boxes=np.array([[57.0, 38, 104, 74]]), scores=[0.9], class_ids=[0]
    )
    with_it, without = (update(begun(image, small), facts_of(image, each))[0] > 0.5 for each in (found, None))
    assert iou(grown[0], with_it) > iou(grown[0], without) + 0.1


def test_pixels_are_shared():
    shared = share_pixels(np.full((3, 4, 5), 0.5))
    np.testing.assert_allclose(shared, 0.25)
    np.testing.assert_allclose(share_pixels(np.full((1, 2, 2), 0.7)), 0.7)


def test_sizes_must_fit():
    first = facts_of(draw([], 0)[0])
    with pytest.raises(InvalidValue, match=r"need \(K, 120, 200\), got \(1, 10, 10\)"):
        MaskPropagator(first, np.ones((1, 10, 10)))
    propagator = MaskPropagator(first, np.ones((1, 120, 200)))
    with pytest.raises(InvalidValue, match=r"need \(120, 200\) as before"):
        update(propagator, facts_of(np.zeros((64, 64, 3), np.uint8)))
