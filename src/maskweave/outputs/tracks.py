"""A video's tracks as one JSON file in the layout of YouTube-VIS (COCO for video).

One annotation a track: ``segmentations`` (RLE), ``bboxes`` (x, y, width, height) and ``areas`` have an entry for each
frame, null where the object is not seen. Ours besides: ``track_id``, ``score`` (mean), ``scores``, the video's
``times_seconds``, and ``counts`` where lines or zones were given. Source: https://youtube-vos.org/dataset/vis/.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from maskweave.errors import InvalidValue
from maskweave.ops.coco_names import category_ids
from maskweave.ops.rle import encode_masks
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.coco import file_info
from maskweave.outputs.files import atomic_file
from maskweave.outputs.spool import Spool
from maskweave.types.arrays import Size
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction

_FRAMES = "frames"
"""The spool's key of the frames; the others are track ids."""
_TIME = struct.Struct("<d")
_LISTS, _MUCH = 4, 500_000_000  # lists in each annotation; bytes of null that are told
_SIGHTING = struct.Struct("<QIdQ4d")


class _Sighting(NamedTuple):
    """One object in one frame; the box is x, y, width, height, ``counts`` the compressed mask."""

    frame: int
    class_id: int
    score: float
    area: int
    box: tuple[float, ...]
    counts: str

    def packed(self) -> bytes:
        head = _SIGHTING.pack(self.frame, self.class_id, self.score, self.area, *self.box)
        return head + self.counts.encode("ascii")

    @classmethod
    def unpacked(cls, record: bytes) -> _Sighting:
        frame, class_id, score, area, *box = _SIGHTING.unpack_from(record)
        return cls(frame, class_id, score, area, tuple(box), record[_SIGHTING.size :].decode("ascii"))


