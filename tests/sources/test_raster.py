import builtins

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="needs the extra [geo]")

from maskweave.errors import (
    ImageTooLarge,
    InvalidValue,
    MissingDependency,
    SourceNotFound,
    UnreadableImage,
)
from maskweave.sources import raster
from maskweave.sources.images import ImageSource
from maskweave.sources.pictures import open_picture
from maskweave.sources.raster import RasterSource
from maskweave.sources.reading import Reading
from maskweave.types.windows import Tile
from tests.sources.rasters import UTM, noise, write_tiff


def only(path, **reading):
    with RasterSource(path, reading=Reading(**reading)) as source:
        (frame,) = source
        return frame, source.warnings


def test_rgb_is_read_as_pillow_reads_it(tmp_path):
    path = write_tiff(tmp_path / "a.tif", noise(), photometric="RGB")
    frame, warnings = only(path)
    (photo,) = ImageSource(path)
    assert (frame.image == photo.image).all()
    assert (frame.geo, frame.valid, frame.windows, warnings) == (None, None, None, [])
    assert (frame.source, frame.file_name) == ("a", "a.tif")


def test_bands_are_chosen_by_colour_by_number_or_by_order(tmp_path):
    bands = noise(4)
    named = write_tiff(tmp_path / "a.tif", bands, colours=["blue", "green", "red", "undefined"])
    assert (only(named)[0].image == bands[[2, 1, 0]].transpose(1, 2, 0)).all()
    assert (only(named, bands=(4, 2, 1))[0].image == bands[[3, 1, 0]].transpose(1, 2, 0)).all()
    assert (only(named, bands=(2,))[0].image == bands[[1, 1, 1]].transpose(1, 2, 0)).all()
    two = write_tiff(tmp_path / "b.tif", bands[:2])
    assert (only(two)[0].image == bands[[0, 0, 0]].transpose(1, 2, 0)).all()
    with pytest.raises(InvalidValue, match="bands of 1 to 4, got band 5"):
        only(named, bands=(5,))


def test_a_palette_is_looked_up(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    path = write_tiff(
        tmp_path / "a.tif", np.array([[[0, 1], [2, 1]]], np.uint8), photometric="palette", **UTM
    )
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {0: (1, 2, 3), 1: (40, 50, 60), 2: (7, 8, 9)})
    assert only(path)[0].image.tolist() == [[[1, 2, 3], [40, 50, 60]], [[7, 8, 9], [40, 50, 60]]]


def test_values_are_stretched_between_percentiles_band_by_band(tmp_path):
    ramp = np.arange(101, dtype=np.uint16).reshape(1, 1, 101)
    path = write_tiff(tmp_path / "a.tif", np.concatenate([ramp, ramp * 10 + 7, ramp]))
    image = only(path, stretch=(10, 90))[0].image[0]
    expected = np.clip((np.arange(101) - 10) / 80 * 255, 0, 255)
    assert np.abs(image - expected[:, None]).max() <= 0.51
    assert (image[:11] == 0).all()
    assert (image[90:] == 255).all()


def test_georeferenced_values_of_16_bits_are_stretched_by_themselves_and_it_is_told(tmp_path):
    bands = noise(dtype=np.uint16, high=3000)
    frame, warnings = only(write_tiff(tmp_path / "a.tif", bands, **UTM))
    assert frame.image.max() == 255
    assert "stretched" in warnings[0]
    photo, warnings = only(write_tiff(tmp_path / "b.tif", bands))
    assert (photo.image == (bands >> 8).transpose(1, 2, 0)).all()
    assert warnings == []


def test_nodata_counts_for_nothing_and_is_told(tmp_path):
    bands = noise(dtype=np.int16, high=100) + 1000
    bands[:, :, :20] = -9999
    path = write_tiff(tmp_path / "a.tif", bands, nodata=-9999, **UTM)
    frame, _ = only(path)
    assert not frame.valid[:, :20].any()
    assert frame.valid[:, 20:].all()
    assert frame.image[:, 20:].std() > 50
    assert (frame.image[:, :20] == 0).all()


def test_a_mask_of_the_file_counts_as_nodata(tmp_path):
    mask = np.full((40, 60), 255, np.uint8)
    mask[:10] = 0
    frame, _ = only(write_tiff(tmp_path / "a.tif", noise(), mask=mask, photometric="RGB"))
    assert (frame.valid == (mask > 0)).all()


