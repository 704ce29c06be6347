import numpy as np
import pytest

from maskweave.types import Instances, Masks
from maskweave.video.cues.instance_cue import instance_cue

SIZE = (40, 60)


def instances(*boxes, scores):
    planes = np.zeros((len(boxes), *SIZE), bool)
    for plane, (x1, y1, x2, y2) in zip(planes, boxes, strict=True):
        plane[y1:y2, x1:x2] = True
    masks = Masks.from_dense(planes)
    return Instances(masks, masks.boxes, scores, np.zeros(len(boxes), int), ("thing",))


def expected(x1, y1, x2, y2, value=1.0):
    soft = np.zeros(SIZE, np.float32)
    soft[y1:y2, x1:x2] = value
    return soft


def test_the_best_fitting_instance_speaks_inside_and_outside():
    found = instances((0, 0, 10, 10), (20, 10, 40, 30), scores=[0.9, 0.8])
    cue = instance_cue(found, expected(20, 10, 40, 30))
    assert (cue[10:30, 20:40] == 1).all()
    assert cue[0, 0] == -1


@pytest.mark.parametrize(("score", "weight"), [(0.15, 0.3), (0.25, 0.5), (0.5, 1), (0.9, 1)])
def test_an_unsure_instance_counts_less(score, weight):
    cue = instance_cue(instances((20, 10, 40, 30), scores=[score]), expected(20, 10, 40, 30))
    assert cue[20, 30] == pytest.approx(weight)
    assert cue[0, 0] == pytest.approx(-weight)


def test_an_instance_that_fits_badly_counts_less_and_another_thing_nothing():
    found = instances((20, 10, 40, 30), scores=[0.9])
    assert instance_cue(found, expected(20, 10, 40, 42))[20, 30] == pytest.approx(2 * (20 / 30 - 0.5) / 0.5)
    assert not instance_cue(found, expected(20, 10, 30, 30)).any()
    assert not instance_cue(found, expected(0, 0, 10, 10)).any()


def test_nothing_found_or_nothing_expected_says_nothing():
    assert not instance_cue(instances(scores=[]), expected(20, 10, 40, 30)).any()
    assert not instance_cue(instances((20, 10, 40, 30), scores=[0.9]), expected(0, 0, 0, 0)).any()
