import cv2
import numpy as np
import pytest

from maskweave.video.camera_motion import CameraMotion, fit_camera, move_points, scale_homography

SIZE = (120, 212)
CORNERS = np.array([[20.0, 20], [190, 20], [190, 100], [20, 100]])


def make_image(seed=0):
    noise = np.random.default_rng(seed).integers(0, 255, (30, 53)).astype(np.uint8)
    return cv2.GaussianBlur(cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC), (0, 0), 1)


def moved(image, matrix):
    return cv2.warpPerspective(image, np.asarray(matrix, float), SIZE[::-1], borderMode=cv2.BORDER_REFLECT)


MOTIONS = {
    "shift": [[1, 0, 7.5], [0, 1, -4], [0, 0, 1]],
    "turn and scale": [[1.02, -0.03, 3], [0.03, 1.02, -3], [0, 0, 1]],
}


@pytest.mark.parametrize("name", MOTIONS)
def test_the_motion_of_the_whole_image_is_found(name):
    camera = CameraMotion()
    assert np.array_equal(camera.update(make_image()), np.eye(3))
    found = camera.update(moved(make_image(), MOTIONS[name]))
    error = move_points(found, CORNERS) - move_points(np.array(MOTIONS[name], float), CORNERS)
    assert np.abs(error).max() < 0.5


def test_an_object_that_moves_on_its_own_does_not_move_the_camera():
    camera, background = CameraMotion(), make_image()
    first, second = background.copy(), moved(background, MOTIONS["shift"])
    patch = make_image(seed=5)[:50, :60]
    first[30:80, 20:80] = patch
    second[30:80, 70:130] = patch
    camera.update(first)
    error = move_points(camera.update(second), CORNERS) - move_points(np.array(MOTIONS["shift"]), CORNERS)
    assert np.abs(error).max() < 0.7


def test_the_fit_is_the_one_that_opencv_refines_step_by_step():
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 200, (60, 1, 2)).astype(np.float32)
    turned = start @ np.array([[1.02, 0.1], [-0.1, 1.02]]) + (4, -3) + rng.normal(0, 0.1, start.shape)
    end = np.where(np.arange(60)[:, None, None] < 45, turned, turned + 20).astype(np.float32)
    refined, agree = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=0.7)
    assert agree.sum() == 45
    np.testing.assert_allclose(fit_camera(start, end, min_inliers=10)[:2], refined, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (1, 40), (120, 212)])
def test_where_nothing_is_to_be_seen_nothing_moves(size):
    camera = CameraMotion()
    for level in (0, 50, 50):
        assert np.array_equal(camera.update(np.full(size, level, np.uint8)), np.eye(3))


def test_another_size_begins_anew():
    camera = CameraMotion()
    camera.update(make_image())
    assert np.array_equal(camera.update(make_image()[:100]), np.eye(3))


def test_a_map_at_another_size_moves_the_same_content():
    found = np.array(MOTIONS["turn and scale"], float)
    large = scale_homography(found, measured=SIZE, wanted=(480, 848))
    points = move_points(large, CORNERS * 4 + 1.5)
    np.testing.assert_allclose(points, move_points(found, CORNERS) * 4 + 1.5)
