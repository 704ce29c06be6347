"""Large images and rasters by the command, with a model small enough to know the answer."""

import json

import numpy as np
import pytest
from PIL import Image

from maskweave.sources import raster
from tests.cli.test_segment import run
from tests.models.tiny import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx", size=128)


@pytest.fixture
def wide(tmp_path):
    """A bright bar, 40 to 560 of 600, over all seams."""
    image = np.zeros((150, 600, 3), np.uint8)
    image[50:100, 40:560] = 255
    path = tmp_path / "wide.tif"
    Image.fromarray(image).save(path)
    return path


def test_an_object_over_every_seam_is_one(wide, model, tmp_path, monkeypatch, capfd):
    pytest.importorskip("rasterio", reason="needs the extra [geo]")
    monkeypatch.setattr(raster, "VIEW", 300)
    words = ("segment", wide, "-m", model, "-o", tmp_path / "out", "--tile", 150, "--max-pixels", "0.001")
    code, _, err = run(monkeypatch, capfd, *words)
    assert code == 0, err
    (found,) = json.loads((tmp_path / "out" / "wide.json").read_text())["annotations"]
    assert found["area"] == pytest.approx(50 * 520, rel=0.06)
    assert found["segmentation"]["size"] == [150, 600]
    with Image.open(tmp_path / "out" / "wide.masks.png") as masks:
        assert masks.size == (600, 150)
        assert np.unique(np.asarray(masks)).tolist() == [0, 1]
    with Image.open(tmp_path / "out" / "wide.overlay.jpg") as overlay:
        assert overlay.size == (300, 75)


def test_a_large_image_is_refused_with_a_hint_and_others_stay_refused(
    wide, model, tmp_path, monkeypatch, capfd
):
    small = ("-m", model, "-o", tmp_path / "out", "--max-pixels", "0.001")
    code, _, err = run(monkeypatch, capfd, "segment", wide, *small)
    assert code == 1
    assert "--tile 1024" in err
    photo = tmp_path / "photo.png"
    Image.open(wide).save(photo)
    code, _, err = run(monkeypatch, capfd, "segment", photo, *small, "--tile", 150)
    assert code == 1
    assert "save it as a tiled TIFF" in err


def test_a_georeferenced_image_gives_geojson_in_either_system(model, tmp_path, monkeypatch, capfd):
    pytest.importorskip("rasterio", reason="needs the extra [geo]")
    from tests.sources.rasters import UTM, write_tiff

    bands = np.full((4, 100, 150), 200, np.uint16)
    bands[1:, 40:80, 40:80] = 3000
    write_tiff(tmp_path / "field.tif", bands, **UTM)
    words = ("segment", tmp_path / "field.tif", "-m", model, "--bands", "4,3,2", "--save", "geojson")
    code, _, err = run(monkeypatch, capfd, *words, "-o", tmp_path / "a")
    assert code == 0, err
    assert "stretched" in err
    (feature,) = json.loads((tmp_path / "a" / "field.geojson").read_text())["features"]
    longitude, latitude = np.array(feature["geometry"]["coordinates"][0]).mean(axis=0)
    assert (longitude, latitude) == pytest.approx((15.0, 45.15), abs=0.02)
    assert feature["properties"]["area_m2"] == pytest.approx(160_000, rel=0.1)
    code, _, err = run(monkeypatch, capfd, *words, "-o", tmp_path / "b", "--geojson-crs", "source")
    (feature,) = json.loads((tmp_path / "b" / "field.geojson").read_text())["features"]
    assert feature["geometry"]["coordinates"][0][0] == pytest.approx([500_400, 4_999_600], abs=60)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tile", "20"), "tile: need 64"),
        (("--tile", "200", "--overlap", "0.9"), "overlap: need"),
        (("--bands", "1,2"), "bands: need"),
        (("--stretch", "a"), "stretch: need"),
    ],
)
def test_wrong_numbers_are_told_before_anything_is_read(words, message, model, monkeypatch, capfd):
    code, _, err = run(monkeypatch, capfd, "segment", "none.tif", "-m", model, *words)
    assert code == 2
    assert message in err


def test_python_takes_tiles_bands_and_stretch(wide, model):
    import maskweave as mw

    pytest.importorskip("rasterio", reason="needs the extra [geo]")
    with mw.load(model, tile=150) as tiled, mw.load(model) as whole:
        assert len(tiled(wide).instances) == len(whole(wide).instances) == 1
        assert len(tiled(np.asarray(Image.open(wide))).instances) == 1
        (streamed,) = tiled.stream(wide)
        assert len(streamed.instances) == 1
        document = json.loads(streamed.save(wide.with_name("a.geojson")).read_text())
        assert [feature["properties"]["class"] for feature in document["features"]] == ["cat"]
        stretched = whole(wide, raster_options=mw.RasterOptions(bands=(1,), stretch=(0, 100)))
        assert stretched.instances.masks == whole(wide).instances.masks


def test_a_series_becomes_a_volume_of_one_object_and_no_word_of_the_patient(
    model, tmp_path, monkeypatch, capfd
):
    nrrd = pytest.importorskip("nrrd", reason="needs the extra [medical]")
    pytest.importorskip("pydicom", minversion="3", reason="needs the extra [medical]")
    from tests.sources.dicoms import SECRET, dicom, save

    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(5):
        pixels = np.full((64, 64), -1000, np.int16)
        pixels[20:50, 18 + number : 48 + number] = 100
        place = {"ImagePositionPatient": [0, 0, -2.5 * number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        save(folder / f"I{number}", dicom(pixels, PixelSpacing=[0.5, 0.5], **place))
    words = ("segment", folder, "-m", model, "-o", tmp_path / "out", "--window", "40,400")
    code, _, err = run(monkeypatch, capfd, *words, "--save", "nrrd,masks,coco,csv,overlay")
    assert code == 0, err
    labels, header = nrrd.read(str(tmp_path / "out" / "series.nrrd"))
    assert labels.shape == (64, 64, 5)
    assert np.unique(labels).tolist() == [0, 1]
    left = [int(np.flatnonzero(labels[:, 35, each])[0]) for each in range(5)]
    assert left == sorted(left, reverse=True)  # the lowest slice, which was written last, comes first
    assert header["space origin"].tolist() == [0, 0, -10]
    assert header["space directions"].tolist() == [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 2.5]]
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) == 9
    assert not any(SECRET.encode() in path.read_bytes() for path in written)


def test_pages_of_a_tiff_as_a_video(model, tmp_path, monkeypatch, capfd):
    page = np.full((100, 150), 100, np.uint16)
    page[40:80, 40:80] = 900
    pages = [Image.fromarray(np.roll(page, shift, 1)) for shift in (0, 3)]
    pages[0].save(tmp_path / "cells.tif", save_all=True, append_images=pages[1:])
    words = ("segment", tmp_path / "cells.tif", "-m", model, "-o", tmp_path / "out", "--save", "coco")
    code, _, err = run(monkeypatch, capfd, *words, "--as-video", "--stretch", "1,99")
    assert code == 0, err
    assert "(2 masks) in 2 frames" in err
    found = json.loads((tmp_path / "out" / "cells.json").read_text())["annotations"]
    assert {each["track_id"] for each in found} == {1}
