import builtins
import os

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
from maskweave.sources import gdal, raster
from maskweave.sources.images import ImageSource, read_image
from maskweave.sources.open_image import open_image
from maskweave.sources.raster import RasterSource
from maskweave.sources.raster_options import RasterOptions
from maskweave.sources.stack import TiffStackSource
from maskweave.types.windows import Tile
from tests.sources.rasters import UTM, noise, write_tiff


def only(path, **raster_options):
    with RasterSource(path, raster_options=RasterOptions(**raster_options)) as source:
        (frame,) = source
        return frame, source.warnings


def test_rgb_is_read_as_pillow_reads_it(tmp_path):
    path = write_tiff(tmp_path / "a.tif", noise(), photometric="RGB")
    frame, warnings = only(path)
    (photo,) = ImageSource(path)
    assert (frame.image == photo.image).all()
    assert (frame.geo, frame.valid, frame.windows, warnings) == (None, None, None, [])
    assert (frame.source, frame.file_name) == ("a", "a.tif")


def test_bands_are_chosen_by_color_by_number_or_by_order(tmp_path):
    bands = noise(4)
    named = write_tiff(tmp_path / "a.tif", bands, colors=["blue", "green", "red", "undefined"])
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
    assert warnings == [
        "values reach 2999 of 65535, nearly black; --stretch 0.1,99.9 (of TIFF) uses the whole range"
    ]


def test_nodata_counts_for_nothing_and_is_told(tmp_path):
    bands = noise(dtype=np.int16, high=100) + 1000
    bands[:, :, :20] = -9999
    path = write_tiff(tmp_path / "a.tif", bands, nodata=-9999, **UTM)
    frame, _ = only(path)
    assert not frame.valid[:, :20].any()
    assert frame.valid[:, 20:].all()
    assert frame.image[:, 20:].std() > 50
    assert (frame.image[:, :20] == 0).all()


def test_no_data_is_black_where_0_is_an_ordinary_value(tmp_path):
    bands = noise(1, dtype=np.int16, high=200) - 100
    bands[:, :, :20] = -9999
    frame, _ = only(write_tiff(tmp_path / "a.tif", bands, nodata=-9999, **UTM))
    assert (frame.image[:, :20] == 0).all()
    bands[:] = -9999
    frame, warnings = only(write_tiff(tmp_path / "b.tif", bands, nodata=-9999, **UTM))
    assert (frame.image == 0).all()
    assert warnings == ["every pixel is marked as no data"]


def test_complex_numbers_are_refused_by_name(tmp_path):
    with pytest.raises(
        UnreadableImage, match=r"need real numbers, got complex ones \(complex64\), as of radar"
    ):
        only(write_tiff(tmp_path / "a.tif", noise(1).astype(np.complex64)))


