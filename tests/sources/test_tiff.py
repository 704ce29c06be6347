import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter

from maskweave.errors import UnreadableImage
from maskweave.sources.images import read_image
from maskweave.sources.kinds import is_tiff
from maskweave.sources.open_image import open_image
from maskweave.sources.stack import TiffStackSource
from maskweave.sources.tiff import has_pages, tiff_pages


def pages(path, *sizes, **options):
    images = [Image.fromarray(np.full(size, 7, np.uint8)) for size in sizes]
    images[0].save(path, format="TIFF", save_all=True, append_images=images[1:], **options)
    return path


@pytest.mark.parametrize("big", [False, True])
def test_pages_and_their_sizes(tmp_path, big):
    path = pages(tmp_path / "a.tif", (4, 6), (4, 6), (8, 3), big_tiff=big)
    assert is_tiff(path.read_bytes()[:8])
    assert [page.size for page in tiff_pages(path).pages] == [(4, 6), (4, 6), (8, 3)]
    assert not any(page.is_georeferenced for page in tiff_pages(path).pages)


@pytest.mark.parametrize("big", ["YES", "NO"])
def test_a_georeference_is_seen_and_overviews_are_no_pages(tmp_path, big):
    rasterio = pytest.importorskip("rasterio", reason="needs the extra [geo]")
    from tests.sources.rasters import UTM, noise, write_tiff

    path = write_tiff(tmp_path / "a.tif", noise(size=(64, 64)), BIGTIFF=big, **UTM)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    (page,) = tiff_pages(path).pages
    assert page.is_georeferenced
    assert page.size == (64, 64)


def test_whatever_is_no_tiff_or_is_cut_has_no_pages(tmp_path):
    whole = pages(tmp_path / "a.tif", (40, 60), (40, 60)).read_bytes()
    for number, data in enumerate(
        [b"", b"II*\0", whole[:80], b"II*\0\x04\0\0\0" + b"\xff" * 40, b"PNG" * 99]
    ):
        path = tmp_path / f"{number}.tif"
        path.write_bytes(data)
        assert tiff_pages(path).pages == ()
    loop = tmp_path / "loop.tif"
    loop.write_bytes(b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0")
    assert len(tiff_pages(loop).pages) == 1


FAR = [  # a directory that is said to lie out of the file
    b"II+\0\x08\0\0\0" + b"\xff" * 7 + b"\x80",  # beyond 2^63
    b"MM\0+\0\x08\0\0" + b"\x7f" + b"\xff" * 7,
    b"II*\0\xff\xff\xff\xff",
    b"MM\0*\xff\xff\xff\xff",
]


@pytest.mark.parametrize("data", FAR, ids=["big-le", "big-be", "le", "be"])
def test_a_directory_out_of_the_file_is_one_failed_image(tmp_path, data):
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    assert tiff_pages(path).pages == ()
    assert not has_pages(path)
    with pytest.raises(UnreadableImage, match=r"a\.tif: .*damaged"):
        list(open_image(path))


@pytest.mark.parametrize("big", [False, True])
def test_every_damage_of_a_directory_is_survived(tmp_path, big):
    whole = pages(tmp_path / "a.tif", (4, 6), (4, 6), big_tiff=big).read_bytes()
    path = tmp_path / "b.tif"
    for place in range(4, min(len(whole), 260)):
        for value in (0, 0x7F, 0xFF):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            tiff_pages(path)


def test_pages_before_the_chain_breaks_are_there_and_the_break_is_told(tmp_path):
    whole = pages(tmp_path / "a.tif", (40, 60), (40, 60)).read_bytes()
    path = tmp_path / "b.tif"
    second = tiff_pages(tmp_path / "a.tif").pages[1].offset
    path.write_bytes(whole[: second + 20])
    found = tiff_pages(path)
    assert (len(found.pages), found.is_whole) == (1, False)
    source = open_image(path)
    assert len(list(source)) == 1
    assert "breaks off after 1" in source.warnings[0]
    assert "breaks off after 1" in TiffStackSource(path).warnings[0]


def test_a_raw_photo_is_named_and_its_preview_is_not_taken_for_it(tmp_path):
    path = tmp_path / "a.dng"
    Image.new("RGB", (16, 12)).save(path, format="TIFF", tiffinfo={50706: b"\1\4\0\0", 254: 1})
    for read in (read_image, lambda path: list(open_image(path))):
        with pytest.raises(UnreadableImage, match="a camera's raw photo"):
            read(path)


def test_a_preview_before_the_image_is_not_taken_for_it(tmp_path):
    path = tmp_path / "a.tif"
    preview, full = Image.new("L", (8, 6), 10), Image.new("L", (32, 24), 200)
    with AppendingTiffWriter(path, True) as writer:
        for page, info in ((preview, {254: 1}), (full, {254: 0})):
            page.save(writer, "TIFF", tiffinfo=info)
            writer.newFrame()
    assert [page.number for page in tiff_pages(path).pages] == [1]
    for image in (read_image(path), next(iter(open_image(path))).image, read_image(path.read_bytes())):
        assert image.shape == (24, 32, 3)
    assert open_image(path).warnings == []


def test_images_that_imagej_stacked_in_one_page_are_counted(tmp_path):
    path = tmp_path / "a.tif"
    Image.new("L", (16, 12)).save(path, tiffinfo={270: "ImageJ=1.53k\nimages=40\nslices=40\n"})
    assert "40 images in one page" in open_image(path).warnings[0]


def test_more_pages_than_one_are_told(tmp_path):
    source = open_image(pages(tmp_path / "a.tif", (4, 6), (4, 6)))
    assert len(list(source)) == 1
    assert "2 pages" in source.warnings[0]
    assert open_image(pages(tmp_path / "b.tif", (4, 6))).warnings == []
