"""Keep records on disk until they are asked for again, with a few bytes of each in memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from maskweave.annotations.record import Record
from maskweave.spool import Spool
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks


class RecordStore:
    """A list of records that can only grow.

    The file has no name and never leaves the process, so pickling is safe. Masks are packed to a bit a pixel.

    Example:
        >>> from maskweave.types import Instances
        >>> with_one = RecordStore()
        >>> with_one.append(Record("a.png", Instances.empty((2, 2), ("cat",))))
        >>> len(with_one), with_one[0].file_name
        (1, 'a.png')
    """

    def __init__(self) -> None:
        self._spool = Spool()
        self._count = 0

    def append(self, record: Record) -> None:
        """Put a record at the end."""
        instances = record.instances
        crops = [(np.packbits(crop), crop.shape) for crop in instances.masks.crops]
        columns = {each.name: getattr(instances, each.name) for each in fields(instances)}
        columns["masks"] = (crops, instances.masks.corners, instances.masks.size)
        more = {each.name: getattr(record, each.name) for each in fields(record) if each.name != "instances"}
        self._spool.add(self._count, pickle.dumps((columns, more), protocol=5))
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Record:
        (place,) = self._spool.places(number)
        columns, more = pickle.loads(self._spool.read(place))
        return _unpacked(columns, more)

    def __iter__(self) -> Iterator[Record]:
        return (self[number] for number in range(self._count))

    def close(self) -> None:
        """Let go of the file."""
        self._spool.close()


def _unpacked(columns: dict[str, Any], more: dict[str, Any]) -> Record:
    crops, corners, size = columns.pop("masks")
    bitmaps = [
        np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).view(np.bool_) for bits, shape in crops
    ]
    return Record(instances=Instances(masks=Masks(bitmaps, corners, size), **columns), **more)
