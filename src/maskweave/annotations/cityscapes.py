"""Cityscapes: images of label ids and of instance ids.

``gtFine/<split>/<city>/<stem>_gtFine_labelIds.png`` (8 bits) and ``…_gtFine_instanceIds.png`` (16 bits): a pixel of
an object is label x 1000 + its number, any other its label; a label of objects without a number is a group (a crowd
here). Images are in ``leftImg8bit/…/<stem>_leftImg8bit.png``. Read besides: ``…_gtFine_polygons.json`` where
there are no such images, and ``gtCoarse``. Source: https://github.com/mcordts/cityscapesScripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from maskweave.annotations.base import Format, Put
from maskweave.annotations.id_images import flattened, objects_of_ids, read_indices
from maskweave.annotations.json_stream import read_json
from maskweave.annotations.objects import make_objects
from maskweave.annotations.options import Options
from maskweave.annotations.places import checked_size, find_image, new_file, put_image
from maskweave.annotations.record import Category, Record
from maskweave.annotations.report import Report
from maskweave.annotations.segmentation import points_of
from maskweave.annotations.values import flag, shown
from maskweave.errors import BadRecord, InvalidValue
from maskweave.files import atomic_folder
from maskweave.ops.masks_png import encode_gray, encode_id_map
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.sources.walk import files_below
from maskweave.types.arrays import IntArray
from maskweave.types.semantic import IGNORE, SemanticMap

LABELS = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road",
    "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel",
    "pole", "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider",
    "car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""The names of label ids 0 to 33; -1 (license plate) is never written."""
THINGS = frozenset(range(24, 34))
_LABELS, _IDS = "_labelIds.png", "_instanceIds.png"
_SUFFIXES = (_LABELS, _IDS, "_polygons.json")
_KIND = re.compile(r"_gt(Fine|Coarse)_(labelIds|instanceIds|polygons)\.(png|json)$", re.IGNORECASE)
_IMAGE = "_leftImg8bit"
_MAX_INSTANCES = 999


def detect(path: Path) -> str | None:
    """A folder with images called …_gtFine_labelIds.png or …_instanceIds.png, or files …_polygons.json."""
    suffix = _kind_in(path) if path.is_dir() else None
    if path.is_file() and _KIND.search(path.name):
        return "Cityscapes' polygons" if path.suffix.lower() == ".json" else None
    return None if suffix is None else f"files called …_gtFine{suffix}"


