import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.tracking.propagation import MaskPropagator, share_pixels
from maskweave.types import Instances, Masks
from tests.tracking.drawn import Disc, draw, iou, view_of


def nothing_in(image):
    return Instances.empty(image.shape[:2], ("disc",))


def follow(discs, frames, **options):
    """Truth and result of every frame after the first."""
    image, masks = draw(discs, 0, **options)
    view = view_of(image)
    propagator = MaskPropagator(view, np.stack([view.from_source(mask) for mask in masks]))
    for time in range(1, frames):
        image, masks = draw(discs, time, **options)
        yield masks, propagator.update(view_of(image), image, nothing_in(image))


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
    discs = [Disc(40, 60, dx=5), Disc(160, 66, dx=-5, colour=(60, 80, 220))]
    truth, soft = list(follow(discs, 24))[-1]
    for row in (0, 1):
        assert iou(truth[row], soft[row] > 0.5) > 0.75


def test_after_a_cut_the_object_is_found_by_its_looks():
    image, masks = draw([Disc(40, 60)], 0)
    view = view_of(image)
    propagator = MaskPropagator(view, view.from_source(masks[0])[None])
    elsewhere, truth = draw([Disc(150, 50)], 0, seed=3)
    found = propagator.update(view_of(elsewhere), elsewhere, nothing_in(elsewhere), cut=True)[0] > 0.5
    assert iou(truth[0], found) > 0.7


def test_an_instance_that_fits_says_where_the_object_is():
    """Colours and features that tell nothing apart: only the network's instance knows how the object grew."""
    image = np.full((120, 200, 3), 90, np.uint8)
    view, grown = view_of(image), np.zeros((1, 120, 200), bool)
    small = grown.copy()
    small[0, 40:70, 60:100] = True
    grown[0, 38:74, 57:104] = True
    found = Instances.empty((120, 200), ("disc",)).replace(
        masks=Masks.from_dense(grown), boxes=np.array([[57.0, 38, 104, 74]]), scores=[0.9], class_ids=[0]
    )
    with_it, without = (
        MaskPropagator(view, view.from_source(small[0])[None]).update(view, image, each)[0] > 0.5
        for each in (found, nothing_in(image))
    )
    assert iou(grown[0], with_it) > iou(grown[0], without) + 0.1


def test_pixels_are_shared():
    shared = share_pixels(np.full((3, 4, 5), 0.5))
    np.testing.assert_allclose(shared, 0.25)
    np.testing.assert_allclose(share_pixels(np.full((1, 2, 2), 0.7)), 0.7)


def test_sizes_must_fit():
    view = view_of(draw([], 0)[0])
    with pytest.raises(InvalidValue, match=r"need \(K, 120, 200\), got \(1, 10, 10\)"):
        MaskPropagator(view, np.ones((1, 10, 10)))
    propagator = MaskPropagator(view, np.ones((1, 120, 200)))
    small = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(InvalidValue, match=r"need \(120, 200\) as before"):
        propagator.update(view_of(small), small, nothing_in(small))
