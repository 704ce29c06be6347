from fractions import Fraction

import numpy as np

from maskweave.outputs import videos
from maskweave.outputs.videos import SideBySideVideo
from maskweave.sources.video import VideoSource
from maskweave.types import Frame
from maskweave.types.result import FrameResult
from tests.outputs.scenes import frame, squares, target


def written(folder, size):
    with SideBySideVideo(target(folder)) as writer:
        for index in range(3):
            writer.write(FrameResult(frame(index, size=size), squares((10, 10), side=20, size=size)))
    with VideoSource(writer.path) as source:
        return writer, list(source)


def test_the_original_is_left_and_the_overlay_right(tmp_path):
    writer, images = written(tmp_path, (60, 80))
    assert writer.path.name == "street.side-by-side.mp4"
    assert [each.time for each in images] == [Fraction(index, 25) for index in range(3)]
    image = images[-1].image.astype(int)
    assert image.shape == (60, 160, 3)
    assert np.abs(image[:, :76] - 100).max() < 12
    assert np.abs(image[25, 105] - 100).max() > 30
    assert writer.warnings == []


def test_odd_sizes_become_even(tmp_path):
    _, images = written(tmp_path, (61, 81))
    assert images[0].image.shape == (62, 162, 3)


def test_what_is_too_wide_is_made_smaller_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(videos, "MAX_SIDE", 100)
    writer, images = written(tmp_path, (60, 80))
    assert images[0].image.shape == (38, 100, 3)
    assert writer.warnings == ["side by side: each half is scaled to 50 x 37, players know up to 100"]


def test_a_tall_image_is_made_smaller_too():
    assert videos.half_size(1000, 8192) == (500, 4096)
    assert videos.half_size(2048, 1080) == (2048, 1080)
    assert videos.half_size(3840, 2160) == (2048, 1152)
    assert Frame(np.zeros((1, 1, 3), np.uint8)).size == (1, 1)
