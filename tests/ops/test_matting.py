"""Edge refinement: on images whose true alpha is known, it comes nearer to it; elsewhere nothing changes."""

import sys

import cv2
import numpy as np
import pytest

from maskweave.errors import InvalidValue, MissingDependency
from maskweave.ops import matting
from maskweave.ops.matting import check_matting, refine_edges, trimap_of


def soft_flower(size, soft):
    """A flower of known alpha, whose edge is ``soft`` pixels wide: alpha, its colors, and the image."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, radius = np.arctan2(y - height / 2, x - width / 2), np.hypot(y - height / 2, x - width / 2)
    alpha = np.clip((min(size) * (0.3 + 0.03 * np.sin(9 * angle)) - radius) / soft + 0.5, 0, 1)
    flower = np.stack([200 + 30 * np.sin(x / 9), 60 + 20 * np.sin(y / 7), 40 + 0 * x], -1)
    behind = np.stack([30 + 0 * x, 90 + 30 * np.sin(x / 11), 180 + 30 * np.sin(y / 13)], -1)
    seen = alpha[..., None] * flower + (1 - alpha[..., None]) * behind
    return alpha, flower, np.rint(seen).astype(np.uint8)


@pytest.fixture(scope="module", params=[None, 15_000], ids=["whole", "reduced"])
def flower(request):
    """Scene, rough mask and matte; "reduced" has room for a third of each side only."""
    alpha, colors, image = soft_flower((240, 320), 6)
    rough = cv2.dilate((alpha > 0.5).view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    with pytest.MonkeyPatch.context() as patch:
        if request.param is not None:
            patch.setattr(matting, "_MAX_PIXELS", request.param)
            patch.setattr(matting, "_STRIP_ROWS", 7)
        return alpha, colors, image, rough, refine_edges(image, rough)


def near_edge(alpha):
    soft = ((alpha > 0) & (alpha < 1)).view(np.uint8)
    return cv2.dilate(soft, np.ones((7, 7), np.uint8)) > 0


def test_alpha_comes_nearer_to_the_truth(flower):
    alpha, _, _, rough, matte = flower
    edge = near_edge(alpha)
    before, after = (np.abs(each - alpha)[edge].mean() for each in (rough.astype(np.float32), matte.alpha))
    assert after < before / 4
    assert ((matte.alpha > 0.1) & (matte.alpha < 0.9)).sum() > 500


def test_no_halo_is_left_before_another_background(flower):
    alpha, colors, image, rough, matte = flower
    edge = near_edge(alpha)

    def before_white(share, front):
        return (share[..., None] * front + (1 - share[..., None]) * 255.0)[edge]

    truth = before_white(alpha, colors)
    with_mask = np.abs(before_white(rough.astype(np.float32), image) - truth).mean()
    with_alpha = np.abs(before_white(matte.alpha, image) - truth).mean()
    refined = np.abs(before_white(matte.alpha, matte.colors) - truth).mean()
    assert refined < with_mask / 3
    assert refined < with_alpha


def test_away_from_the_border_nothing_changes(flower):
    alpha, _, image, rough, matte = flower
    distance = cv2.distanceTransform((alpha < 0.5).view(np.uint8), cv2.DIST_L2, 5)
    distance += cv2.distanceTransform((alpha >= 0.5).view(np.uint8), cv2.DIST_L2, 5)
    far = distance > 30
    np.testing.assert_array_equal(matte.alpha[far], rough[far])
    np.testing.assert_array_equal(matte.colors[far], image[far])
    np.testing.assert_array_equal(matte.colors[matte.alpha == 0], image[matte.alpha == 0])


def test_strips_meet_without_a_seam():
    alpha, _, image = soft_flower((240, 320), 6)
    mattes = []
    for rows in (5, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(matting, "_MAX_PIXELS", 15_000)
            patch.setattr(matting, "_STRIP_ROWS", rows)
            mattes.append(refine_edges(image, alpha > 0.5))
    np.testing.assert_allclose(mattes[0].alpha, mattes[1].alpha, atol=1e-5)
    assert np.abs(mattes[0].colors.astype(int) - mattes[1].colors).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (30, 40)])
@pytest.mark.parametrize("filled", [0, 1])
def test_masks_without_a_border_stay(size, filled):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    matte = refine_edges(image, np.full(size, filled, bool))
    assert (matte.alpha == filled).all()
    np.testing.assert_array_equal(matte.colors, image)


def test_what_is_thinner_than_the_band_is_not_lost():
    image = np.full((60, 80, 3), 20, np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[28:31, 10:70] = True
    image[mask] = (240, 200, 30)
    trimap = trimap_of(mask.astype(np.float32), 6)
    assert set(np.unique(trimap)) == {0, 0.5, 1}
    assert (trimap[29, 12:68] == 1).all()
    assert ((refine_edges(image, mask).alpha > 0.5) == mask).mean() > 0.999


def test_the_frame_of_the_image_is_no_border():
    mask = np.zeros((40, 60), bool)
    mask[:, :30] = True
    trimap = trimap_of(mask.astype(np.float32), 5)
    assert (trimap[:, :25] == 1).all()
    assert (trimap[:, 36:] == 0).all()
    soft = np.where(mask, 0.7, 0.0).astype(np.float32)
    assert (trimap_of(soft, 5)[:, :30] == 0.5).all()


def test_what_is_missing_or_does_not_fit_is_told(monkeypatch):
    image = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(InvalidValue, match=r"need the image's size \(4, 5\), got \(5, 4\)"):
        refine_edges(image, np.zeros((5, 4), bool))
    monkeypatch.setitem(sys.modules, "pymatting", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'maskweave\[matting\]'"):
        check_matting()
