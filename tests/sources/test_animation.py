import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from maskweave.errors import ImageTooLarge
from maskweave.sources.find import find_sources

COLORS = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
TIMES = [100, 250, 40]


def animation(path, kind, times=TIMES):
    frames = [Image.new("RGB", (16, 12), color) for color in COLORS]
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=times, loop=0, **options)
    return path


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_frames_are_shown_as_long_as_the_file_says(tmp_path, kind):
    (source,) = find_sources([animation(tmp_path / "a.bin", kind)], as_video=True)
    assert source.kind == "video"
    with source:
        frames = list(source)
        assert (source.info.frame_count, source.warnings) == (3, [])
    assert [tuple(frame.image[6, 8]) for frame in frames] == COLORS
    assert [frame.time for frame in frames] == [0, Fraction(1, 10), Fraction(35, 100)]
    assert [frame.duration * 1000 for frame in frames] == TIMES


def test_an_image_for_programs_without_animations_is_no_frame_of_one(tmp_path):
    frames = [Image.new("RGB", (16, 12), color) for color in COLORS]
    path = tmp_path / "a.png"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[250, 40], default_image=True)
    (source,) = find_sources([path], as_video=True)
    found = list(source)
    assert [tuple(frame.image[6, 8]) for frame in found] == COLORS[1:]
    assert [frame.time for frame in found] == [0, Fraction(1, 4)]
    assert source.info.frame_count == 2
    (still,) = find_sources([path])
    assert [tuple(frame.image[6, 8]) for frame in still] == COLORS[:1]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_what_no_frame_covers_is_white(tmp_path, kind):
    frames = [Image.new("RGBA", (64, 48), (0, 0, 0, 0)) for _ in COLORS]
    for number, (frame, color) in enumerate(zip(frames, COLORS, strict=True)):
        frame.paste((*color, 255), (16 * number, 8, 16 * number + 16, 40))
    path = tmp_path / "a.bin"
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=100, loop=0, disposal=2)
    (source,) = find_sources([path], as_video=True)
    found = list(source)
    assert [frame.image[24, 60].tolist() for frame in found] == [[255, 255, 255]] * 3
    assert [int(frame.image[24, 16 * number + 8].argmax()) for number, frame in enumerate(found)] == [0, 1, 2]
    (still,) = find_sources([path])
    assert next(iter(still)).image[24, 60].tolist() == [255, 255, 255]


@pytest.mark.parametrize("centiseconds", [0, 1])
def test_a_frame_without_a_time_or_a_shorter_one_is_shown_for_a_tenth_of_a_second(tmp_path, centiseconds):
    times = [10 * centiseconds] * 3
    (source,) = find_sources([animation(tmp_path / "a.gif", "GIF", times)], as_video=True)
    assert [frame.time for frame in source] == [0, Fraction(1, 10), Fraction(2, 10)]


def test_without_as_video_the_frames_that_are_left_out_are_counted(tmp_path):
    (source,) = find_sources([animation(tmp_path / "a.gif", "GIF")])
    with source:
        assert len(list(source)) == 1
        assert source.warnings == [
            "an animation of 3 frames, of which the first was read; --as-video reads them all"
        ]


def test_frames_before_damage_are_kept_and_the_missing_ones_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(4)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    path = tmp_path / "a.png"
    path.write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * 0.7)])
    (source,) = find_sources([path], as_video=True)
    with source:
        found = list(source)
        assert 1 <= len(found) < 4
        assert f"the last {4 - len(found)} of 4 frames are missing" in source.warnings[0]
        assert source.is_incomplete


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_of_a_gif_that_is_cut_the_whole_frames_are_kept_and_the_rest_is_told(tmp_path, share):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(6)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=100)
    path = tmp_path / "a.gif"
    path.write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * share)])
    (source,) = find_sources([path], as_video=True)
    with source:
        found = list(source)
        assert len(found) == int(6 * share)
        assert f"the file ends within frame {len(found) + 1}" in source.warnings[0]
        assert source.is_incomplete
    (still,) = find_sources([path])
    with still:
        assert len(list(still)) == 1
        assert still.warnings == ["an animation that is cut short, of which the first frame was read"]


def test_a_still_image_stays_one_and_large_ones_are_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (still,) = find_sources([tmp_path / "a.png"], as_video=True)
    assert still.kind == "image"
    (large,) = find_sources([animation(tmp_path / "a.gif", "GIF")], as_video=True, max_pixels=10)
    with large, pytest.raises(ImageTooLarge):
        list(large)
