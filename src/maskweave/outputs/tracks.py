"""A video's tracks as one JSON file in the layout of YouTube-VIS (COCO for video).

One annotation a track: ``segmentations`` (RLE), ``bboxes`` (x, y, width, height) and ``areas`` have an entry for each
frame, null where the object is not seen. Ours besides: ``track_id``, ``score`` (mean), ``scores``, the video's
``times_seconds``, and ``counts`` where lines or zones were given. Source: https://youtube-vos.org/dataset/vis/.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskweave.errors import InvalidValue
from maskweave.ops.coco_names import category_ids
from maskweave.ops.rle import encode_masks
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.coco import file_info
from maskweave.outputs.files import atomic_file
from maskweave.types.arrays import Size
from maskweave.types.counts import Counts
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction


@dataclass
class _Track:
    """What is kept of one object until the end: a few numbers and a compressed mask for each frame it is seen in."""

    classes: Counter[int] = field(default_factory=Counter)
    frames: array[int] = field(default_factory=lambda: array("Q"))
    counts: list[bytes] = field(default_factory=list)
    boxes: array[float] = field(default_factory=lambda: array("d"))
    areas: array[int] = field(default_factory=lambda: array("Q"))
    scores: array[float] = field(default_factory=lambda: array("d"))


class TracksFile(Writer):
    """``<name>.tracks.json``: every track of a video with its mask in each frame.

    Lists by track can only be written when the video is over; until then compressed masks are kept, some hundred
    bytes for each object and frame. Raises `OutputError` when a foreign file of that name is there.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.path(".tracks.json")
        self._tracks: dict[int, _Track] = {}
        self._times: list[float] = []
        self._file_names: list[str] = []
        self._size: Size | None = None
        self._counts = _CountsRecord()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def begin(self) -> None:
        """Open the file."""
        self._temporary = self.files.enter_context(atomic_file(self._path, only_ours=True))

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Remember one frame's objects."""
        if not isinstance(prediction, Instances):
            raise InvalidValue("tracks: need instances, got a semantic map; use --task instances")
        self._check(prediction)
        number = len(self._times)
        self._times.append(round(float(frame.time), 6))
        self._file_names.append(self.target.file_name(frame))
        if prediction.counts is not None:
            self._counts.add(number, prediction.counts)
        if prediction.track_ids is not None:
            self._remember(number, prediction, prediction.track_ids.tolist())

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

    def _remember(self, number: int, instances: Instances, ids: list[int]) -> None:
        areas, boxes = instances.masks.areas.tolist(), instances.boxes.tolist()
        for row, (track_id, rle) in enumerate(zip(ids, encode_masks(instances.masks), strict=True)):
            track = self._tracks.setdefault(track_id, _Track())
            if track.frames and track.frames[-1] == number:
                raise InvalidValue(f"tracks: need each id once a frame, got {track_id} twice")
            x1, y1, x2, y2 = boxes[row]
            track.classes[int(instances.class_ids[row])] += 1
            track.frames.append(number)
            track.counts.append(str(rle["counts"]).encode("ascii"))
            track.boxes.extend((x1, y1, x2 - x1, y2 - y1))
            track.areas.append(areas[row])
            track.scores.append(float(instances.scores[row]))

    def finish(self) -> None:
        """Write the whole document, track by track."""
        with self._temporary.open("w", encoding="utf-8") as file:
            file.writelines(self._pieces())

    def _pieces(self) -> Iterator[str]:
        ids = category_ids(self.target.class_names)
        categories = [
            {"id": category_id, "name": name, "supercategory": "object"}
            for category_id, name in zip(ids, self.target.class_names, strict=True)
        ]
        yield f'{{\n"info": {json.dumps(file_info(self.target.model))},\n"licenses": [],\n'
        yield f'"videos": [{json.dumps(self._video())}],\n"categories": {json.dumps(categories)},\n'
        if self._counts.found:
            yield f'"counts": {json.dumps(self._counts.document())},\n'
        yield '"annotations": ['
        for index, (track_id, track) in enumerate(sorted(self._tracks.items())):
            yield ",\n" if index else "\n"
            yield from self._annotation(track_id, track, ids)
        yield "\n]\n}\n"

    def _video(self) -> dict[str, Any]:
        height, width = self._size or (0, 0)
        return {
            "id": 1,
            "name": self.target.info.name,
            "height": height,
            "width": width,
            "length": len(self._times),
            "file_names": self._file_names,
            "times_seconds": self._times,
        }

    def _annotation(self, track_id: int, track: _Track, ids: list[int]) -> Iterator[str]:
        height, width = self._size or (0, 0)
        head = {
            "id": track_id,
            "video_id": 1,
            "track_id": track_id,
            "category_id": ids[track.classes.most_common(1)[0][0]],
            "iscrowd": 0,
            "height": height,
            "width": width,
            "length": len(self._times),
            "score": round(sum(track.scores) / len(track.scores), 5),
        }
        size = f"[{height}, {width}]"
        masks = (f'{{"size": {size}, "counts": {json.dumps(each.decode())}}}' for each in track.counts)
        boxes = (json.dumps([round(x, 2) for x in track.boxes[at : at + 4]]) for at in _fours(track.boxes))
        yield json.dumps(head)[:-1]
        for name, values in (
            ("segmentations", masks),
            ("bboxes", boxes),
            ("areas", map(str, track.areas)),
            ("scores", (str(round(score, 5)) for score in track.scores)),
        ):
            yield f', "{name}": ['
            yield ", ".join(self._spread(track.frames, values))
            yield "]"
        yield "}"

    def _spread(self, frames: array[int], values: Iterable[str]) -> Iterator[str]:
        """One entry for each frame of the video, "null" where the track has none."""
        then = 0
        for number, value in zip(frames, values, strict=True):
            yield from ["null"] * (number - then)
            yield value
            then = number + 1
        yield from ["null"] * (len(self._times) - then)


def _fours(flat: array[float]) -> range:
    return range(0, len(flat), 4)


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
