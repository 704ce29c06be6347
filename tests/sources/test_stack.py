from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from maskweave.errors import ImageTooLarge, InvalidValue, UnreadableImage, UnreadableVideo
from maskweave.sources.find import find_sources
from maskweave.sources.raster_options import RasterOptions
from maskweave.sources.stack import TiffStackSource
from maskweave.sources.tiff import tiff_pages


def stack(path, *pages, **options):
    images = [Image.fromarray(page) for page in pages]
    images[0].save(path, format="TIFF", save_all=True, append_images=images[1:], **options)
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


def test_what_all_pages_say_is_told_once_whatever_their_numbers(tmp_path):
    pages = [page + np.uint16(100 * each) for each, page in enumerate(ramps(4))]
    (source,) = find_sources([stack(tmp_path / "cells.tif", *pages)], as_video=True)
    assert len(list(source)) == 4
    assert [line[:19] for line in source.warnings] == ["values reach 1000 o"]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.uint8])
def test_percentiles_are_those_of_the_whole_stack(tmp_path, dtype):
    pages = [(page // 5).astype(dtype) for page in ramps(20)]
    path = stack(tmp_path / "a.tif", *pages)
    frames = list(TiffStackSource(path, raster_options=RasterOptions(stretch=(10, 90))))
    chosen = np.concatenate([pages[each] for each in np.linspace(0, 19, 16).round().astype(int)])
    low, high = np.percentile(chosen, [10, 90])
    for frame, page in zip(frames, pages, strict=True):
        wanted = np.clip((page - low) / (high - low) * 255, 0, 255)
        assert np.abs(frame.image[:, :, 0] - wanted).max() <= 0.51


def test_colors_and_8_bits_are_as_in_photos(tmp_path):
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
    with pytest.raises(UnreadableImage, match="page 1 is damaged"):
        list(TiffStackSource(noise(tmp_path / "b.tif", pages=2, damaged=(0, 1))))


def noise(path, *, pages, damaged):
    """Pages of noise, some of them with zeros in their pixels, which lie before their directories."""
    images = [np.random.default_rng(each).integers(0, 256, (90, 90), dtype=np.uint8) for each in range(pages)]
    stack(path, *images, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    for number in damaged:
        end = tiff_pages(path).pages[number].offset
        data[end - 6000 : end - 1000] = bytes(5000)
    path.write_bytes(data)
    return path


def test_a_damaged_page_is_left_out_and_named(tmp_path):
    source = TiffStackSource(noise(tmp_path / "a.tif", pages=3, damaged=[1]), rate=10)
    frames = list(source)
    assert [frame.time for frame in frames] == [0, Fraction(2, 10)]
    assert [frame.index for frame in frames] == [0, 1]
    assert source.warnings == ["1 of 3 pages is damaged and was left out: 2"]
    assert source.is_incomplete


@pytest.mark.parametrize("as_video", [True, False])
def test_a_broken_chain_of_pages_makes_the_input_incomplete(tmp_path, as_video):
    path = stack(tmp_path / "a.tif", *[np.full((20, 30), each, np.uint8) for each in range(3)])
    last = tiff_pages(path).pages[2].offset
    path.write_bytes(path.read_bytes()[: last + 1])
    (source,) = find_sources([path], as_video=as_video)
    with source:
        assert len(list(source)) == (2 if as_video else 1)
        assert any("breaks off after 2" in warning for warning in source.warnings)
    assert source.is_incomplete


def test_pages_that_imagej_promises_and_are_not_there_are_counted(tmp_path):
    path = stack(
        tmp_path / "a.tif",
        *[np.full((20, 30), each, np.uint8) for each in range(3)],
        description="ImageJ=1.53k\nimages=7\nslices=7\n",
    )
    source = TiffStackSource(path)
    assert len(list(source)) == 3
    assert (source.is_incomplete, "3 of 7 pages" in source.warnings[0]) == (True, True)


def test_what_is_no_stack(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"nothing")
    with pytest.raises(UnreadableVideo, match="need the pages"):
        TiffStackSource(path)
    with pytest.raises(InvalidValue, match="rate"):
        TiffStackSource(stack(tmp_path / "b.tif", np.zeros((2, 2), np.uint8)), rate=0)
