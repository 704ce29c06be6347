"""Soft masks of a frame are blended with what the guide makes of them, unless it makes another object of one."""

import numpy as np
import pytest

from maskweave.models import guided
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.video.guided_masks import blend_guided
from tests.models.guides import guide
from tests.models.maps import iou, rectangle_image

pytestmark = pytest.mark.engine

SIZE = (120, 160)
BOX = (40, 20, 120, 80)


@pytest.fixture(scope="module")
def model():
    """A guide that finds what is bright."""
    return guided.build(OnnxRuntime(guide()), name="guide")


def soft(box, size, scale=1):
    mask = np.zeros(size, np.float32)
    x1, y1, x2, y2 = (round(value / scale) for value in box)
    mask[y1:y2, x1:x2] = 0.9
    return mask


def test_a_coarse_mask_gets_the_border_of_its_object(model):
    image = rectangle_image(SIZE, BOX)
    coarse = (44, 24, 126, 84)
    small, full = soft(coarse, (60, 80), 2)[None], soft(coarse, SIZE)[None]
    kept, shown = blend_guided(model, image, small, full, kept=1.0, shown=1.0)
    exact = image[..., 0] > 0
    assert iou(full[0] > 0.5, exact) < 0.87
    assert iou(shown[0] > 0.5, exact) > 0.95
    assert iou(kept[0] > 0.5, exact[::2, ::2]) > 0.93
    assert small.max() == full.max() == np.float32(0.9)  # what came in is left alone


def test_shares_say_how_much_of_the_answer_counts(model):
    image = rectangle_image(SIZE, BOX)
    small, full = soft(BOX, (60, 80), 2)[None], soft(BOX, SIZE)[None]
    kept, shown = blend_guided(model, image, small, full, kept=0.0, shown=0.5)
    assert np.array_equal(kept, small)
    assert shown[0, 50, 80] == pytest.approx(0.5 * 0.9 + 0.5, abs=0.01)


def test_what_becomes_another_object_and_what_is_out_of_sight_stay(model):
    image = rectangle_image(SIZE, BOX)
    beside = soft((0, 90, 30, 119), (60, 80), 2)
    small = np.stack([beside, np.zeros_like(beside)])
    full = np.stack([soft((0, 90, 30, 119), SIZE), np.zeros(SIZE, np.float32)])
    kept, shown = blend_guided(model, image, small, full, kept=1.0, shown=1.0)
    assert np.array_equal(kept, small)
    assert np.array_equal(shown, full)