def _kind_in(folder: Path) -> str | None:
    """The end of the names of what is read of a folder: label ids, else instance ids, else polygons."""
    return next((each for each in _SUFFIXES if next(_files(folder, each), None) is not None), None)


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    return (file for file in files_below(folder, (suffix.lower(),)) if _KIND.search(file.name))


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image of label ids, else of instance ids, else for each file of polygons."""
    root = next((path / name for name in ("gtFine", "gtCoarse") if (path / name).is_dir()), path)
    suffix = _kind_in(root) if root.is_dir() else None
    if root.is_file():
        files: Iterator[Path] = iter((root,))
        path = root = root.parent
    elif suffix is None:
        raise InvalidValue(f"{path}: need images called …_gtFine{_LABELS} or …_gtFine{_IDS}, found none")
    else:
        files = _files(root, suffix)
    for file in files:
        stem = _KIND.sub("", file.relative_to(root).as_posix())
        yield from report.made(stem, partial(_record, file, path, root, stem, options, report))


def _numbers(file: Path, stem: str, report: Report) -> tuple[IntArray, IntArray]:
    """(H, W) label ids and (H, W) instance ids of a file, and of the one beside it."""
    if file.suffix.lower() == ".json":
        return _drawn(file, stem, report)
    ids = read_indices(_beside(file, _IDS))
    labels = _beside(file, _LABELS)
    if labels.is_file():
        return read_indices(labels, (ids.shape[0], ids.shape[1])), ids
    return np.where(ids >= 1000, ids // 1000, ids), ids  # the class of an instance id is its thousands


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(re.sub(r"_(labelIds|instanceIds)\.png$", suffix, file.name, flags=re.IGNORECASE))


def _drawn(file: Path, stem: str, report: Report) -> tuple[IntArray, IntArray]:
    """Label ids and instance ids of polygons, of which the later lie in front."""
    data = read_json(file, need="Cityscapes' polygons")
    if not isinstance(data, dict) or not isinstance(data.get("objects"), list):
        raise BadRecord("need polygons with imgHeight, imgWidth and objects")
    size = checked_size(data.get("imgHeight"), data.get("imgWidth"))
    labels, ids = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    counts: dict[int, int] = {}
    for place, each in enumerate(data["objects"], start=1):
        with report.record(f"{stem}, object {place}"):
            if not isinstance(each, dict):
                raise BadRecord(f"need an object with label and polygon, got {shown(each)}")
            if flag(each.get("deleted"), "deleted"):
                report.leave_out("deleted objects")
                continue
            name = str(each.get("label"))
            if name == "license plate":  # lies on a car, and has no number in images of instances
                continue
            plain = name if name in LABELS else name.removesuffix("group")
            if plain not in LABELS:
                raise BadRecord(f"need a class of Cityscapes, got {shown(each.get('label'))}")
            label, single = LABELS.index(plain), plain == name and LABELS.index(plain) in THINGS
            inside = fill_polygons([Polygon(points_of(each.get("polygon")))], size).union()
            labels[inside] = label
            ids[inside] = label * 1000 + counts.get(label, 0) if single else label
            counts[label] = counts.get(label, 0) + single
    return labels, ids


def _record(file: Path, path: Path, root: Path, stem: str, options: Options, report: Report) -> Record:
    labels, ids = _numbers(file, stem, report)
    unknown = (labels >= len(LABELS)) & (labels != IGNORE)  # 255 is -1 in 8 bits, a license plate
    if unknown.any():
        raise BadRecord(f"need label ids 0 to {len(LABELS) - 1}, got {int(labels[unknown][0])}")
    numbers, masks = objects_of_ids(ids)
    labels_of = [number // 1000 if number >= 1000 else number for number in numbers]
    chosen = np.array([label in THINGS for label in labels_of], dtype=bool)
    things = [label for label in labels_of if label in THINGS]
    masks = masks[chosen]
    crowd = np.array(
        [number < 1000 for number, thing in zip(numbers, chosen, strict=True) if thing], np.bool_
    )
    outside = ~masks.union()
    image = find_image(f"{stem}{_IMAGE}.png", options.images, path / "leftImg8bit", root)
    return Record(
        file_name=f"{stem}{_IMAGE}.png" if image else f"{stem}.png",
        instances=make_objects(masks, things, LABELS),
        crowd=crowd,
        semantic=SemanticMap(labels, LABELS) if (labels[outside] != 0).any() else None,
        categories=tuple(Category(number, name, number in THINGS) for number, name in enumerate(LABELS)),
        image=image,
    )


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write both images of each record. Objects and pixels of other classes are left out and reported."""
    with atomic_folder(path, overwrite=options.overwrite) as folder:

        def put(record: Record) -> None:
            labels, ids = _painted(record, options, report)
            stem = record.stem.removesuffix(_IMAGE)
            files = [new_file(folder / "gtFine", f"{stem}_gtFine{suffix}") for suffix in (_LABELS, _IDS)]
            if options.with_images != "none":
                name = PurePosixPath(record.file_name)
                renamed = Record(f"{stem}{_IMAGE}{name.suffix}", record.instances, image=record.image)
                put_image(renamed, folder / "leftImg8bit", options.with_images)
            files[0].write_bytes(encode_gray(labels.astype(np.uint8)))
            files[1].write_bytes(encode_id_map(ids, wide=True))

        yield put


def _painted(record: Record, options: Options, report: Report) -> tuple[IntArray, IntArray]:
    """(H, W) label ids and (H, W) instance ids."""
    numbers = {name: number for number, name in enumerate(LABELS)}
    marked = record.instances.replace(track_ids=np.arange(len(record.instances)))
    known = np.array([name in numbers for name in marked.names], dtype=bool)
    report.lost("names", int((~known).sum()))
    painted, seen = flattened(marked[known], options.overlaps, report)
    rows = [] if seen.track_ids is None else seen.track_ids.tolist()
    counts: dict[int, int] = {}
    own_labels, own_ids, too_many = [0], [0], 0
    for name, row in zip(seen.names, rows, strict=True):
        label = numbers[name]
        own_labels.append(label)
        single = label in THINGS and not record.crowds[row]
        count = counts.get(label, 0)
        counts[label] = count + single
        too_many += single and count > _MAX_INSTANCES
        own_ids.append(label * 1000 + count if single and count <= _MAX_INSTANCES else label)
    report.lost("ids", too_many)
    report.lost("stuff", sum(numbers[name] not in THINGS for name in seen.names))
    labels = _stuff(record, numbers, painted, report)
    inside = painted != 0
    ids = np.where(inside, np.array(own_ids)[painted], np.where(labels == IGNORE, 0, labels))
    return np.where(inside, np.array(own_labels)[painted], labels), ids


def _stuff(record: Record, numbers: dict[str, int], painted: IntArray, report: Report) -> IntArray:
    """(H, W) label ids of the class map."""
    if record.semantic is None:
        return np.zeros(record.size, dtype=np.int64)
    names = record.semantic.class_names
    table = np.zeros(256, dtype=np.int64)
    table[: len(names)] = [numbers.get(name, 0) for name in names]
    table[IGNORE] = IGNORE
    labels = table[record.semantic.class_map]
    lost = (labels == 0) & (record.semantic.class_map != 0) & (painted == 0)
    report.lost("class map", 0, int(np.count_nonzero(lost)))
    return labels


FORMAT = Format(
    name="cityscapes",
    title="Cityscapes label ids",
    layout="a folder with `gtFine/`",
    holds=frozenset({"holes", "parts", "crowd", "class map", "empty images", "file names"}),
    detect=detect,
    read=read,
    write=write,
    note="classes other than its own 34; crowds of a class are one",
)