def test_a_palette_of_65536_colors_is_looked_up(tmp_path):
    numbers = np.arange(1000, 1000 + 40 * 60, dtype=np.uint16).reshape(40, 60)
    colors = np.zeros((3, 65536), np.uint16)
    colors[0] = np.arange(65536)
    pytest.importorskip("tifffile").imwrite(
        tmp_path / "a.tif", numbers, photometric="palette", colormap=colors
    )
    frame, warnings = only(tmp_path / "a.tif")
    assert np.abs(frame.image[:, :, 0].astype(int) - numbers // 257).max() <= 1
    assert not frame.image[:, :, 1:].any()
    assert warnings == []


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


def test_where_the_image_lies(tmp_path):
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
    with RasterSource(
        path, raster_options=RasterOptions(tiles=True, stretch=stretch), max_pixels=100
    ) as source:
        (frame,) = source
        assert frame.size == (150, 170)
        assert frame.image.shape == (44, 50, 3)
        for tile in (Tile(0, 0, 64, 64), Tile(60, 90, 150, 170)):
            assert (frame.windows.read(tile) == whole.image[tile.rows, tile.columns]).all()
            valid = frame.windows.valid(tile)
            assert (np.ones(tile.size, bool) if valid is None else valid).tolist() == (
                whole.valid[tile.rows, tile.columns].tolist()
            )


def test_a_large_image_is_refused_with_a_hint_at_tiles(tmp_path):
    path = write_tiff(tmp_path / "a.tif", noise(size=(200, 200)), photometric="RGB")
    with pytest.raises(ImageTooLarge, match="--tile"):
        list(RasterSource(path, max_pixels=1000))
    with pytest.raises(ImageTooLarge, match="--tile"):
        list(ImageSource(path, max_pixels=1000))


def test_a_file_of_one_huge_block_is_not_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(raster, "_MAX_BLOCK", 1000)
    path = write_tiff(tmp_path / "a.tif", noise(size=(200, 200)), photometric="RGB", blockysize=200)
    with pytest.raises(ImageTooLarge, match="rewrite it as a tiled TIFF"):
        list(RasterSource(path, max_pixels=1000, raster_options=RasterOptions(tiles=True)))


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
    assert isinstance(open_image(plain), ImageSource)
    assert isinstance(open_image(on_map), RasterSource)
    for raster_options in (
        RasterOptions(tiles=True),
        RasterOptions(bands=(1,)),
        RasterOptions(stretch=(1, 99)),
    ):
        assert isinstance(open_image(plain, raster_options=raster_options), RasterSource)


@pytest.mark.parametrize(
    ("count", "dtype"), [(5, np.uint16), (3, np.float32), (1, np.float64), (3, np.int16)]
)
def test_what_pillow_does_not_know_is_read_by_rasterio_by_itself(tmp_path, count, dtype):
    path = write_tiff(tmp_path / "a.tif", noise(count, dtype=dtype, high=2))
    assert isinstance(open_image(path), RasterSource)
    assert len(list(open_image(path))) == 1
    assert len(list(TiffStackSource(path))) == 1


def test_what_pillow_does_not_know_names_the_extra_without_rasterio(tmp_path, monkeypatch):
    path = write_tiff(tmp_path / "a.tif", noise(5, dtype=np.uint16))
    monkeypatch.setattr(gdal, "has_rasterio", lambda: False)
    for opened in (open_image, TiffStackSource):
        with pytest.raises(MissingDependency, match=r"5 bands of uint16: need rasterio.*maskweave\[geo\]"):
            opened(path)
    with pytest.raises(UnreadableImage, match=r"5 bands of uint16, which Pillow does not decode"):
        read_image(path)


def test_choices_that_mean_nothing_for_a_file_are_told(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    tiff = write_tiff(tmp_path / "a.tif", noise(), photometric="RGB")
    told = [
        open_image(tmp_path / "a.png", raster_options=RasterOptions(stretch=(1, 99), window=(1, 2))).warnings,
        open_image(tiff, raster_options=RasterOptions(stretch=(1, 99), window=(1, 2))).warnings,
        open_image(tiff, raster_options=RasterOptions(stretch=(1, 99))).warnings,
    ]
    bands, window = (
        "--bands and --stretch are for TIFF: not applied",
        "--window is for DICOM and NIfTI: not applied",
    )
    assert told == [[bands, window], [window], []]


def test_bands_that_were_chosen_for_the_user_are_told(tmp_path):
    _, warnings = only(write_tiff(tmp_path / "a.tif", noise(5)))
    assert any("bands 1, 2, 3 are shown as red, green, blue" in line for line in warnings)
    _, warnings = only(write_tiff(tmp_path / "a.tif", noise(5)), bands=(4, 3, 2))
    assert warnings == []


def test_values_beyond_the_fixed_rules_are_told(tmp_path):
    bands = np.linspace(-5, 300, 2400, dtype=np.float32).reshape(1, 40, 60)
    _, warnings = only(write_tiff(tmp_path / "a.tif", bands))
    assert "values from -5 to 300 were clipped to 0..1" in warnings[0]


def test_nodata_is_seen_without_a_georeference_and_without_tiles(tmp_path):
    bands = noise()
    bands[:, :, :20] = 0
    (frame,) = open_image(write_tiff(tmp_path / "a.tif", bands, nodata=0, photometric="RGB"))
    assert not frame.valid[:, :20].any()


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_not_utf8_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"sc\xf6ne.tif")
    write_tiff(tmp_path / "a.tif", noise(), photometric="RGB").rename(path)
    frame, _ = only(path, tiles=True)
    assert (frame.image == noise().transpose(1, 2, 0)).all()


def test_without_rasterio_photos_are_read_and_the_rest_says_what_to_install(tmp_path, monkeypatch):
    on_map = write_tiff(tmp_path / "b.tif", noise(), photometric="RGB", **UTM)
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "rasterio":
            raise ImportError(name, name=name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(gdal, "has_rasterio", lambda: False)
    assert isinstance(open_image(on_map), ImageSource)
    with pytest.raises(MissingDependency, match=r"maskweave\[geo\]"):
        open_image(on_map, raster_options=RasterOptions(tiles=True))


@pytest.mark.parametrize("dtype", [np.int16, np.int8])
def test_values_below_zero_are_told_to_be_clipped(tmp_path, dtype):
    values = np.array([[-90, 0], [50, 120]], dtype)
    path = write_tiff(tmp_path / "a.tif", values[None])
    _, warnings = only(path)
    assert warnings[0].startswith("values from -90 to 120: those below 0 were clipped")
