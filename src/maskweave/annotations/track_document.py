"""Write tracks of videos as one JSON document in the layout of YouTube-VIS (COCO for video), in constant memory.

One annotation a track: ``segmentations`` (RLE), ``bboxes`` (x, y, width, height) and ``areas`` have an entry for each
frame, null where the object is not seen. Ours besides: ``track_id``, ``score`` (mean), ``scores``, the video's
``times_seconds``, what was taken off these (``start_seconds``), ``pixel_aspect_ratio``, and ``counts`` where lines or
zones were given. Source: https://youtube-vos.org/dataset/vis/.
"""

from __future__ import annotations

import json
import math
import struct
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from maskweave.errors import InvalidValue
from maskweave.ops.rle import encode_masks
from maskweave.spool import Spool
from maskweave.types.arrays import Size
from maskweave.types.counts import Counts
from maskweave.types.instances import Instances

_TIME = struct.Struct("<d")
_LISTS = 4  # in each annotation
_SIGHTING = struct.Struct("<QQ?dQ4d")


class _Sighting(NamedTuple):
    """One object in one frame; the box is x, y, width, height, ``counts`` the compressed mask."""

    frame: int
    category_id: int
    crowd: bool
    score: float
    area: int
    box: tuple[float, ...]
    counts: str

    def packed(self) -> bytes:
        head = _SIGHTING.pack(*self[:5], *self.box)
        return head + self.counts.encode("ascii")

    @classmethod
    def unpacked(cls, record: bytes) -> _Sighting:
        frame, category_id, crowd, score, area, *box = _SIGHTING.unpack_from(record)
        counts = record[_SIGHTING.size :].decode("ascii")
        return cls(frame, category_id, crowd, score, area, tuple(box), counts)


@dataclass
class _Video:
    """What is known of a video while its frames come."""

    name: str
    size: Size
    length: int = 0
    timed: bool = False


