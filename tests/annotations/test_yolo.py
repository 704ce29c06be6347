import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from maskweave.annotations.convert import read_records
from maskweave.annotations.record import Category, Record
from maskweave.errors import BadRecord, InvalidValue, OutputError
from tests.annotations.scenes import (
    collected,
    objects,
    plain,
    put_images,
    read,
    records,
    rectangle,
    same_objects,
    write,
)

pytest.importorskip("yaml", reason="a data.yaml needs PyYAML: pip install maskweave[train]")


@given(records(), st.sampled_from(["copy", "none"]))
@settings(max_examples=40)
def test_every_mask_comes_back_to_the_pixel(tmp_path_factory, before, images):
    folder = tmp_path_factory.mktemp("yolo")
    (before,) = put_images(folder / "photos", before)
    write(folder / "out", "yolo", [before], with_images=images)
    (after,) = read(folder / "out", images=folder / "photos" if images == "none" else None)
    assert same_objects(before, after)
    assert after.file_name == before.file_name


@pytest.mark.parametrize("with_images", ["copy", "link"])
def test_the_layout_is_yolos(tmp_path, with_images):
    given_records = put_images(tmp_path / "photos", plain("trip/a.png"), plain("b.png"))
    write(tmp_path / "out", "yolo", given_records, with_images=with_images)
    made = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("[!.]*.*")
    )
    assert made == ["data.yaml", "images/b.png", "images/trip/a.png", "labels/b.txt", "labels/trip/a.txt"]
    first, second = (tmp_path / "out" / "labels" / "b.txt").read_text().splitlines()
    assert first.split()[0] == "0"
    points = np.array(first.split()[1:], float).reshape(-1, 2) * (16, 12)
    assert {tuple(each) for each in points.round(3).tolist()} == {(1, 1), (6, 1), (6, 8), (1, 8)}
    assert second.split()[0] == "1"
    assert [each.file_name for each in read(tmp_path / "out")] == ["b.png", "trip/a.png"]  # not twice


def test_holes_are_filled_and_measured_when_asked(tmp_path):
    ring = rectangle(1, 1, 9, 9) & ~rectangle(3, 3, 6, 6)
    before = put_images(tmp_path / "photos", Record("a.png", objects([ring])))
    report = write(tmp_path / "out", "yolo", before, holes="fill", with_images="copy")
    assert report.losses == {"holes": (1, 9)}
    assert read(tmp_path / "out")[0].instances.masks.areas.tolist() == [64]


def test_classes_are_numbered_as_they_come_whatever_their_names(tmp_path):
    names = ("Ä: [x]", "null", "car")
    before = put_images(
        tmp_path / "photos",
        Record("a.png", objects([rectangle(1, 1, 3, 3)], names=names, class_ids=[1])),
        Record("b.png", objects([rectangle(1, 1, 3, 3)], names=("car",), class_ids=[0])),
    )
    write(tmp_path / "out", "yolo", before, with_images="copy")
    found = read(tmp_path / "out")
    assert found[0].categories == (Category(0, "Ä: [x]"), Category(1, "null"), Category(2, "car"))
    assert [each.instances.names for each in found] == [("null",), ("car",)]


@pytest.fixture
def layout(tmp_path):
    write(
        tmp_path / "out",
        "yolo",
        put_images(tmp_path / "photos", plain("a.png"), plain("b.png")),
        with_images="copy",
    )
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 nan 0.1 0.2 0.2 0.3 0.3", "a.txt, line 3: need finite"),
        ("0 0.1 0.1 0.2 0.2", None),
        ("7 0.1 0.1 0.2 0.2 0.3 0.1", "a.txt, line 3: need a class number"),
        ("0 0.1 0.1 0.2", "a.txt, line 3: need 4 numbers"),
    ],
)
def test_a_broken_line_is_named_and_the_rest_goes_on(layout, line, message):
    label = layout / "labels" / "a.txt"
    label.write_text(f"{label.read_text()}{line}\n")
    found, lines = collected(layout)
    assert [len(each.instances) for each in found] == [2 if message else 3, 2]
    assert [each.startswith(message) for each in lines] == [True] * bool(message)


def test_boxes_are_read_as_boxes(layout):
    (layout / "labels" / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    record, _ = read(layout)
    assert record.instances.boxes.tolist() == [[6, 3, 10, 9]]
    assert record.instances.masks.areas.tolist() == [0]


def test_missing_and_broken_images_are_named(layout, tmp_path):
    (layout / "images" / "a.png").write_bytes(b"no image")
    found, lines = collected(layout)
    assert len(found) == 1
    assert "a.png: not a readable image" in lines[0]
    (tmp_path / "photos" / "b.png").unlink()
    found, lines = collected(layout, images=tmp_path / "photos")
    assert ([each.file_name for each in found], len(lines)) == (["a.png"], 1)
    assert lines[0].endswith(f"b.txt: its image is missing from {tmp_path / 'photos'}")
    shutil.rmtree(layout / "images")
    (layout / "images").mkdir()
    with pytest.raises(InvalidValue, match="--images"):
        read(layout)


def test_no_path_leads_out_of_the_folder(layout, tmp_path):
    data = layout / "data.yaml"
    text = data.read_text()
    (layout / "list.txt").write_text(f"images/a.png\n../photos/b.png\n{tmp_path}/photos/b.png\n")
    data.write_text(text.replace("train: images\nval: images", "train: list.txt"))
    found, lines = collected(data)
    assert [each.file_name for each in found] == ["a.png"]
    assert len(lines) == 2
    assert all("leads out of the folder of data.yaml" in line for line in lines)
    data.write_text(f"path: {tmp_path / 'photos'}\n{text}")
    with pytest.raises(InvalidValue, match=r"data\.yaml: its path leads to .*photos, out of its folder"):
        read(data)


def test_two_images_of_one_stem_are_not_mixed_up(tmp_path):

    with pytest.raises(BadRecord, match=r"a\.png: need names that differ"):
        write(tmp_path / "out", "yolo", [plain("a.jpg"), plain("a.png")])
    assert not (tmp_path / "out").exists()


def test_the_same_again_replaces_it_and_what_others_changed_stays(layout, tmp_path):
    again = put_images(tmp_path / "photos", plain("c.png"))
    write(layout, "yolo", again, with_images="copy")
    assert [path.name for path in (layout / "labels").iterdir()] == ["c.txt"]
    label = layout / "labels" / "c.txt"
    label.write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(OutputError, match=r"holds labels/c\.txt, which was changed since MaskWeave wrote it"):
        write(layout, "yolo", again)
    (layout / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"which"):
        write(layout, "yolo", again)
    assert label.read_text() == "0 0.5 0.5 0.1 0.1\n"
    write(layout, "yolo", again, overwrite=True)
    assert not (layout / "mine.txt").exists()


def test_label_files_may_end_in_capitals(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    PILImage.new("RGB", (16, 12)).save(tmp_path / "images" / "a.png")
    (tmp_path / "labels" / "a.TXT").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("names: [cat]\ntrain: images\n")
    (record,) = read_records(tmp_path)
    assert list(record.instances.names) == ["cat"]
