"""What holds for every row of the table of formats."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from maskweave.annotations.base import FEATURES
from maskweave.annotations.convert import convert, detect
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report
from maskweave.annotations.table import formats
from maskweave.errors import BadRecord
from maskweave.types import SemanticMap
from tests.annotations.scenes import (
    SIZE,
    objects,
    put_images,
    read,
    records,
    rectangle,
    same_objects,
    write,
)

FORMATS = tuple(formats())
READ = [each for each in FORMATS if each.read is not None]
APART = (rectangle(1, 1, 6, 8), rectangle(8, 2, 15, 11))
STUFF = np.zeros(SIZE, int)
STUFF[9:, :5] = 1
CATEGORIES = (Category(44, "person"), Category(18, "car"))


def frame(dense=APART, *, video="clip", number=0, crowd=None, semantic=None, categories=(), **columns):
    given = objects(np.array(dense, bool).reshape(-1, *SIZE), **columns)
    return Record(
        f"{video}/{number:05d}.png",
        given,
        crowd=crowd,
        semantic=semantic,
        categories=categories,
        video=video,
        frame=number,
    )


SCENES = {
    "overlaps": [frame((rectangle(1, 1, 8, 8), rectangle(4, 2, 15, 11)))],
    "holes": [frame((rectangle(1, 1, 9, 9) & ~rectangle(3, 3, 6, 6), rectangle(11, 1, 14, 9)))],
    "parts": [frame((rectangle(1, 1, 4, 4) | rectangle(1, 7, 4, 9), rectangle(11, 1, 14, 9)))],
    "boxes": [replace(frame(), instances=objects(APART).replace(boxes=[[0, 0, 9, 9], [7, 1, 16, 12]]))],
    "scores": [frame(scores=[0.25, 0.75])],
    "tracks": [frame(track_ids=[7, 9])],
    "crowd": [frame(crowd=[True, False])],
    "class map": [frame(semantic=SemanticMap(STUFF, ("background", "road")))],
    "class names": [frame(names=("person", "unicorn"))],
    "category ids": [frame(categories=CATEGORIES)],
    "file names": [replace(frame(), file_name="clip/IMG_7.png")],
    "empty images": [frame(), frame((), number=1), frame(number=2)],
}


def written(form, folder, given, **options):
    suffix = form.layout.split("`")[1] if form.layout.startswith("one") else ""
    place = folder / f"out{suffix}"
    images = put_images(folder / "photos", *given) if form.name == "yolo" else given
    report = write(
        place, form.name, images, **options, **({"with_images": "copy"} if form.name == "yolo" else {})
    )
    return place, report


def known_to(form, given_records):
    """The records with the only class that a format without classes knows."""
    if form.name != "davis":
        return given_records
    renamed = [
        each.instances.replace(class_names=("object",), class_ids=np.zeros(len(each.instances), int))
        for each in given_records
    ]
    return [replace(each, instances=new) for each, new in zip(given_records, renamed, strict=True)]


def survives(feature, before, after):
    """Whether what a record holds beyond the plain comes back."""
    if len(before) != len(after):
        return False
    pairs = list(zip(before, after, strict=True))
    if feature == "file names":
        return after[0].stem == before[0].stem
    if feature == "empty images":
        return [len(each.instances) for each in after] == [2, 0, 2]
    if feature == "class map":
        found = after[0].semantic
        return found is not None and bool((found.mask("road") == (STUFF == 1)).all())
    if feature == "category ids":
        return {each.id for each in after[0].categories} >= {each.id for each in CATEGORIES}
    if not all(same_objects(one, other) for one, other in pairs):
        return False
    (one, other), order = pairs[0], _order(*pairs[0])
    columns = {
        "scores": lambda record: record.instances.scores.tolist(),
        "boxes": lambda record: record.instances.boxes.round(2).tolist(),
        "crowd": lambda record: record.crowds.tolist(),
        "tracks": lambda record: (
            None if record.instances.track_ids is None else record.instances.track_ids.tolist()
        ),
    }
    if feature not in columns:
        return True
    values = columns[feature](other)
    return values is not None and columns[feature](one) == [values[row] for row in order]


def _order(one, other):
    """For each object of one record its row in the other."""
    corners = other.instances.masks.corners.tolist()
    return [corners.index(corner) for corner in one.instances.masks.corners.tolist()]


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("form", READ, ids=lambda form: form.name)
def test_a_row_of_the_table_says_what_is_kept_and_what_is_not(form, feature, tmp_path):
    given_records = SCENES[feature] if feature == "class names" else known_to(form, SCENES[feature])
    place, report = written(form, tmp_path, given_records)
    after = read(place, form.name)
    assert survives(feature, given_records, after) == (feature in form.holds)
    if feature not in (
        "category ids",
        "file names",
    ):  # names tell the classes, and the frame's number the file
        assert bool(report.losses) == (feature not in form.holds)


@pytest.mark.parametrize("form", READ, ids=lambda form: form.name)
def test_what_was_written_is_recognized(form, tmp_path):
    place, _ = written(form, tmp_path, known_to(form, [frame(), frame(number=1)]))
    found, reason = detect(place)
    assert (found.name, bool(reason)) == (form.name, True)


@pytest.mark.parametrize("form", READ, ids=lambda form: form.name)
def test_masks_come_back_to_the_pixel(form, tmp_path_factory):
    @given(records(apart="overlaps" not in form.holds))
    @settings(max_examples=8)
    def holds(before):
        (before,) = known_to(form, [replace(before, file_name="clip/00000.png", video="clip", frame=0)])
        place, _ = written(form, tmp_path_factory.mktemp("out"), [before])
        if "empty images" in form.holds or len(before.instances):
            (after,) = read(place, form.name)
            assert same_objects(before, after)
            assert after.size == before.size

    holds()


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_nothing_appears_of_a_run_that_fails(form, tmp_path):
    place = tmp_path / "out"

    def fail():
        yield frame()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(place, form.name, fail())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_lossless_refuses_what_would_be_lost(form, tmp_path):
    source = tmp_path / "source.json"
    write(source, "coco", [*SCENES["scores"], *(replace(each, file_name="b.png") for each in [frame()])])
    lines = []
    report = Report(lossless=True, show=lines.append)
    target = tmp_path / "out"
    if form.holds >= {"scores", "boxes"}:
        convert(source, target, to=form.name, report=report)
        assert (report.records, lines) == (2, [])
    elif "scores" not in form.holds:
        with contextlib.suppress(BadRecord):  # where no other record is left
            convert(source, target, to=form.name, report=report)
        assert "would lose something: 2 objects lost their scores" in lines[0]