class TracksFile(Writer):
    """``<name>.tracks.json``: every track of a video with its mask in each frame.

    Lists by track can only be written when the video is over; until then the sightings are spooled, so that memory
    stays constant. Raises `OutputError` when a foreign file of that name is there.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.path(".tracks.json")
        self._length = 0
        self._size: Size | None = None
        self._counts = _CountsRecord()
        self._warnings: list[str] = []

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def warnings(self) -> list[str]:
        """What the format costs where tracks are many."""
        return self._warnings

    def begin(self) -> None:
        """Open the file."""
        self._temporary = self.files.enter_context(atomic_file(self._path, only_ours=True))
        self._spool = self.files.enter_context(Spool(self._path.parent))

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Spool one frame's objects."""
        if not isinstance(prediction, Instances):
            raise InvalidValue("tracks: need instances, got a semantic map; use --task instances")
        self._check(prediction)
        if prediction.counts is not None:
            self._counts.add(self._length, prediction.counts)
        if prediction.track_ids is not None:
            self._spool_objects(prediction, prediction.track_ids.tolist())
        name = self.target.file_name(frame).encode(errors="surrogatepass")  # what the disk calls it
        self._spool.add(_FRAMES, _TIME.pack(round(float(frame.time), 6)) + name)
        self._length += 1

    def _check(self, instances: Instances) -> None:
        if len(instances) and instances.track_ids is None:
            raise InvalidValue("tracks: need objects with track ids, got none; leave tracking on")
        if instances.class_names != self.target.class_names:
            raise InvalidValue("tracks: need the same class names for every frame of a file, got others")
        self._size = self._size or instances.size
        if instances.size != self._size:
            raise InvalidValue(
                f"tracks: need frames of one size (height, width) {self._size}, got {instances.size}"
            )

    def _spool_objects(self, instances: Instances, ids: list[int]) -> None:
        twice = next((each for each, count in Counter(ids).items() if count > 1), None)
        if twice is not None:
            raise InvalidValue(f"tracks: need each id once a frame, got {twice} twice")
        areas, boxes = instances.masks.areas.tolist(), instances.boxes.tolist()
        class_ids, scores = instances.class_ids.tolist(), instances.scores.tolist()
        for row, (track_id, rle) in enumerate(zip(ids, encode_masks(instances.masks), strict=True)):
            x1, y1, x2, y2 = boxes[row]
            box, counts = (x1, y1, x2 - x1, y2 - y1), str(rle["counts"])
            sighting = _Sighting(self._length, class_ids[row], scores[row], areas[row], box, counts)
            self._spool.add(track_id, sighting.packed())

    def finish(self) -> None:
        """Write the whole document, track by track."""
        with self._temporary.open("w", encoding="utf-8") as file:
            file.writelines(self._pieces())
        wasted = _LISTS * len("null, ") * self._length * len(self._track_ids())
        if wasted >= _MUCH:
            self._warnings.append(
                f"tracks: up to {wasted / 1e9:.1f} GB of null, as the format has an entry for each frame of the "
                "video in each track; --save csv or coco holds the same objects in less"
            )

    def _pieces(self) -> Iterator[str]:
        ids = category_ids(self.target.class_names)
        categories = [
            {"id": category_id, "name": name, "supercategory": "object"}
            for category_id, name in zip(ids, self.target.class_names, strict=True)
        ]
        yield f'{{\n"info": {json.dumps(file_info(self.target.model))},\n"licenses": [],\n'
        yield '"videos": ['
        yield from self._video()
        yield f'],\n"categories": {json.dumps(categories)},\n'
        if self._counts.found:
            yield f'"counts": {json.dumps(self._counts.document())},\n'
        yield '"annotations": ['
        for index, track_id in enumerate(self._track_ids()):
            yield ",\n" if index else "\n"
            yield from self._annotation(track_id, ids)
        yield "\n]\n}\n"

    def _track_ids(self) -> list[int]:
        return sorted(key for key in self._spool if isinstance(key, int))

    def _video(self) -> Iterator[str]:
        height, width = self._size or (0, 0)
        head = {
            "id": 1,
            "name": self.target.info.name,
            "height": height,
            "width": width,
            "length": self._length,
        }
        places = self._spool.places(_FRAMES)
        names = (
            json.dumps(self._spool.read(place)[_TIME.size :].decode(errors="surrogatepass"))
            for place in places
        )
        times = (json.dumps(*_TIME.unpack_from(self._spool.read(place))) for place in places)
        all_frames = range(self._length)
        lists = {"file_names": names, "times_seconds": times}
        return _json_object(head, {name: self._spread(all_frames, each) for name, each in lists.items()})

    def _annotation(self, track_id: int, ids: list[int]) -> Iterator[str]:
        places = self._spool.places(track_id)

        def sightings() -> Iterator[_Sighting]:
            return (_Sighting.unpacked(self._spool.read(place)) for place in places)

        height, width = self._size or (0, 0)
        class_ids = Counter(each.class_id for each in sightings())
        head = {
            "id": track_id,
            "video_id": 1,
            "track_id": track_id,
            "category_id": ids[class_ids.most_common(1)[0][0]],
            "iscrowd": 0,
            "height": height,
            "width": width,
            "length": self._length,
            "score": round(sum(each.score for each in sightings()) / len(places), 5),
        }
        size = f"[{height}, {width}]"
        frames = array("Q", (each.frame for each in sightings()))
        columns = {
            "segmentations": (
                f'{{"size": {size}, "counts": {json.dumps(each.counts)}}}' for each in sightings()
            ),
            "bboxes": (json.dumps([round(number, 2) for number in each.box]) for each in sightings()),
            "areas": (str(each.area) for each in sightings()),
            "scores": (str(round(each.score, 5)) for each in sightings()),
        }
        return _json_object(head, {name: self._spread(frames, each) for name, each in columns.items()})

    def _spread(self, frames: Iterable[int], values: Iterable[str]) -> Iterator[str]:
        """The inside of a list with one entry for each frame of the video, "null" where the track has none."""
        then = 0
        for number, value in zip(frames, values, strict=True):
            yield (", " if then else "") + "null, " * (number - then) + value
            then = number + 1
        yield ", null" * (self._length - then)


def _json_object(head: dict[str, Any], lists: dict[str, Iterator[str]]) -> Iterator[str]:
    """A JSON object in pieces: ``head``, then lists of what is JSON already."""
    yield json.dumps(head)[:-1]
    for name, pieces in lists.items():
        yield f', "{name}": ['
        yield from pieces
        yield "]"
    yield "}"


class _CountsRecord:
    """The last counts, and when each crossing was."""

    def __init__(self) -> None:
        self._last: Counts | None = None
        self._crossings: dict[str, list[dict[str, Any]]] = {}
        self._inside: dict[str, list[int]] = {}

    @property
    def found(self) -> bool:
        return self._last is not None

    def add(self, number: int, counts: Counts) -> None:
        self._last = counts
        for line in counts.lines:
            events = self._crossings.setdefault(line.line.name, [])
            for direction, ids in (("forward", line.forward_now), ("backward", line.backward_now)):
                events += [{"frame": number, "track_id": each, "direction": direction} for each in ids]
        for zone in counts.zones:
            self._inside.setdefault(zone.zone.name, []).append(len(zone.inside))

    def document(self) -> dict[str, Any]:
        counts = self._last or Counts()
        lines = [
            {
                "name": each.line.name,
                "start": each.line.start,
                "end": each.line.end,
                "forward": each.forward,
                "backward": each.backward,
                "crossings": self._crossings[each.line.name],
            }
            for each in counts.lines
        ]
        zones = [
            {
                "name": each.zone.name,
                "points": each.zone.points,
                "seen": each.seen,
                "inside": self._inside[each.zone.name],
            }
            for each in counts.zones
        ]
        return {"lines": lines, "zones": zones}
