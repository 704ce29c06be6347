"""Every property of an image means the same in every reader: whole and piece by piece, as a photo and as a page."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from maskweave.sources import raster
from maskweave.sources.folders import FrameFolderSource
from maskweave.sources.images import read_image
from maskweave.sources.open_image import open_image
from maskweave.sources.raster import RasterSource
from maskweave.sources.raster_options import RasterOptions
from maskweave.sources.stack import TiffStackSource
from tests.clips import corners, quarter_names
from tests.sources.profiles import swapped_profile

tifffile = pytest.importorskip("tifffile", reason="writes TIFFs of every kind")
pytest.importorskip("rasterio", reason="needs the extra [geo]")

RAMP = np.linspace(0, 1, 12).reshape(1, 12).repeat(9, axis=0)  # 9 rows, 12 columns, dark to bright
RED = np.array([200, 60, 30], np.uint8)
STORED = {  # how an upright image is stored, by the definition of the tag
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def levels(bits, dtype):
    return (RAMP * ((1 << bits) - 1)).round().astype(dtype)


def by_pillow(path):
    return read_image(path)


def chosen(path):
    (frame,) = open_image(path)
    return frame.image


def by_raster(path):
    (frame,) = RasterSource(path)
    return frame.image


def in_pieces(path):
    from maskweave.sources.raster import RasterWindows
    from maskweave.types.windows import Tile

    windows = RasterWindows(path, RasterOptions(tiles=True))
    height, width = windows.size
    image = np.zeros((height, width, 3), np.uint8)
    for top in range(0, height, 5):
        for left in range(0, width, 4):
            tile = Tile(top, left, min(top + 5, height), min(left + 4, width))
            image[tile.rows, tile.columns] = windows.read(tile)
    windows.close()
    return image


def as_page(path):
    with TiffStackSource(path) as source:
        (frame,) = source
    return frame.image


def as_frame_of_a_folder(path):
    (frame,) = FrameFolderSource([path], "frames")
    return frame.image


READERS = [by_pillow, chosen, by_raster, in_pieces, as_page, as_frame_of_a_folder]
BUT_PILLOW = READERS[1:]


def check(path, expected, readers, tolerance=0):
    for reader in readers:
        image = reader(path)
        assert image.shape == (*expected.shape[:2], 3), reader.__name__
        wanted = expected if expected.ndim == 3 else expected[:, :, None]
        assert np.abs(image.astype(int) - wanted).max() <= tolerance, reader.__name__


GRAYS = {  # values, what tifffile is told, the expected gray, readers that can
    "8-bit": (levels(8, "u1"), {}, levels(8, "u1"), READERS),
    "8-bit-white-is-0": (levels(8, "u1"), {"photometric": "miniswhite"}, 255 - levels(8, "u1"), READERS),
    "1-bit": (RAMP > 0.5, {}, (RAMP > 0.5) * 255, READERS),
    "1-bit-white-is-0": (RAMP > 0.5, {"photometric": "miniswhite"}, (RAMP <= 0.5) * 255, READERS),
    "16-bit": (levels(16, "u2"), {}, levels(16, "u2") >> 8, READERS),
    "16-bit-big-endian": (levels(16, ">u2"), {"byteorder": ">"}, levels(16, "u2") >> 8, READERS),
    "16-bit-white-is-0": (
        levels(16, "u2"),
        {"photometric": "miniswhite"},
        255 - (levels(16, "u2") >> 8),
        READERS,
    ),
    "16-bit-signed": (
        (levels(16, "i4") - 32768).astype("i2"),
        {},
        np.maximum(levels(16, "i4") - 32768, 0) >> 8,
        READERS,
    ),
    "8-bit-signed": ((levels(8, "i2") - 128).astype("i1"), {}, np.maximum(levels(8, "i2") - 128, 0), READERS),
    "32-bit": (levels(16, "u4"), {}, levels(16, "u4") >> 8, READERS),
    "32-bit-beyond-16": (levels(32, "u4"), {}, (np.minimum(levels(32, "u8"), 65535)) >> 8, READERS),
    "32-bit-signed": (levels(16, "i4") - 100, {}, np.maximum(levels(16, "i4") - 100, 0) >> 8, READERS),
    "64-bit": (levels(16, "u8"), {}, levels(16, "u8") >> 8, BUT_PILLOW),
    "float": (RAMP.astype("f4"), {}, (RAMP * 255 + 0.5).astype("u1"), READERS),
    "half-float": (
        RAMP.astype("f2"),
        {},
        (RAMP.astype("f2") * np.float32(255) + 0.5).astype("u1"),
        BUT_PILLOW,
    ),
    "double": (RAMP.astype("f8"), {}, (RAMP * 255 + 0.5).astype("u1"), BUT_PILLOW),
    "bigtiff": (levels(8, "u1"), {"bigtiff": True}, levels(8, "u1"), READERS),
    "compressed": (levels(8, "u1"), {"compression": "zlib", "predictor": True}, levels(8, "u1"), READERS),
}


@pytest.mark.parametrize("kind", GRAYS)
def test_depth_and_sign_of_gray_values(tmp_path, kind):
    values, options, expected, readers = GRAYS[kind]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, **({"photometric": "minisblack"} | options))
    check(path, expected, readers)


@pytest.mark.parametrize("bits", [2, 4, 12])
def test_declared_depth_of_gray_values(tmp_path, bits):
    from tests.sources.rasters import write_tiff

    values = levels(bits, "u2" if bits > 8 else "u1")
    path = write_tiff(tmp_path / "a.tif", values[None], nbits=bits)
    expected = values >> 4 if bits > 8 else values * (255 // ((1 << bits) - 1))
    check(path, expected, READERS)


def colors(dtype="u1", shift=0):
    steps = (RAMP * 255).round().astype(int)
    return (np.stack([steps, steps[::-1, ::-1], steps // 2], axis=-1) << shift).astype(dtype)


COLORS = {
    "8-bit": (colors(), {}, colors(), READERS),
    "8-bit-planes": (colors(), {"planarconfig": "separate"}, colors(), READERS),
    "16-bit": (colors("u2", 8), {}, colors(), READERS),
    "16-bit-planes": (colors("u2", 8), {"planarconfig": "separate"}, colors(), BUT_PILLOW),
    "floats": ((colors() / 255).astype("f4"), {}, colors(), BUT_PILLOW),
    "16-bit-signed": ((colors("i4", 7)).astype("i2"), {}, colors() // 2, BUT_PILLOW),
}


@pytest.mark.parametrize("kind", COLORS)
def test_depth_and_layout_of_colors(tmp_path, kind):
    values, options, expected, readers = COLORS[kind]
    path = tmp_path / "a.tif"
    stored = np.moveaxis(values, -1, 0) if options else values
    tifffile.imwrite(path, stored, photometric="rgb", **options)
    check(path, expected, readers)


def test_inks_are_made_colors_alike(tmp_path):
    inks = np.dstack([colors(), 255 - colors()[:, :, :1]])
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, inks, photometric="separated")
    plain = (255 - inks[:, :, :3].astype(int)) * (255 - inks[:, :, 3:]) / 255
    check(path, plain, READERS, tolerance=2)


def test_lab_is_made_colors_alike(tmp_path):
    """L* 53.2, a* 80.1, b* 67.2 is red in sRGB (D50-adapted: 54.3, 80.8, 69.9)."""
    path = tmp_path / "a.tif"
    lab = np.broadcast_to(np.array([round(54.29 * 2.55), 81, 70], np.uint8), (9, 12, 3))
    tifffile.imwrite(path, lab, photometric="cielab")
    assert np.abs(read_image(path).astype(int) - (255, 0, 0)).max() <= 6
    check(path, read_image(path), READERS)


def test_a_palette_is_looked_up_alike(tmp_path):
    path = tmp_path / "a.tif"
    image = Pillow.fromarray(levels(8, "u1")).convert("RGB").quantize(8)
    image.save(path)
    check(path, np.asarray(image.convert("RGB")), READERS)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_alpha_is_composited_on_white_alike(tmp_path, kind, dtype):
    alpha = levels(8, "u2")
    front = RED.astype("u2") * np.ones((9, 12, 1), "u2")
    if kind == "assocalpha":
        front = front * alpha[:, :, None] // 255
    shift = 8 if dtype == "u2" else 0
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        (np.dstack([front, alpha]) << shift).astype(dtype),
        photometric="rgb",
        extrasamples=[kind],
    )
    expected = (RED * alpha[:, :, None] + 255 * (255 - alpha[:, :, None])) / 255
    check(path, expected, READERS, tolerance=2)


@pytest.mark.parametrize("orientation", STORED)
def test_orientation_is_undone_alike(tmp_path, orientation):
    path = tmp_path / "a.tif"
    Pillow.fromarray(np.ascontiguousarray(STORED[orientation](colors()))).save(
        path, tiffinfo={274: orientation, 282: 300.0, 283: 150.0, 296: 2}
    )
    check(path, colors(), READERS)
    turned = orientation >= 5
    for raster_options in (RasterOptions(), RasterOptions(tiles=True)):
        (frame,) = open_image(path, raster_options=raster_options)
        assert frame.dpi == pytest.approx((150, 300) if turned else (300, 150))


@pytest.mark.parametrize("orientation", STORED)
def test_the_view_of_an_oriented_image_is_upright(tmp_path, monkeypatch, orientation):
    monkeypatch.setattr(raster, "VIEW", 48)
    path = tmp_path / "a.tif"
    Pillow.fromarray(np.ascontiguousarray(STORED[orientation](corners(96, 128)))).save(
        path, tiffinfo={274: orientation}
    )
    (frame,) = RasterSource(path, raster_options=RasterOptions(tiles=True))
    assert (frame.size, frame.image.shape) == ((96, 128), (36, 48, 3))
    assert quarter_names(frame.image) == quarter_names(frame.windows.overview()) == "RG/BW"


@pytest.mark.parametrize("orientation", STORED)
def test_an_oriented_image_lies_where_it_lay_on_the_map(tmp_path, orientation):
    upright, stored = colors(), np.ascontiguousarray(STORED[orientation](colors()))
    on_map = [  # scale, tie point and keys: UTM zone 33 N, pixels of 10 m, see GeoTIFF 1.1, 7
        (33550, 12, 3, (10.0, 10.0, 0.0)),
        (33922, 12, 6, (0.0, 0.0, 0.0, 500_000.0, 5_000_000.0, 0.0)),
        (34735, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)),
    ]
    plain, path = tmp_path / "plain.tif", tmp_path / "a.tif"
    tifffile.imwrite(plain, stored, photometric="rgb", extratags=on_map)
    tifffile.imwrite(path, stored, photometric="rgb", extratags=[*on_map, (274, 3, 1, orientation)])
    (frame,), (untagged,) = RasterSource(path), RasterSource(plain)
    assert (frame.image == upright).all()
    places = np.array([[0, 0], [3, 2]])
    marks = np.arange(9 * 12).reshape(9, 12)
    for x, y in places:
        row, column = np.argwhere(STORED[orientation](marks) == marks[y, x])[0]
        there = untagged.geo.to_map(np.array([[column + 0.5, row + 0.5]]))
        assert frame.geo.to_map(np.array([[x + 0.5, y + 0.5]])) == pytest.approx(there)


def test_a_color_profile_is_converted_alike(tmp_path):
    path = tmp_path / "a.tif"
    Pillow.fromarray(np.broadcast_to(RED, (9, 12, 3)).copy()).save(path, icc_profile=swapped_profile())
    expected = np.broadcast_to(RED[::-1], (9, 12, 3))
    check(path, expected, READERS, tolerance=2)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_color_profile_of_every_format_is_converted(kind):
    buffer = io.BytesIO()
    image = Pillow.fromarray(np.broadcast_to(RED, (16, 16, 3)).copy())
    try:
        image.save(buffer, kind, icc_profile=swapped_profile(), quality=100)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {kind}")
    assert np.abs(read_image(buffer.getvalue()).astype(int) - RED[::-1]).max() <= 8