class TrackDocument:
    """A document of one or more videos, whose frames may come in turns.

    Lists by track can only be written when all frames are there; until then frames and sightings are spooled under
    (video, None) and (video, track id), so that memory holds one number a track, however long the videos. ``facts``
    are what else is said of every video.
    """

    def __init__(self, spool: Spool, facts: Mapping[str, Any] | None = None) -> None:
        self._spool = spool
        self._facts = facts or {}
        self._videos: dict[str, _Video] = {}
        self._numbers: dict[str, int] = {}

    def add(
        self,
        video: str,
        instances: Instances,
        track_ids: Sequence[int],
        *,
        file_name: str,
        time: float | None,
        category_ids: Sequence[int],
        crowd: Sequence[bool] | None = None,
        digits: int | None = None,
    ) -> None:
        """Spool one frame's objects; ``category_ids`` of each class name, boxes rounded to ``digits``.

        Raises `InvalidValue` for a frame of another size than the video's first, or an id that comes twice.
        """
        known = self._videos.setdefault(video, _Video(video, instances.size))
        number = self._numbers.setdefault(video, len(self._numbers))
        if instances.size != known.size:
            raise InvalidValue(
                f"youtube-vis: need frames of one size (height, width) {known.size}, got {instances.size}"
            )
        twice = next((each for each, count in Counter(track_ids).items() if count > 1), None)
        if twice is not None:
            raise InvalidValue(f"youtube-vis: need each id once a frame, got {twice} twice")
        areas, boxes = instances.masks.areas.tolist(), instances.boxes.tolist()
        scores, class_ids = instances.scores.tolist(), instances.class_ids.tolist()
        for row, rle in enumerate(encode_masks(instances.masks)):
            x1, y1, x2, y2 = boxes[row]
            box = (x1, y1, x2 - x1, y2 - y1)
            sighting = _Sighting(
                frame=known.length,
                category_id=category_ids[class_ids[row]],
                crowd=bool(crowd is not None and crowd[row]),
                score=scores[row],
                area=areas[row],
                box=box if digits is None else tuple(round(edge, digits) for edge in box),
                counts=str(rle["counts"]),
            )
            self._spool.add((number, track_ids[row]), sighting.packed())
        name = file_name.encode(errors="surrogatepass")  # what the disk calls it
        self._spool.add((number, None), _TIME.pack(time if time is not None else math.nan) + name)
        known.length += 1
        known.timed |= time is not None

    def begin_empty(self, video: str) -> None:
        """Note a video without frames."""
        self._videos[video] = _Video(video, (0, 0))
        self._numbers[video] = len(self._numbers)

    def wasted(self) -> int:
        """Bytes of null, at the most, that the format asks for."""
        lengths = {self._numbers[name]: video.length for name, video in self._videos.items()}
        return _LISTS * len("null, ") * sum(lengths[number] for number, _ in self._tracks())

    def pieces(
        self, categories: list[dict[str, Any]], info: dict[str, str], counts: dict[str, Any] | None = None
    ) -> Iterator[str]:
        """The whole document in pieces of text."""
        yield f'{{\n"info": {json.dumps(info)},\n"licenses": [],\n"videos": ['
        for index, video in enumerate(self._videos.values()):
            yield ",\n" if index else ""
            yield from self._video(video)
        yield f'],\n"categories": {json.dumps(categories)},\n'
        if counts is not None:
            yield f'"counts": {json.dumps(counts)},\n'
        yield '"annotations": ['
        videos = list(self._videos.values())
        for index, (number, track_id) in enumerate(self._tracks()):
            yield ",\n" if index else "\n"
            # ids are the tracks' own where one video is all there is, as ids of several videos may meet
            yield from self._annotation(
                videos[number], (number, track_id), track_id if len(videos) == 1 else index + 1
            )
        yield "\n]\n}\n"

    def _tracks(self) -> list[tuple[int, int]]:
        keys = (key for key in self._spool if isinstance(key, tuple))
        return sorted((number, track_id) for number, track_id in keys if track_id is not None)

    def _video(self, video: _Video) -> Iterator[str]:
        number = self._numbers[video.name]
        head = {
            "id": number + 1,
            "name": video.name,
            "height": video.size[0],
            "width": video.size[1],
            "length": video.length,
            **self._facts,
        }
        places = self._spool.places((number, None))
        names = (
            json.dumps(self._spool.read(place)[_TIME.size :].decode(errors="surrogatepass"))
            for place in places
        )
        lists: dict[str, Iterator[str]] = {"file_names": names}
        if video.timed:
            times = (_TIME.unpack_from(self._spool.read(place))[0] for place in places)
            lists["times_seconds"] = ("null" if math.isnan(each) else json.dumps(each) for each in times)
        frames = range(video.length)
        return _json_object(head, {name: _spread(frames, each, video.length) for name, each in lists.items()})

    def _annotation(self, video: _Video, key: tuple[int, int], annotation_id: int) -> Iterator[str]:
        places = self._spool.places(key)

        def sightings() -> Iterator[_Sighting]:
            return (_Sighting.unpacked(self._spool.read(place)) for place in places)

        height, width = video.size
        categories = Counter(each.category_id for each in sightings())
        head = {
            "id": annotation_id,
            "video_id": key[0] + 1,
            "track_id": key[1],
            "category_id": categories.most_common(1)[0][0],
            "iscrowd": int(any(each.crowd for each in sightings())),
            "height": height,
            "width": width,
            "length": video.length,
            "score": round(sum(each.score for each in sightings()) / len(places), 5),
        }
        size = f"[{height}, {width}]"
        frames = array("Q", (each.frame for each in sightings()))
        columns = {
            "segmentations": (
                f'{{"size": {size}, "counts": {json.dumps(each.counts)}}}' for each in sightings()
            ),
            "bboxes": (json.dumps(each.box) for each in sightings()),
            "areas": (str(each.area) for each in sightings()),
            "scores": (str(round(each.score, 5)) for each in sightings()),
        }
        return _json_object(
            head, {name: _spread(frames, each, video.length) for name, each in columns.items()}
        )


def _spread(frames: Iterable[int], values: Iterable[str], length: int) -> Iterator[str]:
    """The inside of a list with one entry for each of ``length`` frames, "null" where there is no value."""
    then = 0
    for number, value in zip(frames, values, strict=True):
        yield (", " if then else "") + "null, " * (number - then) + value
        then = number + 1
    yield ", null" * (length - then)


def _json_object(head: dict[str, Any], lists: dict[str, Iterator[str]]) -> Iterator[str]:
    """A JSON object in pieces: ``head``, then lists of what is JSON already."""
    yield json.dumps(head)[:-1]
    for name, pieces in lists.items():
        yield f', "{name}": ['
        yield from pieces
        yield "]"
    yield "}"


class CountsRecord:
    """The last counts, and when each crossing was."""

    def __init__(self) -> None:
        self._last: Counts | None = None
        self._crossings: dict[str, list[dict[str, Any]]] = {}
        self._inside: dict[str, list[int]] = {}

    @property
    def found(self) -> bool:
        """Whether anything was counted."""
        return self._last is not None

    def add(self, number: int, counts: Counts) -> None:
        """Note the counts of a frame."""
        self._last = counts
        for line in counts.lines:
            events = self._crossings.setdefault(line.line.name, [])
            for direction, ids in (("forward", line.forward_now), ("backward", line.backward_now)):
                events += [{"frame": number, "track_id": each, "direction": direction} for each in ids]
        for zone in counts.zones:
            self._inside.setdefault(zone.zone.name, []).append(len(zone.inside))

    def document(self) -> dict[str, Any]:
        """The entry of these objects in the file."""
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
