import json

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="needs the extra [geo]")

from rasterio.warp import transform

from maskweave.annotations.convert import read_records
from maskweave.annotations.geojson import polygons_geometry
from maskweave.errors import InvalidValue, OutputError
from maskweave.ops.polygons import Polygon, fill_polygons, mask_to_polygons, ring_area
from maskweave.types import Frame, Instances, Masks, SemanticMap
from maskweave.types.georeference import GeoReference
from maskweave.types.result import FrameResult
from tests.outputs.scenes import NAMES, squares, target, writer_of

UTM = GeoReference((10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")
SIZE = (60, 80)


def written(folder, found, geo, **options):
    with writer_of("geojson", target(folder, "image", **options)) as writer:
        writer.write(FrameResult(Frame(np.zeros((*SIZE, 3), np.uint8), source="street", geo=geo), found))
    assert writer.path == folder / "street.geojson"
    return json.loads(writer.path.read_text(encoding="utf-8")), writer.warnings


def ring_with_a_hole_and_an_island():
    dense = np.zeros((1, *SIZE), bool)
    dense[0, 10:40, 10:50] = True
    dense[0, 20:30, 20:30] = False
    dense[0, 50:55, 60:70] = True
    masks = Masks.from_dense(dense)
    return Instances(masks, masks.boxes, [0.75], [2], NAMES)


def test_a_mask_comes_back_from_longitude_and_latitude(tmp_path):
    found = ring_with_a_hole_and_an_island()
    document, warnings = written(tmp_path, found, UTM)
    assert warnings == []
    assert "crs" not in document
    (feature,) = document["features"]
    assert feature["properties"] == {
        "file_name": "street",
        "width": 80,
        "height": 60,
        "class": "car",
        "score": 0.75,
        "area_pixels": 1150,
        "area_m2": 115_000,
    }
    assert feature["geometry"]["type"] == "MultiPolygon"

    def to_pixels(ring):
        xs, ys = transform("EPSG:4326", "EPSG:32633", *np.array(ring[:-1]).T)
        return np.stack([(np.array(xs) - 500_000) / 10, (5_000_000 - np.array(ys)) / 10], axis=1)

    polygons = [
        Polygon(to_pixels(rings[0]), tuple(map(to_pixels, rings[1:])))
        for rings in feature["geometry"]["coordinates"]
    ]
    assert (fill_polygons(polygons, SIZE).union() == found.masks.dense()[0]).all()


@pytest.mark.parametrize("geo", [UTM, None, GeoReference((1e-4, 0, 15, 0, -1e-4, 45), "EPSG:4326")])
def test_rings_are_closed_and_turn_as_the_standard_says(tmp_path, geo):
    document, _ = written(tmp_path, ring_with_a_hole_and_an_island(), geo)
    parts = document["features"][0]["geometry"]["coordinates"]
    assert sorted(len(rings) for rings in parts) == [1, 2]
    for rings in parts:
        for number, ring in enumerate(rings):
            assert ring[0] == ring[-1]
            assert (ring_area(np.array(ring[:-1])) > 0) == (number == 0)


def test_the_source_s_own_system_is_named_and_exact(tmp_path):
    document, _ = written(tmp_path, squares((5, 7)), UTM, geojson_crs="source")
    assert document["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    (ring,) = document["features"][0]["geometry"]["coordinates"]
    assert sorted(map(tuple, ring[:-1])) == [
        (500_050, 4_999_830), (500_050, 4_999_930), (500_150, 4_999_830), (500_150, 4_999_930)
    ]  # fmt: skip
    assert document["features"][0]["properties"]["area_m2"] == 10_000


def test_feet_become_square_meters_and_degrees_do_not(tmp_path):
    feet = GeoReference((1, 0, 0, 0, -1, 0), "EPSG:2263")
    document, _ = written(tmp_path, squares((5, 7)), feet, geojson_crs="source")
    area = document["features"][0]["properties"]["area_m2"]
    assert area == pytest.approx(100 * (1200 / 3937) ** 2, abs=0.001)
    degrees = GeoReference((1e-4, 0, 15, 0, -1e-4, 45), "EPSG:4326")
    document, _ = written(tmp_path, squares((5, 7)), degrees)
    assert "area_m2" not in document["features"][0]["properties"]
    (ring,) = document["features"][0]["geometry"]["coordinates"]
    assert np.ptp(np.array(ring), axis=0) == pytest.approx([1e-3, 1e-3])


def test_without_a_georeference_coordinates_are_pixels_and_it_is_told(tmp_path):
    document, warnings = written(tmp_path, squares((5, 7), (30, 20)), None)
    assert [feature["id"] for feature in document["features"]] == [1, 2]
    assert document["features"][0]["geometry"]["coordinates"][0][:2] == [[5, 7], [15, 7]]
    assert "pixels" in warnings[0]


def test_nothing_found_is_a_feature_without_geometry_and_our_own_file_is_replaced(tmp_path):
    written(tmp_path, squares((5, 7)), UTM)
    document, _ = written(tmp_path, squares(), UTM)
    assert [each["geometry"] for each in document["features"]] == [None]
    (tmp_path / "street.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(OutputError, match="did not write"):
        written(tmp_path, squares(), UTM)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(InvalidValue, match="instances"):
        written(tmp_path, SemanticMap(np.zeros(SIZE, int), ("a",)), UTM)
    with pytest.raises(OutputError, match="not known"):
        written(tmp_path, squares((5, 7)), GeoReference(UTM.transform, "nonsense"))
    assert list(tmp_path.iterdir()) == []


def test_an_object_without_pixels_is_a_geometry_without_parts():
    assert polygons_geometry(mask_to_polygons(np.zeros((3, 3), bool))) == {
        "type": "MultiPolygon",
        "coordinates": [],
    }


@pytest.mark.parametrize("crs", ["wgs84", "source"])
@pytest.mark.parametrize(
    "geo",
    [
        UTM,
        GeoReference((0.03, 0, 500_000, 0, -0.03, 5_000_000), "EPSG:32633"),
        GeoReference((0.01, 0, 179.7, 0, -0.01, -16), "EPSG:4326"),
        GeoReference((1000, 0, -40_000, 0, -1000, 30_000), "EPSG:3413"),
    ],
    ids=["meters", "a drone's", "over 180 degrees", "round the pole"],
)
def test_what_is_saved_in_map_coordinates_is_read_as_the_same_pixels(tmp_path, geo, crs):
    found = ring_with_a_hole_and_an_island()
    document, _ = written(tmp_path, found, geo, geojson_crs=crs)
    (record,) = read_records(tmp_path / "street.geojson")
    assert record.instances.masks == found.masks
    if crs == "wgs84":
        for part in document["features"][0]["geometry"]["coordinates"]:
            for ring in part:
                longitudes = np.array(ring)[:, 0]
                assert np.abs(longitudes).max() <= 180
                assert np.abs(np.diff(longitudes)).max() <= 180
