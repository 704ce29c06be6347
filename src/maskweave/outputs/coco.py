"""Results as COCO JSON, written as they come.

The layout is that of COCO's annotation files (``images``, ``annotations``, ``categories``) with a ``score`` in each
annotation; a video's frames are images with ``frame_index`` and ``time_seconds``, and ``track_id`` tells the object.
Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import IO, Any

from maskweave.errors import InvalidValue
from maskweave.ops.coco_names import category_ids
from maskweave.ops.rle import encode_masks
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.files import atomic_file
from maskweave.outputs.spool import Spool
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction
from maskweave.version import __version__


def coco_results(
    instances: Instances, *, image_id: int = 1, ids: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """One COCO result per object: image_id, category_id, bbox (x, y, width, height), score, segmentation, area.

    ``ids``: the category id of each class name; None takes COCO's own where the class is one of COCO's.
    """
    ids = category_ids(instances.class_names) if ids is None else ids
    boxes, areas = instances.boxes, instances.masks.areas
    results: list[dict[str, Any]] = []
    for row, rle in enumerate(encode_masks(instances.masks)):
        x1, y1, x2, y2 = boxes[row].tolist()
        result: dict[str, Any] = {
            "image_id": image_id,
            "category_id": ids[int(instances.class_ids[row])],
            "bbox": [round(each, 2) for each in (x1, y1, x2 - x1, y2 - y1)],
            "area": int(areas[row]),
            "segmentation": rle,
            "iscrowd": 0,
            "score": round(float(instances.scores[row]), 5),
        }
        if instances.track_ids is not None:
            result["track_id"] = int(instances.track_ids[row])
        results.append(result)
    return results


class CocoDocument:
    """Writes a COCO file to an open text file as its images come, in constant memory; their list is spooled."""

    def __init__(self, file: IO[str], spool: Spool, *, info: dict[str, str]) -> None:
        self._file = file
        self._spool = spool
        self._annotations = 0
        file.write(f'{{\n"info": {json.dumps(info)},\n"annotations": [')

    def add(self, image: dict[str, Any], annotations: Iterable[dict[str, Any]]) -> None:
        """Add one image and its annotations, which get ids from 1."""
        self._spool.add("images", json.dumps(image).encode())
        for annotation in annotations:
            self._annotations += 1
            separator = ",\n" if self._annotations > 1 else "\n"
            self._file.write(separator + json.dumps({"id": self._annotations, **annotation}))

    def finish(self, categories: list[dict[str, Any]]) -> None:
        """Write what belongs at the end; the file is a whole JSON document afterwards."""
        self._file.write(f'\n],\n"categories": {json.dumps(categories)},\n"images": [')
        for index, place in enumerate(self._spool.places("images")):
            self._file.write((",\n" if index else "\n") + self._spool.read(place).decode())
        self._file.write("\n]\n}\n")


class CocoStream:
    """Writes the objects of frames with one set of classes as a COCO file, frame by frame."""

    def __init__(
        self, file: IO[str], spool: Spool, *, class_names: tuple[str, ...], info: dict[str, str]
    ) -> None:
        self._document = CocoDocument(file, spool, info=info)
        self._class_names = class_names
        self._images = 0

    def write(self, frame: Frame, instances: Instances, *, file_name: str, video: bool) -> None:
        """Add one image or video frame and its objects."""
        if instances.class_names != self._class_names:
            raise InvalidValue("coco: need the same class names for every frame of a file, got others")
        entry: dict[str, Any] = {
            "id": 0,
            "file_name": file_name,
            "height": frame.size[0],
            "width": frame.size[1],
        }
        if video:
            entry |= {"frame_index": frame.index, "time_seconds": round(float(frame.time), 6)}
        self.add(entry, coco_results(instances))

    def add(self, entry: dict[str, Any], results: list[dict[str, Any]]) -> None:
        """Add one image and its `coco_results`; its own ``id`` and their ``image_id`` are given here."""
        self._images += 1
        self._document.add(
            entry | {"id": self._images}, ({**result, "image_id": self._images} for result in results)
        )

    def finish(self) -> None:
        """Write what belongs at the end."""
        self._document.finish(
            [
                {"id": category_id, "name": name}
                for category_id, name in zip(category_ids(self._class_names), self._class_names, strict=True)
            ]
        )


def coco_document(frame: Frame, instances: Instances, *, model: str) -> str:
    """A whole COCO file for one picture."""
    text = StringIO()
    with Spool() as spool:
        stream = CocoStream(text, spool, class_names=instances.class_names, info=file_info(model))
        stream.write(frame, instances, file_name=frame.file_name or frame.source, video=False)
        stream.finish()
    return text.getvalue()


def file_info(model: str) -> dict[str, str]:
    """The ``info`` block of our files, by which a later run knows that one may be replaced."""
    return {"description": "Objects found by MaskWeave", "version": __version__, "model": model}


def converted_info() -> dict[str, str]:
    """The same for what others marked and we only wrote in another format."""
    return {"description": "Converted by MaskWeave", "version": __version__}


class CocoFile(Writer):
    """``<name>.json``: the objects of one image, or of every frame of a video, in COCO form.

    Raises `OutputError` when a file of that name is there that MaskWeave did not write: annotation tools put
    theirs beside the photo under the same name.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.path(".json")

    def begin(self) -> None:
        """Open the file and write its head."""
        temporary = self.files.enter_context(atomic_file(self._path, only_ours=True))
        file = self.files.enter_context(temporary.open("w", encoding="utf-8"))
        spool = self.files.enter_context(Spool(self._path.parent))
        info = file_info(self.target.model)
        self._stream = CocoStream(file, spool, class_names=self.target.class_names, info=info)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Add one frame."""
        if not isinstance(prediction, Instances):
            raise InvalidValue("coco: need instances, got a semantic map; use --task instances")
        file_name = self.target.file_name(frame)
        self._stream.write(frame, prediction, file_name=file_name, video=self.target.info.kind != "image")

    def finish(self) -> None:
        """Close the JSON document."""
        self._stream.finish()
