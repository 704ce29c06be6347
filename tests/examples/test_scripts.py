"""The example scripts run on small data, give the right numbers, and write an image with the result in it."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.clips import Clip, write_clip
from tests.models.tiny import save_tiny_model

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(monkeypatch, capfd, name, *words):
    """What the script prints."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return capfd.readouterr().out


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx", size=128)


def test_driving_counts_road_users_once(model, tmp_path, monkeypatch, capfd):
    road = np.full((96, 160, 3), 60, np.uint8)
    frames = []
    for step in range(12):
        image = road.copy()
        image[40:64, 10 + 8 * step : 40 + 8 * step] = 250
        frames.append(image)
    drive = write_clip(tmp_path / "drive.mp4", Clip(size=(96, 160), images=frames))
    image = tmp_path / "busiest.jpg"
    out = run(monkeypatch, capfd, "driving", drive, "--model", model, "--classes", "cat", "--image", image)
    assert "    1 x cat" in out
    with Image.open(image) as found:
        assert found.size == (160, 96)


def phantom(size=128, slices=9):
    """Hounsfield units of a body of 40 with a ball of 300, radius 20 mm, in the middle, and where the ball is."""
    z, y, x = np.mgrid[:slices, :size, :size] - np.array([slices // 2, size // 2, size // 2]).reshape(
        3, 1, 1, 1
    )
    ball = x**2 + y**2 + (6 * z) ** 2 <= 20**2
    body = (x / 1.3) ** 2 + y**2 <= 44**2
    noise = np.random.default_rng(0).normal(0, 12, ball.shape)
    return (np.where(ball, 300, np.where(body, 40, -1000)) + noise).astype(np.int16), ball


def test_medical_follows_an_organ_and_measures_it(tmp_path, monkeypatch, capfd):
    pytest.importorskip("pydicom", minversion="3", reason="needs the extra [medical]")
    nrrd = pytest.importorskip("nrrd", reason="needs the extra [medical]")
    from tests.sources.dicoms import dicom, save

    values, ball = phantom()
    folder = tmp_path / "series"
    folder.mkdir()
    for number, pixels in enumerate(values):
        place = {
            "ImagePositionPatient": [-64, -64, 6.0 * number],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        }
        save(folder / f"{number}.dcm", dicom(pixels, PixelSpacing=[1, 1], **place))
    words = (folder, "--slice", 4, "--box", 43, 43, 85, 85, "--window", "100,600", "-o", tmp_path / "out")
    out = run(monkeypatch, capfd, "medical", *words)
    labels, header = nrrd.read(str(tmp_path / "out" / "series.nrrd"))
    found = labels.T > 0
    assert np.count_nonzero(found & ball) / np.count_nonzero(found | ball) > 0.75
    assert header["space origin"].tolist() == [-64, -64, 0]
    assert f"{np.count_nonzero(found) * 6 / 1000:.1f} ml in 9 slices" in out
    with Image.open(tmp_path / "out" / "marked-slice.png") as image:
        assert image.size == (128, 128)


@pytest.mark.filterwarnings("ignore:.*were stretched:maskweave.errors.SourceWarning")
def test_satellite_gives_outlines_areas_and_an_image(model, tmp_path, monkeypatch, capfd):
    pytest.importorskip("rasterio", reason="needs the extra [geo]")
    from tests.sources.rasters import UTM, write_tiff

    bands = np.random.default_rng(0).integers(200, 500, (4, 300, 400)).astype(np.uint16)
    bands[:, 100:140, 60:340] = 3000  # longer than a tile
    bands[:, 200:260, 180:240] = 3000
    scene = write_tiff(tmp_path / "scene.tif", bands, tiled=True, blockxsize=128, blockysize=128, **UTM)
    words = (scene, "--model", model, "--bands", 4, 3, 2, "--tile", 128, "-o", tmp_path)
    out = run(monkeypatch, capfd, "satellite", *words)
    assert "cat: " in out
    assert "EPSG:32633" in out
    features = json.loads((tmp_path / "scene.geojson").read_text())["features"]
    areas = sum(feature["properties"]["area_m2"] for feature in features)
    assert areas == pytest.approx(100 * (40 * 280 + 60 * 60), rel=0.08)
    with Image.open(tmp_path / "scene.overlay.jpg") as image:
        assert image.size == (400, 300)
