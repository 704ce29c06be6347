"""Tracks in the text format of KITTI MOTS: one object of one frame a line.

``frame id class_id height width rle``, where id is class_id * 1000 + the object's number. KITTI knows car (1) and
pedestrian (2); 10 means *ignore*. Any other class is written as 100 + its COCO category id, which meets none of them.
Masks of one frame do not overlap: a pixel goes to the better score. Source:
https://www.vision.rwth-aachen.de/page/mots, "Annotation Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from maskweave.errors import InvalidValue
from maskweave.ops.coco_names import category_ids
from maskweave.ops.mots_rows import FIRST_OTHER, KITTI_CLASSES, MotsRow, format_row
from maskweave.ops.rle import encode_masks
from maskweave.ops.semantic import paint_numbers
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.files import atomic_file
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Prediction

LARGEST_ID = 999


def mots_class_ids(class_names: tuple[str, ...]) -> list[int]:
    """KITTI's class ids: car 1, person or pedestrian 2, others 100 + the COCO category id.

    >>> mots_class_ids(("person", "bicycle", "car"))
    [2, 102, 1]
    """
    others = category_ids(class_names)
    return [
        KITTI_CLASSES.get(name, FIRST_OTHER + other) for name, other in zip(class_names, others, strict=True)
    ]


class MotsFile(Writer):
    """``<name>.mots.txt``: every object of every frame, written as they come.

    The format holds ids up to 999. Objects with larger ones are left out, never wrapped round into the next class;
    ``warnings`` says how many, and that classes were written which KITTI's tools do not know.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.path(".mots.txt")
        self._class_ids = mots_class_ids(target.class_names)
        self._left_out: set[int] = set()
        self._others: set[str] = set()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def warnings(self) -> list[str]:
        """What does not fit the format."""
        told = []
        if self._left_out:
            told.append(
                f"mots: {len(self._left_out)} objects with ids above {LARGEST_ID} (from {min(self._left_out)} on) "
                "are left out, the format holds no more; --save tracks holds all"
            )
        if self._others:
            told.append(
                f"mots: {', '.join(sorted(self._others))}: written as 100 + COCO's id, which KITTI's tools do not "
                "know; --classes car,person leaves others out"
            )
        return told

    def begin(self) -> None:
        """Open the file."""
        temporary = self.files.enter_context(atomic_file(self._path))
        self._file = self.files.enter_context(temporary.open("w", encoding="ascii", newline="\n"))

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Add one frame's objects."""
        if not isinstance(prediction, Instances):
            raise InvalidValue("mots: need instances, got a semantic map; use --task instances")
        for row in self._rows(frame.index, prediction):
            self._file.write(format_row(row) + "\n")

    def _rows(self, frame: int, instances: Instances) -> Iterator[MotsRow]:
        if not len(instances):
            return
        if instances.track_ids is None:
            raise InvalidValue("mots: need objects with track ids, got none; leave tracking on")
        fits = instances.track_ids <= LARGEST_ID
        self._left_out.update(instances.track_ids[~fits].tolist())
        instances = instances[fits]
        masks = without_overlaps(instances)
        for row, rle in enumerate(encode_masks(masks)):
            if not masks.crops[row].size:  # wholly behind others
                continue
            class_id = self._class_ids[int(instances.class_ids[row])]
            if class_id > FIRST_OTHER:
                self._others.add(instances.names[row])
            track_id = 0 if instances.track_ids is None else int(instances.track_ids[row])
            yield MotsRow(frame, track_id, class_id, rle)


def without_overlaps(instances: Instances) -> Masks:
    """The masks with each pixel left to the object of the best score there."""
    painted = paint_numbers(instances, np.arange(1, len(instances) + 1))
    crops, corners = [], []
    for row, (crop, x, y) in enumerate(instances.masks.placed()):
        crops.append(painted[y : y + crop.shape[0], x : x + crop.shape[1]] == row + 1)
        corners.append((x, y))
    return Masks(crops, corners, instances.size)
