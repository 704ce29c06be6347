"""COCO instances: one JSON file of ``images``, ``annotations`` and ``categories``.

Read (in `coco_reading`, which formats made like it share) and written besides: boxes without a mask; ``score`` and
``track_id`` of an annotation; ``frame_index``, ``time_seconds``, ``video``, ``source`` and ``labelled_categories``
(ids labeled exhaustively) of an image; ``mask_exact``.
Sources: https://cocodataset.org/#format-data, https://www.lvisdataset.org/dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from maskweave.annotations.base import FEATURES, Feature, Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.options import Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.text_files import JsonList, file_info, text_file, write_spooled
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID, category_ids
from maskweave.ops.rle import encode_masks
from maskweave.spool import Spool
from maskweave.types.arrays import FloatArray
from maskweave.types.instances import Instances

HOLDS: frozenset[Feature] = frozenset(FEATURES) - {"class map"}


def detect(path: Path) -> str | None:
    """A JSON file with COCO's lists, which are neither videos' nor panoptic, or a folder with such."""
    from maskweave.annotations.coco_folders import coco_files, is_coco, listed  # a writer needs none of it

    if path.is_dir():
        found = [each.path.relative_to(path).as_posix() for each in coco_files(path)]
        return f"COCO's JSON in {listed(found)}" if found else None
    return "JSON with COCO's images and annotations" if is_coco(path) else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image, in file order; files are looked for in ``--images`` and beside the file.

    Of a folder all files are read, or those of ``part``; of several, names of images begin with the part's.
    """
    from maskweave.annotations.coco_folders import CocoFile, files_of_part
    from maskweave.annotations.coco_reading import read_file

    files = files_of_part(path, options.part, report) if path.is_dir() else [CocoFile(path)]
    for each in files:
        prefix = each.name if len(files) > 1 else ""
        yield from read_file(each.path, options, report, folders=each.folders, prefix=prefix)


class CocoDocument:
    """Writes a COCO file to an open text file as its images come, in constant memory; their list is spooled."""

    def __init__(self, file: IO[str], spool: Spool, *, info: Mapping[str, str]) -> None:
        self._file, self._spool = file, spool
        self._images = self._annotations = 0
        self._list = JsonList(file)
        file.write(f'{{\n"info": {json.dumps(info)},\n"annotations": [')

    def add(self, image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]]) -> None:
        """Add one image and its annotations; all get ids from 1, whatever they had."""
        self._images += 1
        self._spool.add("images", json.dumps({**image, "id": self._images}).encode())
        for annotation in annotations:
            self._annotations += 1
            self._list.add({**annotation, "id": self._annotations, "image_id": self._images})

    def finish(self, categories: Iterable[Mapping[str, Any]]) -> None:
        """Write what belongs at the end; the file is a whole JSON document afterwards."""
        self._list.finish(f',\n"categories": {json.dumps(list(categories))}')
        write_spooled(self._file, self._spool, "images")
        self._file.write("\n}\n")


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write images and annotations as they come; categories keep the ids that they came with."""
    classes = ClassNumbers(keep=True, first=FIRST_FREE_ID, fixed=COCO_IDS)
    with text_file(path, options) as file, Spool(path.parent) as spool:
        document = CocoDocument(file, spool, info=file_info(options))

        def put(record: Record) -> None:
            classes.learn(record)
            document.add(_entry(record, classes), annotations_of(record, classes, options, report))

        yield put
        document.finish({"id": each.id, "name": each.name, "supercategory": ""} for each in classes)


def image_entry(record: Record) -> dict[str, Any]:
    """The entry of a record in ``images``, without its id."""
    height, width = record.size
    entry: dict[str, Any] = {"file_name": record.file_name, "height": height, "width": width}
    if record.frame is not None:
        entry |= {"video": record.video, "frame_index": record.frame}
    if record.time is not None:
        entry["time_seconds"] = record.time
    return entry


def _entry(record: Record, classes: ClassNumbers) -> dict[str, Any]:
    entry = image_entry(record)
    if record.source:
        entry["source"] = record.source
    if record.labeled is not None:
        entry["labelled_categories"] = sorted(classes[name] for name in record.labeled if name in classes)
    return entry


def annotations_of(
    record: Record, classes: ClassNumbers, options: Options, report: Report
) -> list[dict[str, Any]]:
    """The annotations of a record: boxes and scores as they are, masks in the style asked for."""
    instances = record.instances
    ids = [classes[name] for name in instances.class_names]
    if options.model is not None:
        return coco_results(instances, ids=ids)
    found = coco_results(instances, ids=ids, digits=None)
    lines = None
    if options.masks == "polygons":
        from maskweave.annotations.outlines import outlines

        lines = outlines(instances.masks, options, report)
    areas = _areas(record, options)
    for row, each in enumerate(found):
        each["area"], each["iscrowd"] = areas[row], int(record.crowds[row])
        if each["score"] == 1:
            del each["score"]
        if record.exact is not None and not record.exact[row]:
            each["mask_exact"] = False
        if record.box_only[row]:
            each["segmentation"] = []
        elif lines is not None and not lines[row].has_holes:
            each["segmentation"] = [ring.ravel().tolist() for ring in lines[row].exteriors]
    return found


def _areas(record: Record, options: Options) -> list[float]:
    """As the file that was read states them, unless holes are filled; whole ones as whole numbers."""
    areas: FloatArray = (replace(record, areas=None) if options.holes == "fill" else record).stated_areas
    return [int(area) if area == int(area) else float(area) for area in areas]


def coco_results(
    instances: Instances, *, image_id: int = 1, ids: Sequence[int] | None = None, digits: int | None = 2
) -> list[dict[str, Any]]:
    """One COCO result per object: image_id, category_id, bbox (x, y, width, height), score, segmentation, area.

    Args:
        instances: The objects.
        image_id: Of their image.
        ids: The category id of each class name; None takes COCO's own where the class is one of COCO's.
        digits: Of the boxes; scores get five. None keeps both as they are.
    """
    ids = category_ids(instances.class_names) if ids is None else ids
    boxes, areas, scores = instances.boxes.copy(), instances.masks.areas, instances.scores
    boxes[:, 2:] -= boxes[:, :2]
    if digits is not None:
        boxes, scores = boxes.round(digits), scores.round(5)
    results: list[dict[str, Any]] = []
    for row, rle in enumerate(encode_masks(instances.masks)):
        result: dict[str, Any] = {
            "image_id": image_id,
            "category_id": ids[int(instances.class_ids[row])],
            "bbox": boxes[row].tolist(),
            "area": int(areas[row]),
            "segmentation": rle,
            "iscrowd": 0,
            "score": float(scores[row]),
        }
        if instances.track_ids is not None:
            result["track_id"] = int(instances.track_ids[row])
        results.append(result)
    return results


FORMAT = Format(
    name="coco",
    title="COCO instances",
    layout="one `.json`; read also: folders of such",
    holds=HOLDS,
    detect=detect,
    read=read,
    write=write,
    suffix=".json",
    media_type="application/json",
)
