"""A format as small as one can be: a JSON line for each image. One file, and one row in the table."""

import json
from contextlib import contextmanager

import numpy as np

from maskweave.annotations.base import FEATURES, Format
from maskweave.annotations.record import Record
from maskweave.files import atomic_file
from maskweave.types import Instances, Masks

MARK = "Written by MaskWeave: toy"


def detect(path):
    return (
        "the first line of a toy" if path.is_file() and path.read_bytes().startswith(MARK.encode()) else None
    )


def read(path, options, report):
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        with report.record(path.name):
            name, size, names, objects = json.loads(line)
            dense = np.zeros((len(objects), *size), bool)
            for mask, (_, pixels) in zip(dense, objects, strict=True):
                mask[tuple(np.array(pixels, int).T)] = True
            masks = Masks.from_dense(dense)
            ids = [class_id for class_id, _ in objects]
            yield Record(name, Instances(masks, masks.boxes, np.ones(len(ids)), ids, tuple(names)))


@contextmanager
def write(path, options, report):
    with atomic_file(path, only_own=not options.overwrite) as part, part.open("w", encoding="utf-8") as file:
        file.write(f"{MARK}\n")

        def put(record):
            instances = record.instances
            pixels = [np.argwhere(mask).tolist() for mask in instances.masks.dense()]
            objects = list(zip(instances.class_ids.tolist(), pixels, strict=True))
            row = [record.file_name, list(record.size), list(instances.class_names), objects]
            file.write(json.dumps(row) + "\n")

        yield put


FORMAT = Format(
    name="toy",
    title="A toy",
    layout="one `.toy`",
    holds=frozenset(FEATURES) - {"boxes", "scores", "tracks", "crowd", "class map", "category ids"},
    detect=detect,
    read=read,
    write=write,
    suffix=".toy",
    media_type="text/x-toy",
    videos=False,
)
