"""Small data sets for the tests of formats."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maskweave.annotations.base import drop_unsupported
from maskweave.annotations.convert import read_records
from maskweave.annotations.options import Options
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report
from maskweave.annotations.table import format_named
from maskweave.types import Instances, Masks

SIZE = (12, 16)
NAMES = ("person", "car")


def objects(dense, *, names=NAMES, class_ids=None, scores=None, track_ids=None):
    """Instances of an (N, H, W) bool array; classes alternate."""
    masks = Masks.from_dense(np.asarray(dense))
    count = len(masks)
    return Instances(
        masks,
        masks.boxes,
        np.ones(count) if scores is None else scores,
        np.arange(count) % max(1, len(names)) if class_ids is None else class_ids,
        names,
        track_ids,
    )


def rectangle(x1, y1, x2, y2, size=SIZE):
    """(H, W) bool."""
    mask = np.zeros(size, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def plain(file_name="a.png", **options):
    """Two objects that lie apart, each one part without a hole."""
    dense = np.stack([rectangle(1, 1, 6, 8), rectangle(8, 2, 15, 11)])
    return Record(file_name, objects(dense, **options))


@st.composite
def records(draw, *, most=3, names=NAMES, apart=False):
    """An image with any masks that have pixels: holes, parts, and (not ``apart``) overlaps."""
    height, width = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    dense = draw(arrays.arrays(np.bool_, (draw(st.integers(0, most)), height, width)))
    if apart:
        dense &= np.cumsum(dense, axis=0) == 1
    dense = dense[dense.any(axis=(1, 2))]
    class_ids = draw(arrays.arrays(np.int64, len(dense), elements=st.integers(0, len(names) - 1)))
    instances = objects(dense.reshape(-1, height, width), names=names, class_ids=class_ids)
    return Record("a/b.png", instances)


def write(path, form, given, **options):
    """Write records; returns the report."""
    report = Report(form, strict=True)
    target = format_named(form)
    chosen = Options(**options)
    with target.write(path, chosen, report) as put:
        for record in given:
            with report.record(record.file_name):
                put(drop_unsupported(record, target, chosen, report))
                report.objects += len(record.instances)
    return report


def read(path, form=None, report=None, **options):
    """All records of a file or folder."""
    return list(read_records(path, form, options=Options(**options), report=report))


def collected(path, form=None, **options):
    """All records, and the lines of the problems."""
    lines = []
    found = read(path, form, Report(show=lines.append), **options)
    return found, lines


def put_images(folder, *given):
    """Gray images for records, under their names; returns the records with them."""
    from PIL import Image

    out = []
    for record in given:
        path = folder / record.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", record.size[::-1], (120, 90, 60)).save(path)
        out.append(replace(record, image=path))
    return out


def same_objects(one, other):
    """Whether two records have the same masks and classes, in any order."""
    return _keys(one) == _keys(other)


def _keys(record):
    instances = record.instances
    return sorted(
        (name, crop.shape, crop.tobytes(), x, y)
        for name, (crop, x, y) in zip(instances.names, instances.masks.placed(), strict=True)
    )


CATEGORIES = (Category(3, "car"), Category(90, "person"))