def test_floats_with_nan(tmp_path):
    bands = np.linspace(-5, 5, 2400, dtype=np.float32).reshape(1, 40, 60)
    bands[0, 0, :5] = np.nan
    image = only(write_tiff(tmp_path / "a.tif", bands), stretch=(0, 100))[0].image
    assert (image[0, :5] == 0).all()
    assert image[-1, -1].tolist() == [255] * 3


def test_where_the_picture_lies(tmp_path):
    frame, _ = only(write_tiff(tmp_path / "a.tif", noise(), **UTM))
    assert frame.geo.crs == "EPSG:32633"
    assert frame.geo.to_map(np.array([[0, 0], [2, 3]])).tolist() == [
        [500_000, 5_000_000],
        [500_020, 4_999_970],
    ]
    assert frame.geo.pixel_area == 100


@pytest.mark.parametrize("stretch", [None, (2, 98)])
def test_pieces_are_what_the_whole_is(tmp_path, monkeypatch, stretch):
    monkeypatch.setattr(raster, "VIEW", 50)
    bands = noise(dtype=np.uint16, size=(150, 170), high=60000)
    bands[:, :, :30] = 0
    path = write_tiff(tmp_path / "a.tif", bands, nodata=0, tiled=True, blockxsize=64, blockysize=64)
    whole, _ = only(path, stretch=stretch)
    with RasterSource(path, reading=Reading(tiles=True, stretch=stretch), max_pixels=100) as source:
        (frame,) = source
        assert frame.size == (150, 170)
        assert frame.image.shape == (44, 50, 3)
        for tile in (Tile(0, 0, 64, 64), Tile(60, 90, 150, 170)):
            assert (frame.windows.read(tile) == whole.image[tile.rows, tile.columns]).all()
            valid = frame.windows.valid(tile)
            assert (np.ones(tile.size, bool) if valid is None else valid).tolist() == (
                whole.valid[tile.rows, tile.columns].tolist()
            )


def test_a_large_picture_is_refused_with_a_hint_at_tiles(tmp_path):
    path = write_tiff(tmp_path / "a.tif", noise(size=(200, 200)), photometric="RGB")
    with pytest.raises(ImageTooLarge, match="--tile"):
        list(RasterSource(path, max_pixels=1000))
    with pytest.raises(ImageTooLarge, match="--tile"):
        list(ImageSource(path, max_pixels=1000))


def test_a_file_of_one_huge_block_is_not_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(raster, "_LARGEST_BLOCK", 1000)
    path = write_tiff(tmp_path / "a.tif", noise(size=(200, 200)), photometric="RGB", blockysize=200)
    with pytest.raises(ImageTooLarge, match="rewrite it as a tiled TIFF"):
        list(RasterSource(path, max_pixels=1000, reading=Reading(tiles=True)))


def test_a_file_that_is_cut_short(tmp_path):
    path = write_tiff(tmp_path / "a.tif", noise(size=(200, 200)), compress="deflate")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UnreadableImage, match="damaged or cut short"):
        list(RasterSource(path))
    with pytest.raises(SourceNotFound):
        list(RasterSource(tmp_path / "none.tif"))


def test_only_what_needs_it_is_read_by_rasterio(tmp_path):
    plain = write_tiff(tmp_path / "a.tif", noise(), photometric="RGB")
    on_map = write_tiff(tmp_path / "b.tif", noise(), photometric="RGB", **UTM)
    assert isinstance(open_picture(plain), ImageSource)
    assert isinstance(open_picture(on_map), RasterSource)
    for reading in (Reading(tiles=True), Reading(bands=(1,)), Reading(stretch=(1, 99))):
        assert isinstance(open_picture(plain, reading=reading), RasterSource)


def test_without_rasterio_photos_are_read_and_the_rest_says_what_to_install(tmp_path, monkeypatch):
    on_map = write_tiff(tmp_path / "b.tif", noise(), photometric="RGB", **UTM)
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "rasterio":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(raster, "has_rasterio", lambda: False)
    assert isinstance(open_picture(on_map), ImageSource)
    with pytest.raises(MissingDependency, match=r"maskweave\[geo\]"):
        open_picture(on_map, reading=Reading(tiles=True))
