import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.errors import InvalidValue
from maskweave.ops.polygons import ring_area
from maskweave.result import Result
from maskweave.types.frame import Frame
from tests.annotations.scenes import collected, objects, plain, read, records, rectangle, same_objects, write

NORTH_UP = (0.5, 0.0, 412_000.25, 0.0, -0.5, 5_654_000.75)
affines = st.sampled_from([None, NORTH_UP, (0.3, 0.1, 7.0, -0.1, 0.3, 1e6), (0.0, 2.0, 0.0, 3.0, 0.0, -5.0)])


@given(records(), affines)
@settings(max_examples=40)
def test_masks_survive_any_map(tmp_path_factory, before, affine):
    path = tmp_path_factory.mktemp("map") / "a.geojson"
    write(path, "geojson", [before], affine=affine)
    (after,) = read(path)
    assert same_objects(before, after)
    for feature in json.loads(path.read_text())["features"]:
        geometry = feature["geometry"]
        if geometry is None:
            assert not len(before.instances)
            continue
        parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        for rings in parts:
            turns = [ring_area(np.array(ring[:-1])) > 0 for ring in rings]
            assert turns == [True] + [False] * (len(rings) - 1)  # RFC 7946, 3.1.6
            assert all(ring[0] == ring[-1] for ring in rings)


def test_map_coordinates_are_the_transforms(tmp_path):
    path = tmp_path / "a.geojson"
    write(path, "geojson", [Record("a.tif", objects([rectangle(2, 4, 6, 8)]))], affine=NORTH_UP)
    data = json.loads(path.read_text())
    (ring,) = data["features"][0]["geometry"]["coordinates"]
    assert np.min(ring, axis=0).tolist() == [412_001.25, 5_653_996.75]
    assert np.max(ring, axis=0).tolist() == [412_003.25, 5_653_998.75]
    assert tuple(data["affine"]) == NORTH_UP


def test_a_transform_that_cannot_be_undone_is_refused():
    with pytest.raises(InvalidValue, match="affine"):
        Options(affine=(1, 2, 0, 2, 4, 0))


def test_features_need_not_be_in_order(tmp_path):
    path = tmp_path / "a.geojson"
    write(path, "geojson", [plain("a.png"), plain("b.png")])
    data = json.loads(path.read_text())
    data["features"] = data["features"][::2] + data["features"][1::2]
    path.write_text(json.dumps(data))
    assert [(each.file_name, len(each.instances)) for each in read(path)] == [("a.png", 2), ("b.png", 2)]


def first(data):
    return data["features"][0]


DAMAGES = {
    "point": (lambda d: first(d).update(geometry={"type": "Point", "coordinates": [1, 1]}), "need a Polygon"),
    "two points": (
        lambda d: first(d)["geometry"].update(coordinates=[[[1, 1], [2, 2], [1, 1]]]),
        "need rings",
    ),
    "text": (lambda d: first(d)["geometry"].update(coordinates=[["abcd"]]), "feature 1: "),
    "NaN": (
        lambda d: first(d)["geometry"].update(coordinates=[[[1, 1], [2, float("nan")], [2, 2], [1, 1]]]),
        "feature 1: polygon: need",
    ),
    "no properties": (lambda d: first(d).update(properties=None), "need a feature with properties"),
    "outside": (lambda d: first(d)["properties"].update(file_name=".."), "stays in its folder"),
    "no object": (lambda d: d["features"].insert(0, 3), "feature 1: need a feature"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_feature_is_named_and_the_rest_goes_on(tmp_path, name):
    change, message = DAMAGES[name]
    path = tmp_path / "a.geojson"
    write(path, "geojson", [plain("a.png"), plain("b.png")])
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    found, (line,) = collected(path)
    assert sum(len(each.instances) for each in found) >= 3
    assert line.startswith("a.geojson, feature 1: ")
    with pytest.raises(Exception, match=message):
        read(path)


@pytest.mark.parametrize(
    "text", ['{"type": "FeatureCollection", "features": []}', '{"type": "FeatureCollection", "affine": [1]}']
)
def test_a_file_without_features_is_told(tmp_path, text):
    path = tmp_path / "a.geojson"
    path.write_text(text)
    with pytest.raises(InvalidValue, match=r"a\.geojson: need"):
        read(path)


def test_what_segment_writes_of_a_image_can_be_read(tmp_path):
    found = objects([rectangle(2, 4, 6, 8), rectangle(10, 1, 12, 9)])
    path = tmp_path / "a.geojson"
    Result(Frame(np.zeros((*found.size, 3), np.uint8), file_name="a.jpg"), found).save(path)
    (after,) = read(path)
    assert after.file_name == "a.jpg"
    assert after.instances.masks == found.masks
