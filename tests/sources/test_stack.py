from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from maskweave.errors import ImageTooLarge, InvalidValue, UnreadableImage, UnreadableVideo
from maskweave.sources.find import find_sources
from maskweave.sources.reading import Reading
from maskweave.sources.stack import TiffStackSource


def stack(path, *pages, **options):
    pictures = [Image.fromarray(page) for page in pages]
    pictures[0].save(path, format="TIFF", save_all=True, append_images=pictures[1:], **options)
    return path


def ramps(count=3, high=1000):
    return [np.linspace(each * 100, high, 2400).reshape(40, 60).astype(np.uint16) for each in range(count)]


def test_pages_are_frames_with_the_high_byte_of_each_value_and_dim_ones_are_told(tmp_path):
    pages = ramps()
    path = stack(tmp_path / "cells.tif", *pages)
    (source,) = find_sources([path], as_video=True, rate=10)
    assert source.kind == "video"
    with source:
        frames = list(source)
        assert "--stretch" in source.warnings[0]
        assert source.info.frame_count == 3
    for index, (frame, page) in enumerate(zip(frames, pages, strict=True)):
        assert (frame.image == (page >> 8)[:, :, None]).all()
        assert (frame.index, frame.time) == (index, Fraction(index, 10))
    assert find_sources([path])[0].kind == "image"


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.uint8])
def test_percentiles_are_those_of_the_whole_stack(tmp_path, dtype):
    pages = [(page // 5).astype(dtype) for page in ramps(20)]
    path = stack(tmp_path / "a.tif", *pages)
    frames = list(TiffStackSource(path, reading=Reading(stretch=(10, 90))))
    chosen = np.concatenate([pages[each] for each in np.linspace(0, 19, 16).round().astype(int)])
    low, high = np.percentile(chosen, [10, 90])
    for frame, page in zip(frames, pages, strict=True):
        wanted = np.clip((page - low) / (high - low) * 255, 0, 255)
        assert np.abs(frame.image[:, :, 0] - wanted).max() <= 0.51


def test_colours_and_8_bits_are_as_in_photos(tmp_path):
    pages = [np.random.default_rng(each).integers(0, 256, (20, 30, 3), dtype=np.uint8) for each in range(2)]
    source = TiffStackSource(stack(tmp_path / "a.tif", *pages))
    assert [(frame.image == page).all() for frame, page in zip(source, pages, strict=True)] == [True, True]
    assert source.warnings == []


def test_pages_of_different_sizes_large_ones_and_damaged_ones(tmp_path):
    mixed = stack(tmp_path / "a.tif", np.zeros((20, 30), np.uint8), np.zeros((20, 31), np.uint8))
    with pytest.raises(UnreadableVideo, match="page 2 has 31 x 20"):
        list(TiffStackSource(mixed))
    with pytest.raises(ImageTooLarge):
        list(TiffStackSource(mixed, max_pixels=100))
    noise = [np.random.default_rng(each).integers(0, 256, (90, 90), dtype=np.uint8) for each in range(2)]
    whole = stack(tmp_path / "b.tif", *noise, compression="tiff_lzw")
    data = bytearray(whole.read_bytes())
    data[9000:10000] = bytes(1000)
    whole.write_bytes(data)
    with pytest.raises(UnreadableImage, match=r"page [12]|not supported"):
        list(TiffStackSource(whole))


def test_what_is_no_stack(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"nothing")
    with pytest.raises(UnreadableVideo, match="need the pages"):
        TiffStackSource(path)
    with pytest.raises(InvalidValue, match="rate"):
        TiffStackSource(stack(tmp_path / "b.tif", np.zeros((2, 2), np.uint8)), rate=0)
