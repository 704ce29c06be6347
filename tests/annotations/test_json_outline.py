"""JSON formats are known by their structure, wherever in a file of any size their keys stand."""

import json

import pytest

from maskweave.annotations.convert import detect
from maskweave.annotations.json_stream import JsonOutline, json_outline

IMAGES = [{"id": n, "file_name": f"some/folder/{n:040d}.jpg", "width": 9, "height": 9} for n in range(1500)]
FOUND = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 3, 4]} for n in range(1500)]
CATEGORIES = [{"id": 1, "name": 'a "]" [ of {'}]
LARGE = {
    "coco": {"info": {}, "images": IMAGES, "categories": CATEGORIES, "licenses": None, "annotations": FOUND},
    "coco-annotations-first": {"annotations": FOUND, "images": IMAGES, "categories": CATEGORIES},
    "coco-isthing": {"images": IMAGES[:1], "annotations": FOUND[:1], "categories": [{"id": 1, "isthing": 1}]},
    "coco-nothing-found": {"images": IMAGES, "annotations": [], "categories": CATEGORIES},
    "labelme": {
        "version": "5.4.1",
        "shapes": [{"label": "a", "points": [[1.5, 2.5]] * 9000}],
        "imageData": "A" * 200_000,
        "imagePath": "a.png",
    },
    "panoptic": {
        "images": IMAGES,
        "categories": [{"id": 1, "isthing": 1}],
        "annotations": [{"image_id": 1, "segments_info": [{"id": 1}]}] * 1500,
        "info": {"description": "x" * 100_000},
    },
    "youtube-vis": {"info": {}, "videos": IMAGES, "categories": CATEGORIES, "annotations": FOUND},
    "geojson": {"features": [{"a": "[" * 99}] * 2000, "name": "x" * 99, "type": "FeatureCollection"},
    "coco-results": [{"image_id": 1, "category_id": 1, "segmentation": [], "score": 0.5}] * 3000,
}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_format_is_known_by_its_structure(tmp_path, kind, indent):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(LARGE[kind], indent=indent))
    known, _ = detect(path)
    assert kind.startswith(known.name)


@pytest.mark.parametrize(
    "text", ["", "{", "[", '{"images": [', '{"a": [{"b": "', "[1, 2", "\x00", "nothing", "[]x"]
)
def test_what_is_cut_short_or_no_json_has_the_outline_of_what_is_there(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert json_outline(path).keys <= {"images", "a"}


def test_a_file_that_changes_is_looked_at_again(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": []}')
    assert json_outline(path).keys == {"images"}
    path.write_text('{"videos": [], "more": 1}')
    assert json_outline(path).keys == {"videos", "more"}
    assert json_outline(tmp_path) == json_outline(tmp_path / "none.json") == JsonOutline()
