import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.ops.iou import mask_iou
from maskweave.types import Masks
from maskweave.video.tracking.smoothing import SteadyMask, band, moved, steady
from tests.video.scenes import trembling

SIZE = (120, 240)


def ellipse(x, y=60, rx=30, ry=20):
    rows, columns = np.indices(SIZE)
    return ((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 <= 1


def compact(*planes):
    return Masks.from_dense(np.stack(planes))


def run(planes, *, seconds=0.04):
    """The masks shown for raw ones, frame after frame."""
    state, shown = None, []
    for plane in planes:
        crop, x, y = next(compact(plane).placed())
        if state is None:
            state, mask, place = SteadyMask.of(crop, (x, y)), crop, (x, y)
        else:
            state, mask, place = steady(state, crop, (x, y), size=SIZE, scale=1.0, seconds=seconds)
        shown.append(Masks([mask], np.array([place]), SIZE))
    return shown


@given(st.floats(-40, 40), st.floats(-40, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_a_move_is_an_affine_map_without_scale(x, y, height, width, seed):
    probs = np.random.default_rng(seed).integers(0, 256, (23, 17), dtype=np.uint8)
    probs = cv2.GaussianBlur(probs, (0, 0), 2)
    expected = cv2.warpAffine(probs, np.array([[1, 0, x], [0, 1, y]]), (width, height))
    # OpenCV's affine map knows 32 places between two pixels, and the values fall to 0 within one at the border.
    assert np.abs(moved(probs, (x, y), (height, width)).astype(int) - expected).max() <= 255 / 32


@pytest.mark.parametrize("speed", [0, 3, 11])
def test_trembling_outlines_come_to_rest_without_lagging(speed):
    rng = np.random.default_rng(0)
    truth = [ellipse(50 + speed * i) for i in range(13)]
    raw = [trembling(plane, rng, 1.0) for plane in truth]
    shown = run(raw)

    def error(masks):
        return np.mean([1 - mask_iou(a, compact(b))[0, 0] for a, b in zip(masks[3:], truth[3:], strict=True)])

    assert error(shown) < 0.75 * error([compact(plane) for plane in raw])


def test_the_result_stays_near_the_raw_outline_and_nothing_is_left_behind():
    planes = [ellipse(40, rx=30), ellipse(60, rx=24), ellipse(90, rx=35), ellipse(200)]
    for raw, shown in zip(planes, run(planes), strict=True):
        reach = band(next(compact(raw).placed())[0])
        grown = compact(
            np.any(
                [
                    np.roll(raw, (j, i), (0, 1))
                    for i in range(-reach, reach + 1)
                    for j in range(-reach, reach + 1)
                ],
                axis=0,
            )
        )
        assert not (shown.union() & ~grown.union()).any()


def test_what_changed_much_is_shown_as_it_is():
    planes = [ellipse(100), ellipse(100) & (np.arange(SIZE[1]) < 95), ellipse(100)]
    for raw, shown in zip(planes, run(planes), strict=True):
        assert shown == compact(raw)


def test_frames_far_apart_are_hardly_averaged():
    planes = [ellipse(100), ellipse(100, rx=32, ry=21)]
    assert run(planes, seconds=2.0)[1] == compact(planes[1])


@pytest.mark.parametrize("x", [-10, 5, 235])
def test_masks_at_the_edge_stay_inside_the_image(x):
    shown = run([ellipse(x), ellipse(x + 2, rx=31), ellipse(x + 4)])
    assert all(mask.size == SIZE for mask in shown)


def test_a_mask_without_pixels():
    crop = np.zeros((0, 0), bool)
    state, shown, _ = steady(SteadyMask.of(crop, (0, 0)), crop, (0, 0), size=SIZE, scale=1.0, seconds=0.04)
    assert not shown.size
    assert not state.probs.size
