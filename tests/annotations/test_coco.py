import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from maskweave.annotations.coco_reading import IdSet
from maskweave.annotations.record import Category, Record
from maskweave.errors import BadRecord, InvalidValue, OutputError
from tests.annotations.scenes import collected, objects, plain, read, records, rectangle, same_objects, write


@given(st.lists(records(), min_size=1, max_size=3), st.sampled_from(["auto", "rle", "polygons"]))
@settings(max_examples=40)
def test_every_mask_comes_back_to_the_pixel(tmp_path_factory, given_records, masks):
    path = tmp_path_factory.mktemp("coco") / "a.json"
    write(path, "coco", given_records, masks=masks)
    found = read(path)
    assert len(found) == len(given_records)
    for before, after in zip(given_records, found, strict=True):
        assert same_objects(before, after)
        assert after.file_name == before.file_name


def test_ids_scores_tracks_crowds_and_boxes_are_kept(tmp_path):
    dense = np.stack([rectangle(1, 1, 6, 8), rectangle(3, 2, 15, 11)])
    instances = objects(dense, scores=[0.123456789, 1.0], track_ids=[7, 9]).replace(
        boxes=[[0.1, 1.7, 6.3, 8.0], [3, 2, 15, 11]]
    )
    categories = (Category(18, "car"), Category(3, "person"), Category(77, "unicorn"))
    before = Record(
        "clip/00004.png",
        instances,
        crowd=[False, True],
        categories=categories,
        video="clip",
        frame=4,
        time=0.16,
    )
    path = tmp_path / "a.json"
    write(path, "coco", [before, Record("clip/5.png", objects(dense[:0]))])
    after, empty = read(path)
    assert after.instances.scores.tolist() == instances.scores.tolist()
    assert after.instances.track_ids.tolist() == [7, 9]
    np.testing.assert_allclose(after.instances.boxes, instances.boxes)
    assert after.crowds.tolist() == [False, True]
    assert {(each.id, each.name) for each in after.categories} == {
        (18, "car"),
        (3, "person"),
        (77, "unicorn"),
    }
    assert (after.video, after.frame, after.time) == ("clip", 4, 0.16)
    assert (len(empty.instances), empty.frame) == (0, None)


def test_a_hole_makes_run_lengths_or_is_filled_and_measured(tmp_path):
    ring = rectangle(1, 1, 9, 9) & ~rectangle(3, 3, 6, 6)
    before = Record("a.png", objects([ring, rectangle(10, 1, 12, 3)]))
    kept = write(tmp_path / "kept.json", "coco", [before], masks="polygons")
    kinds = [
        type(each["segmentation"]) for each in json.loads((tmp_path / "kept.json").read_text())["annotations"]
    ]
    assert (kinds, kept.lines()) == ([dict, list], [])
    filled = write(tmp_path / "filled.json", "coco", [before], masks="polygons", holes="fill")
    assert filled.losses["holes"] == (1, 9)
    (after,) = read(tmp_path / "filled.json")
    assert after.instances.masks.areas.tolist() == [64, 4]


def test_pycocotools_reads_what_is_written(tmp_path, capsys):
    path = tmp_path / "a.json"
    before = plain()
    write(path, "coco", [before], masks="polygons")
    coco = COCO(str(path))
    capsys.readouterr()
    found = [coco.annToMask(each).astype(bool) for each in coco.loadAnns(coco.getAnnIds())]
    np.testing.assert_array_equal(found, before.instances.masks.dense())


def damaged(path, change):
    write(path, "coco", [plain("a.png"), plain("b.png")])
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


def first(data):
    return data["annotations"][0]


