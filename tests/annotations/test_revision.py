"""Corrected objects go back into the files they came from, and nothing else of those files changes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.annotations.json_edit import parts_of, rebuilt, style_of, with_values
from maskweave.annotations.report import Report
from maskweave.annotations.revision import Revision, revise
from maskweave.errors import InvalidValue
from maskweave.types import Instances, Masks
from tests.annotations.scenes import collected, objects, put_images, read, records, rectangle, write

RING = rectangle(2, 2, 12, 11) & ~rectangle(5, 4, 8, 7)
PARTS = rectangle(0, 0, 3, 3) | rectangle(9, 6, 14, 10)
SOURCE = """{"info": {"by": "someone", "n": 1.50},
  "licenses": [],
  "images": [{"id": 7, "file_name": "b/seven.png", "height": 12, "width": 16, "city": "Köln"},
             {"id": 3, "file_name": "three.png", "height": 12, "width": 16}],
  "annotations": [
    {"id": 40, "image_id": 3, "category_id": 90, "segmentation": [[1, 1, 6, 1, 6, 8, 1, 8.0]], "area": 35.00,
     "bbox": [1, 1, 5, 7], "iscrowd": 0, "attributes": {"occluded": true, "weight": 1.10}},
    {"id": 41, "image_id": 3, "category_id": 17, "segmentation": [], "bbox": [8, 2, 4, 4]},
    {"id": 41, "image_id": 3, "category_id": 17, "bbox": [0, 0, 4, 4], "note": "an id that is taken"},
    {"id": 42, "image_id": 7, "category_id": 17, "segmentation": [[9, 2, 14, 2, 14, 10]], "area": 20},
    {"id": "x", "image_id": 3, "category_id": 5, "bbox": [0, 0, 4, 4], "note": "of no category"},
    {"id": 50, "image_id": 3, "category_id": 17, "segmentation": {"size": [12, 16], "counts": [100, 20, 72]},
     "area": 20, "bbox": [8, 4, 2, 12], "iscrowd": 1}
  ],
  "categories": [{"id": 17, "name": "cat", "supercategory": "animal"}, {"id": 90, "name": "person"}],
  "extra": [1, 2,3]
}
"""


@pytest.fixture
def coco(tmp_path):
    path = tmp_path / "set.json"
    path.write_bytes(SOURCE.replace("\n", "\r\n").encode())
    return path


def record_of(path, name):
    found, _ = collected(path, "coco")
    return next(each for each in found if each.file_name == name)


def changed(record, *, masks=None, names=None, rows=None):
    """A revision of a record: other masks or names by row, or only these rows; further ones are new."""
    masks, names = dict(masks or {}), dict(names or {})
    before = record.instances
    rows = list(range(len(before))) if rows is None else rows
    dense = before.masks.dense()
    given = [masks[place] if place in masks else dense[row] for place, row in enumerate(rows)]
    called = [names[place] if place in names else before.names[row] for place, row in enumerate(rows)]
    classes = tuple(dict.fromkeys(called))
    found = Masks.from_dense(np.array(given, dtype=bool).reshape(-1, *record.size))
    instances = Instances(
        found, found.boxes, np.ones(len(rows)), [classes.index(each) for each in called], classes
    )
    return Revision(record, instances, np.array(rows, dtype=np.int64))


def test_a_coco_file_in_which_nothing_is_corrected_stays_byte_for_byte(coco):
    before = coco.read_bytes()
    revise(coco, "coco", [changed(record_of(coco, name)) for name in ("three.png", "b/seven.png")])
    assert coco.read_bytes() == before


def test_only_the_values_of_the_corrected_annotation_change(coco):
    before = coco.read_text()
    mask = rectangle(1, 1, 6, 9)
    revise(coco, "coco", [changed(record_of(coco, "three.png"), masks={0: mask})])
    after = coco.read_text()
    assert after == (
        before.replace("[[1, 1, 6, 1, 6, 8, 1, 8.0]]", "[[1, 1, 6, 1, 6, 9, 1, 9]]")
        .replace("35.00", "40")
        .replace("[1, 1, 5, 7]", "[1, 1, 5, 8]")
    )
    assert '"weight": 1.10' in after


def test_another_class_changes_one_number(coco):
    before = coco.read_text()
    revise(coco, "coco", [changed(record_of(coco, "three.png"), names={0: "cat"})])
    assert coco.read_text() == before.replace('"category_id": 90', '"category_id": 17')


def test_what_cannot_be_read_survives_when_others_are_taken_away(coco):
    revise(coco, "coco", [changed(record_of(coco, "three.png"), rows=[2])])
    document = json.loads(coco.read_text())
    assert [each["id"] for each in document["annotations"]] == [41, 42, "x", 50]
    assert document["annotations"][0]["note"] == "an id that is taken"
    assert document["extra"] == [1, 2, 3]


def test_a_new_object_of_a_new_class_is_added(coco):
    record = record_of(coco, "b/seven.png")
    revise(coco, "coco", [changed(record, masks={1: PARTS}, names={1: "Käfer"}, rows=[0, -1])])
    document = json.loads(coco.read_text(encoding="utf-8"))
    assert document["categories"][-1] == {"id": 91, "name": "Käfer", "supercategory": ""}
    made = document["annotations"][-1]
    assert (made["id"], made["image_id"], made["category_id"], made["area"]) == (51, 7, 91, 29)
    assert len(made["segmentation"]) == 2
    assert "Käfer" in coco.read_text(encoding="utf-8")
    after = record_of(coco, "b/seven.png")
    assert np.array_equal(after.instances.masks.dense()[1], PARTS)


@pytest.mark.parametrize("mask", [RING, PARTS, RING | rectangle(6, 5, 7, 6)], ids=["hole", "parts", "island"])
@pytest.mark.parametrize("row", [0, 2], ids=["polygons", "run lengths"])
def test_masks_with_holes_and_parts_come_back_to_the_pixel(coco, mask, row):
    revise(coco, "coco", [changed(record_of(coco, "three.png"), masks={row: mask})])
    after = record_of(coco, "three.png")
    assert np.array_equal(after.instances.masks.dense()[row], mask)
    assert after.crowd.tolist() == [False, False, True]
    if row == 2:
        counts = json.loads(coco.read_text())["annotations"][-1]["segmentation"]["counts"]
        assert isinstance(counts, list)  # as it was


def test_a_box_becomes_a_mask_and_stays_a_box_until_then(coco):
    record = record_of(coco, "three.png")
    assert record.box_only.tolist() == [False, True, False]
    revise(coco, "coco", [changed(record, masks={1: RING})])
    assert not record_of(coco, "three.png").box_only.any()


def test_a_file_that_is_another_by_now_is_refused_and_left_alone(coco):
    revision = changed(record_of(coco, "three.png"), masks={0: RING})
    coco.write_text(SOURCE.replace('"id": 50, "image_id": 3', '"id": 50, "image_id": 7'))
    before = coco.read_bytes()
    with pytest.raises(InvalidValue, match=r"had 3 objects then and has 2 now; read it again"):
        revise(coco, "coco", [revision])
    assert coco.read_bytes() == before


@pytest.mark.parametrize(
    ("rows", "message"),
    [([0, 0], "once, got one twice"), ([0, 9], "number of 0 to 2"), ([0], "number of 0 to 2 in the file")],
)
def test_a_revision_that_does_not_fit_is_refused(coco, rows, message):
    record = record_of(coco, "three.png")
    dense = np.stack([RING, PARTS])
    with pytest.raises(InvalidValue, match=message):
        Revision(record, objects(dense), np.array(rows))


@given(records(), st.sampled_from([None, 1, "\t"]), st.sampled_from(["rle", "polygons"]), st.data())
@settings(max_examples=40)
def test_any_change_of_masks_and_classes_is_what_is_read_afterwards(
    tmp_path_factory, before, indent, style, data
):
    folder = tmp_path_factory.mktemp("coco")
    path = folder / "a.json"
    write(path, "coco", [before], masks=style)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=indent))
    (record,) = read(path, "coco")
    count = len(record.instances)
    kept = data.draw(st.lists(st.sampled_from(range(count)), unique=True) if count else st.just([]))
    rows = [*kept, *([-1] if data.draw(st.booleans()) else [])]
    drawn = np.zeros((len(rows), *record.size), bool)
    for each in drawn:
        each[
            data.draw(st.integers(0, record.size[0] - 1)) :, data.draw(st.integers(0, record.size[1] - 1))
        ] = True
    names = {place: data.draw(st.sampled_from(["person", "car", "bus"])) for place in range(len(rows))}
    revision = changed(record, masks=dict(enumerate(drawn)), names=names, rows=rows)
    revise(path, "coco", [revision])
    (after,) = read(path, "coco")
    order = sorted(range(len(rows)), key=lambda place: rows[place] if rows[place] >= 0 else count)
    assert list(after.instances.names) == [names[place] for place in order]
    assert np.array_equal(after.instances.masks.dense(), drawn[order])


# YOLO


YAML = "# ours\nnc: 2  # of them\nnames: ['person', \"car\"]\ntrain: images\nval: images\n"
SQUARE = "0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"
LINES = f"0 0.1 0.1 0.5 0.1 0.5 0.6\r\n1  0.5 0.5 0.25 0.5\r\nnonsense\r\n\r\n1 {SQUARE} 0.9"


@pytest.fixture
def yolo(tmp_path):
    pytest.importorskip("yaml", reason="a data.yaml needs PyYAML: pip install maskweave[train]")
    put_images(tmp_path / "images", *records_of("a.png", "b.png"))
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").write_text(YAML)
    (tmp_path / "labels" / "a.txt").write_bytes(LINES.encode())
    return tmp_path


def records_of(*names):
    from maskweave.annotations.record import Record

    return [Record(name, objects(rectangle(1, 1, 6, 8)[None])) for name in names]


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def yolo_records(folder):
    return list(collected(folder, "yolo")[0])


def test_a_yolo_set_in_which_nothing_is_corrected_stays_byte_for_byte(yolo):
    before = files_of(yolo)
    revise(yolo, "yolo", [changed(each) for each in yolo_records(yolo)])
    assert files_of(yolo) == before


def test_only_the_corrected_lines_change(yolo):
    before = files_of(yolo)
    first, _ = yolo_records(yolo)
    revise(yolo, "yolo", [changed(first, masks={2: RING}, names={1: "person"})])
    after = files_of(yolo)
    assert {name for name in after if after[name] != before[name]} == {"labels/a.txt"}
    lines = after["labels/a.txt"].decode().split("\r\n")
    assert lines[:4] == ["0 0.1 0.1 0.5 0.1 0.5 0.6", "0  0.5 0.5 0.25 0.5", "nonsense", ""]
    assert lines[4].startswith("1 ")
    assert lines[4].endswith(" 0.9")
    assert np.array_equal(yolo_records(yolo)[0].instances.masks.dense()[2], RING)


def test_lines_are_taken_away_and_added(yolo):
    first, second = yolo_records(yolo)
    revise(
        yolo,
        "yolo",
        [
            changed(first, masks={1: PARTS}, names={1: "car"}, rows=[2, -1]),
            changed(second, masks={0: RING}, names={0: "person"}, rows=[-1]),
        ],
    )
    assert (yolo / "labels" / "a.txt").read_bytes().startswith(b"nonsense\r\n\r\n1 0.25")
    first, second = yolo_records(yolo)
    assert np.array_equal(first.instances.masks.dense()[1], PARTS)
    assert np.array_equal(second.instances.masks.dense(), RING[None])


NAMED = {
    "list": (YAML, YAML.replace("nc: 2", "nc: 3").replace('"car"]', '"car", "bus: A"]')),
    "numbered": (
        "train: images\nnames:\n  0: person\n  1: car # x\nnc: 2\n",
        'train: images\nnames:\n  0: person\n  1: car\n  2: "bus: A" # x\nnc: 3\n',
    ),
    "lines": (
        "names:\r\n- person\r\n- car\r\ntrain: images\r\n",
        'names:\r\n- person\r\n- car\r\n- "bus: A"\r\ntrain: images\r\n',
    ),
    "mapping": (
        "\ufefftrain: images\nnames: {0: person, 1: car}\n",
        '\ufefftrain: images\nnames: {0: person, 1: car, 2: "bus: A"}\n',
    ),
}
"""A data.yaml, and what it is with one more class."""


@pytest.mark.parametrize(("text", "wanted"), NAMED.values(), ids=NAMED)
def test_a_new_class_is_added_to_the_names(yolo, text, wanted):
    (yolo / "data.yaml").write_bytes(text.encode())
    first, _ = yolo_records(yolo)
    revise(yolo, "yolo", [changed(first, names={0: "bus: A"})])
    assert (yolo / "data.yaml").read_bytes().decode() == wanted
    assert yolo_records(yolo)[0].instances.names[0] == "bus: A"


def test_names_that_cannot_be_added_to_are_refused_before_anything_is_written(yolo):
    (yolo / "data.yaml").write_text("base: &all [person, car]\nnames: *all\nbackup: *all\ntrain: images\n")
    first, _ = yolo_records(yolo)
    before = files_of(yolo)
    (yolo / "data.yaml").write_text("names: |\n  person\n")
    with pytest.raises(InvalidValue):
        revise(yolo, "yolo", [changed(first, names={0: "bus"})])
    assert files_of(yolo) == {**before, "data.yaml": b"names: |\n  person\n"}


def test_formats_that_cannot_be_revised_are_named(tmp_path):
    with pytest.raises(InvalidValue, match="need one of coco, yolo, got 'voc'"):
        revise(tmp_path, "voc", [])


# JSON as text


@given(
    st.lists(
        st.recursive(st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)),
        max_size=5,
    ),
    st.sampled_from([None, 0, 2, "\t"]),
    st.data(),
)
def test_exchanged_elements_are_exchanged_and_no_other_character(values, indent, data):
    text = json.dumps(values, indent=indent)
    assert rebuilt(text, {}) == text
    gone = data.draw(st.sets(st.sampled_from(range(len(values)))) if values else st.just(set()))
    after = rebuilt(text, dict.fromkeys(gone), ["true"])
    assert json.loads(after) == [*(each for place, each in enumerate(values) if place not in gone), True]


def test_members_are_exchanged_added_and_taken_away():
    text = '{ "a":1 ,"b" : [2], "c": {"a": 3} }'
    style = style_of(text, text)
    assert with_values(text, {"a": "7", "b": None, "d": "0"}, style) == '{ "a":7, "c": {"a": 3}, "d":0 }'
    assert [part.key for part in parts_of(text)[0]] == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["", "7", "[1, 2", '{"a" 1}', "[1 2]"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(InvalidValue, match="need JSON"):
        parts_of(text)


def test_nothing_that_is_read_is_lost_on_the_way(coco):
    """The reader's own report of the revised file is that of the file before."""
    before, after = Report(), Report()
    list(read(coco, "coco", before))
    revise(coco, "coco", [changed(record_of(coco, "three.png"), masks={0: RING})])
    list(read(coco, "coco", after))
    assert after.messages == before.messages
