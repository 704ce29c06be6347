import numpy as np
import pytest
from PIL import Image

from maskweave.sources.pictures import open_picture
from maskweave.sources.tiff import is_tiff, tiff_pages


def pages(path, *sizes, **options):
    pictures = [Image.fromarray(np.full(size, 7, np.uint8)) for size in sizes]
    pictures[0].save(path, format="TIFF", save_all=True, append_images=pictures[1:], **options)
    return path


@pytest.mark.parametrize("big", [False, True])
def test_pages_and_their_sizes(tmp_path, big):
    path = pages(tmp_path / "a.tif", (4, 6), (4, 6), (8, 3), big_tiff=big)
    assert is_tiff(path.read_bytes()[:8])
    assert [page.size for page in tiff_pages(path)] == [(4, 6), (4, 6), (8, 3)]
    assert not any(page.is_georeferenced for page in tiff_pages(path))


@pytest.mark.parametrize("big", ["YES", "NO"])
def test_a_georeference_is_seen_and_overviews_are_no_pages(tmp_path, big):
    rasterio = pytest.importorskip("rasterio", reason="needs the extra [geo]")
    from tests.sources.rasters import UTM, noise, write_tiff

    path = write_tiff(tmp_path / "a.tif", noise(size=(64, 64)), BIGTIFF=big, **UTM)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    (page,) = tiff_pages(path)
    assert page.is_georeferenced
    assert page.size == (64, 64)


def test_whatever_is_no_tiff_or_is_cut_has_no_pages(tmp_path):
    whole = pages(tmp_path / "a.tif", (40, 60), (40, 60)).read_bytes()
    for number, data in enumerate(
        [b"", b"II*\0", whole[:2500], b"II*\0\x04\0\0\0" + b"\xff" * 40, b"PNG" * 99]
    ):
        path = tmp_path / f"{number}.tif"
        path.write_bytes(data)
        assert tiff_pages(path) == []
    loop = tmp_path / "loop.tif"
    loop.write_bytes(b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0")
    assert len(tiff_pages(loop)) == 1


def test_more_pages_than_one_are_told(tmp_path):
    source = open_picture(pages(tmp_path / "a.tif", (4, 6), (4, 6)))
    assert len(list(source)) == 1
    assert "2 pages" in source.warnings[0]
    assert open_picture(pages(tmp_path / "b.tif", (4, 6))).warnings == []
