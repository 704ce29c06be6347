import cv2
import numpy as np
import pytest
from hypothesis import given, settings

from maskweave.types import Masks
from maskweave.video.tracking.appearance import BINS, describe
from tests.strategies import dense_masks


def plain(image, dense, factor):
    """The same, pixel by pixel of the reduced image."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(int)
    light, *chroma = (
        np.searchsorted(edges, lab[..., channel], side="right")
        for channel, edges in enumerate([(64, 112, 160), *[(112, 123, 133, 144)] * 2])
    )
    bins = 25 * light + 5 * chroma[0] + chroma[1]
    looks = np.zeros((len(dense), BINS))
    for row, mask in enumerate(dense):
        middles = mask[factor // 2 :: factor, factor // 2 :: factor][: image.shape[0], : image.shape[1]]
        seen = bins[: middles.shape[0], : middles.shape[1]][middles]
        looks[row] = np.bincount(seen, minlength=BINS) / max(len(seen), 1)
    return np.sqrt(looks)


@pytest.mark.parametrize("factor", [1, 2, 4])
@given(dense_masks())
@settings(max_examples=25)
def test_a_descriptor_is_the_share_of_each_color_at_the_middles_of_reduced_pixels(factor, dense):
    height, width = (max(1, side // factor) for side in dense.shape[1:])  # an odd last row is left out
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    looks = describe(image, Masks.from_dense(dense), factor=factor)
    assert looks.dtype == np.float32
    np.testing.assert_allclose(looks, plain(image, dense, factor), atol=1e-6)