DAMAGES = {
    "two points": (lambda d: first(d).update(segmentation=[[1, 1, 5, 5]]), r"annotation 1: polygon: need"),
    "no list": (lambda d: first(d).update(segmentation=[["a"] * 6]), r"annotation 1: need a number as corner"),
    "other size": (
        lambda d: first(d)["segmentation"].update(size=[3, 4]), r"annotation 1: .*need size \[12, 16\]"),
    "counts": (lambda d: first(d)["segmentation"].update(counts="zz"), r"annotation 1: rle"),
    "no counts": (lambda d: first(d)["segmentation"].pop("counts"), r"annotation 1: need run lengths with"),
    "category": (lambda d: first(d).update(category_id=999), r"annotation 1: need a category.* 999"),
    "NaN": (lambda d: first(d).update(bbox=[float("nan"), 1, 2, 3]), r"annotation 1: need finite"),
    "score": (lambda d: first(d).update(score=7), r"annotation 1: need a score"),
    "same id": (lambda d: d["annotations"][1].update(id=1), r"annotation 1: its id is another"),
    "no image": (lambda d: first(d).update(image_id=77), r"image 77: 1 annotations are of no image"),
    "image id": (lambda d: first(d).update(image_id=[1]), r"annotation 1: need a number .*image_id"),
    "same image": (lambda d: d["images"][1].update(id=1), r"image 1 \('b.png'\): need an id of its own"),
    "no name": (lambda d: d["images"][1].update(file_name="../.."), r"image 2 .*stays in its folder"),
    "no size": (lambda d: d["images"][1].update(height=0), r"image 2 .*need a height and a width"),
    "same category": (lambda d: d["categories"][1].update(id=d["categories"][0]["id"]), r"category .*own"),
    "no object": (lambda d: d["annotations"].append(3), r"annotations: need objects"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_record_is_named_and_the_rest_goes_on(tmp_path, name):
    change, message = DAMAGES[name]
    path = damaged(tmp_path / "a.json", change)
    found, lines = collected(path)
    assert any(re.search(message, line) for line in lines), lines
    objects_left = sum(len(each.instances) for each in found)
    assert 2 <= objects_left <= 4
    assert objects_left < 4 or name == "no object"
    with pytest.raises(BadRecord, match=message):
        read(path)


def test_missing_images_are_named_when_their_folder_is_told(tmp_path):
    path = damaged(tmp_path / "a.json", lambda data: None)
    (tmp_path / "photos").mkdir()
    found, lines = collected(path, images=tmp_path / "photos")
    assert len(found) == 2
    assert [line.split(":")[0] for line in lines] == ["a.png", "b.png"]


def test_boxes_without_masks_stay_boxes(tmp_path):
    path = damaged(tmp_path / "a.json", lambda d: first(d).update(segmentation=None))
    record, _ = read(path)
    assert record.instances.masks.areas[0] == 0
    assert record.instances.boxes[0].tolist() == [1, 1, 6, 8]
    again = tmp_path / "b.json"
    write(again, "coco", [record])
    assert read(again)[0].instances.boxes[0].tolist() == [1, 1, 6, 8]


@pytest.mark.parametrize(
    "text", ["", "{", '{"images": 3}', '{"images": [{]}', "[1, 2", '{"images": []}', "\xff"]
)
def test_what_is_no_coco_file_is_told(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InvalidValue, match=r"a\.json: need"):
        read(path, "coco")


def test_lists_of_any_length_are_read_in_small_pieces(tmp_path, monkeypatch):
    from maskweave.annotations import json_stream

    monkeypatch.setattr(json_stream, "_PIECE", 7)
    path = tmp_path / "a.json"
    before = [plain(f"{number}.png") for number in range(5)]
    write(path, "coco", before)
    assert [each.file_name for each in read(path)] == [each.file_name for each in before]
    assert all(same_objects(one, other) for one, other in zip(before, read(path), strict=True))


def test_nothing_appears_before_it_is_whole_and_foreign_files_stay(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": []}')
    with pytest.raises(OutputError, match="did not write"):
        write(path, "coco", [plain()])
    assert path.read_text() == '{"images": []}'
    path.unlink()
    for _ in range(2):  # our own is replaced
        write(path, "coco", [plain()])
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


@given(st.lists(st.integers(-3, 5000) | st.text(max_size=2) | st.just(1 << 40)))
def test_ids_are_remembered_like_a_set(ids):
    seen, noted = set(), IdSet()
    for each in ids:
        assert (each in noted) == (each in seen)
        assert noted.add(each) == (each not in seen)
        seen.add(each)
