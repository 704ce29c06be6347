import cv2
import numpy as np
import pytest

from maskweave.ops.guided_filter import fit_to_colors


def test_the_border_moves_to_the_edge_of_the_image():
    image = np.full((60, 80, 3), 40, np.uint8)
    image[:, 40:] = (200, 90, 30)
    rough = np.zeros((60, 80), np.float32)
    rough[:, 42:] = 1  # two pixels too far to the right
    found = fit_to_colors(rough, image, radius=8, epsilon=1e-3).on(image)
    assert (found[:, 41:] > 0.5).all()
    assert (found[:, :39] < 0.5).all()


def test_a_flat_image_only_smooths():
    rough = np.zeros((40, 40), np.float32)
    rough[10:30, 10:30] = 1
    image = np.full((40, 40, 3), 90, np.uint8)
    found = fit_to_colors(rough, image, radius=2, epsilon=1e-3).on(image)
    np.testing.assert_allclose(found, cv2.blur(cv2.blur(rough, (5, 5)), (5, 5)), atol=1e-4)


def test_equals_the_filter_as_published():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (12, 14, 3), dtype=np.uint8)
    rough = rng.random((12, 14)).astype(np.float32)
    fit = fit_to_colors(rough, image, radius=1, epsilon=0.01)
    guide = image / 255
    slopes, offsets = np.zeros((12, 14, 3)), np.zeros((12, 14))
    for y in range(1, 11):
        for x in range(1, 13):
            colors = guide[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3)
            values = rough[y - 1 : y + 2, x - 1 : x + 2].ravel()
            spread = np.cov(colors.T, bias=True) + 0.01 * np.eye(3)
            together = (colors * values[:, None]).mean(0) - colors.mean(0) * values.mean()
            slopes[y, x] = np.linalg.solve(spread, together)
            offsets[y, x] = values.mean() - slopes[y, x] @ colors.mean(0)
    for y in range(2, 10):
        for x in range(2, 12):
            slope = slopes[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))
            wanted = slope @ guide[y, x] + offsets[y - 1 : y + 2, x - 1 : x + 2].mean()
            assert fit.on(image)[y, x] == pytest.approx(np.clip(wanted, 0, 1), abs=2e-3)


def test_on_a_larger_image_the_border_is_as_fine_as_the_image():
    large = np.full((240, 320, 3), 40, np.uint8)
    large[:, 161:] = (200, 90, 30)
    small = cv2.resize(large, (80, 60), interpolation=cv2.INTER_AREA)
    rough = (np.arange(80) > 40).astype(np.float32)[None].repeat(60, 0)
    found = fit_to_colors(rough, small, radius=6, epsilon=1e-3).on(large)
    assert found.shape == (240, 320)
    assert (found[:, 162:] > 0.5).all()
    assert (found[:, :160] < 0.5).all()
