"""Panoptic results in COCO's layout: one JSON file, and beside it a folder of PNG with segment ids as colours.

A pixel's id is red + 256 green + 65536 blue; 0 is void. Source: https://cocodataset.org/#format-data, "Panoptic
Segmentation".
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path, PurePath
from types import TracebackType
from typing import IO, Any, Self

import cv2
import numpy as np
from PIL import Image as Pictures

from maskweave.errors import InvalidValue, OutputError
from maskweave.ops.coco_names import category_ids
from maskweave.outputs.coco import file_info
from maskweave.outputs.files import atomic_file, atomic_folder, output_errors
from maskweave.outputs.masks_png import marked_png
from maskweave.outputs.spool import Spool
from maskweave.types.arrays import Image, IntArray
from maskweave.types.panoptic import Panoptic


def colours_of(id_map: IntArray) -> Image:
    """(H, W, 3) uint8 RGB of (H, W) segment ids below 2**24."""
    return np.stack([id_map & 255, id_map >> 8 & 255, id_map >> 16], axis=2).astype(np.uint8)


class PanopticWriter:
    """Writes ``<name>.json`` and the folder ``<name>/`` of the images given to `write`; a context manager.

    Both appear when the block ends without an exception.

    Raises `InvalidValue` for a name that does not end in ``.json``, `OutputError` where a file of that name is not
    one of ours.
    """

    def __init__(self, path: str | Path, *, model: str = "") -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".json":
            raise InvalidValue(f"{self.path}: need a name that ends in .json")
        self._model = model
        self._files = ExitStack()
        self._classes: tuple[tuple[str, bool], ...] | None = None
        self._names: set[str] = set()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.push(self._files)
            part = self._files.enter_context(atomic_file(self.path, only_ours=True))
            self._folder = self._files.enter_context(atomic_folder(self.path.with_suffix("")))
            self._file: IO[str] = self._files.enter_context(part.open("w", encoding="utf-8"))
            self._spool = self._files.enter_context(Spool(self.path.parent))
            undo.pop_all()
        self._file.write(f'{{\n"info": {json.dumps(file_info(self._model))},\n"annotations": [')
        return self

    def write(self, file_name: str, result: Panoptic) -> None:
        """Add the result of the image ``file_name``.

        Raises `InvalidValue` for other class names than before, `OutputError` where two images have one stem.
        """
        classes = tuple(zip(result.class_names, result.is_thing, strict=True))
        if self._classes not in (None, classes):
            raise InvalidValue("panoptic: need the same class names for every image of a file, got others")
        self._classes = classes
        name = f"{PurePath(file_name).stem}.png"
        if name in self._names:
            raise OutputError(f"{self._folder.name}/{name}: need a name of its own for {file_name}")
        number = len(self._names) + 1
        self._names.add(name)
        with output_errors(self.path):
            (self._folder / name).write_bytes(marked_png(Pictures.fromarray(colours_of(result.id_map))))
        record = {"image_id": number, "file_name": name, "segments_info": self._records(result)}
        self._file.write((",\n" if number > 1 else "\n") + json.dumps(record))
        image = {"id": number, "file_name": file_name, "height": result.size[0], "width": result.size[1]}
        self._spool.add("images", json.dumps(image).encode())

    def _records(self, result: Panoptic) -> list[dict[str, Any]]:
        ids = category_ids(result.class_names)
        records: list[dict[str, Any]] = []
        for segment in result.segments:
            record: dict[str, Any] = {
                "id": segment.id,
                "category_id": ids[segment.class_id],
                "area": segment.area,
                "bbox": list(cv2.boundingRect(result.mask(segment.id).view(np.uint8))),
                "iscrowd": 0,
            }
            if segment.score is not None:
                record["score"] = round(segment.score, 5)
            records.append(record)
        return records

    def _finish(self) -> None:
        classes = self._classes or ()
        ids = category_ids([name for name, _ in classes])
        categories = [
            {"id": category, "name": name, "supercategory": "", "isthing": int(is_thing)}
            for category, (name, is_thing) in zip(ids, classes, strict=True)
        ]
        self._file.write('\n],\n"images": [')
        for index, place in enumerate(self._spool.places("images")):
            self._file.write((",\n" if index else "\n") + self._spool.read(place).decode())
        self._file.write(f'\n],\n"categories": {json.dumps(categories)}\n}}\n')

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._files.__exit__(kind, error, trace)
            return
        with self._files:
            self._finish()
