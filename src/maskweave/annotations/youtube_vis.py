"""YouTube-VIS: COCO for videos, one annotation a track with a mask in each frame.

Source: https://youtube-vos.org/dataset/vis/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.annotations.base import FEATURES, Format, Put
from maskweave.annotations.classes import ClassNumbers
from maskweave.annotations.coco_reading import Classes, IdSet, objects_of, read_categories, report_unowned
from maskweave.annotations.json_stream import json_outline, stream_objects
from maskweave.annotations.options import Options
from maskweave.annotations.places import checked_size, image_file, sized
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.text_files import file_info
from maskweave.annotations.track_document import CountsRecord, TrackDocument
from maskweave.annotations.values import Id, identifier, number, score, shown
from maskweave.errors import BadRecord, InvalidValue
from maskweave.files import atomic_file
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.spool import Spool

LISTS = ("videos", "annotations", "categories")
_MUCH = 500_000_000  # bytes of null that are worth a warning


def detect(path: Path) -> str | None:
    """A JSON file with videos and annotations, or a list of results."""
    outline = json_outline(path)
    if outline.inner.get("", frozenset()) >= {"video_id", "segmentations"}:
        return "a JSON list of results with video_id and segmentations"
    listed = "file_names" in outline.inner.get("videos", ())
    return "JSON with videos and tracks" if outline.keys >= {"videos", "annotations"} or listed else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each frame of each video; the tracks of one video are in memory at a time.

    A list of results is read with the videos and categories of ``--truth``.
    """
    with Spool() as spool:
        categories, missing = _spool_lists(path, spool, report)
        if missing:
            if options.truth is None:
                raise InvalidValue(
                    f"{path}: need the list videos with at least one video, got none; results need --truth"
                )
            lists, _ = _spool_lists(options.truth, spool, Report(), only=("videos", "categories"))
            categories = categories or lists
        classes = read_categories(path.name, categories, report)
        folders = (path.parent, path.parent / "JPEGImages")
        seen, called = IdSet(), set[str]()
        for place in spool.places(None):
            video = json.loads(spool.read(place))
            where = f"{path.name}, video {shown(video.get('id'))}"
            found = report.attempt(where, partial(_video, video, seen, called))
            if found is None:
                continue
            key, names = found
            tracks = _tracks(spool, key, len(names), classes, report, path.name)
            reader = _FrameReader(video, tracks, classes, options, report, path.name, folders)
            for frame, name in enumerate(names):
                yield from report.made(f"{where}, frame {frame}", partial(reader.record, frame, name))
        report_unowned(spool, seen, report, file=path.name, owner="video")


def _spool_lists(
    path: Path, spool: Spool, report: Report, *, only: Sequence[str] = LISTS
) -> tuple[list[dict[str, Any]], bool]:
    """Put videos under None, tracks under the ids of their videos; returns categories, and whether videos lack."""
    categories: list[dict[str, Any]] = []
    ids, any_video = IdSet(), False
    for name, value in stream_objects(path, LISTS, report, unnamed="annotations"):
        if name not in only:
            continue
        if name == "categories":
            categories.append(value)
        elif name == "videos":
            any_video = True
            spool.add(None, json.dumps(value).encode())
        else:
            where = f"{path.name}, {name} {shown(value.get('id'))}"
            report.attempt(where, partial(_spool_track, value, spool, ids))
    return categories, not any_video


def _spool_track(track: dict[str, Any], spool: Spool, ids: IdSet) -> None:
    video = identifier(track.get("video_id"), "video_id")
    if track.get("id") is not None and not ids.add(identifier(track["id"], "id")):
        raise BadRecord("its id is another annotation's, too")
    spool.add(video, json.dumps(track).encode())


def _tracks(
    spool: Spool, video: Id, length: int, classes: Classes, report: Report, where: str
) -> list[Mapping[str, Any]]:
    """The tracks of a video whose class, score and length can be used; others are problems."""
    kept: list[Mapping[str, Any]] = []
    for count, place in enumerate(spool.places(video), start=1):
        track = json.loads(spool.read(place))
        track.setdefault("id", count)
        if report.attempt(f"{where}, track {shown(track['id'])}", partial(_checked, track, length, classes)):
            kept.append(track)
    return kept


def _checked(track: Mapping[str, Any], length: int, classes: Classes) -> bool:
    key = identifier(track.get("category_id"), "category_id")
    if key not in classes.rows:
        raise BadRecord(f"need a known category, got {shown(track['category_id'])}; it is left out")
    score(track.get("score"))
    masks = track.get("segmentations")
    if not isinstance(masks, list) or len(masks) != length:
        got = len(masks) if isinstance(masks, list) else shown(masks)
        raise BadRecord(f"need {length} segmentations, one a frame, got {got}; it is left out")
    return True


def _video(video: Mapping[str, Any], seen: IdSet, called: set[str]) -> tuple[Id, list[Any]]:
    """A video's id and the names of its frames; id and name must be no other's."""
    names = video.get("file_names")
    if not isinstance(names, list) or not names:
        raise BadRecord("need file_names, a list of its frames")
    if video.get("height") is not None or video.get("width") is not None:
        checked_size(video.get("height"), video.get("width"))
    key, name = identifier(video.get("id"), "id of the video"), _name(video, str(names[0]))
    if not seen.add(key) or name in called:
        raise BadRecord(f"need each id and name once, got {key} ({name}) again")
    called.add(name)
    return key, names


def _name(video: Mapping[str, Any], first: str) -> str:
    """What a video is called: its own name, or the folder of its first frame."""
    return str(video.get("name") or first.replace("\\", "/").rpartition("/")[0] or f"video-{video.get('id')}")


@dataclass(frozen=True)
class _FrameReader:
    """Reads the frames of one video."""

    video: Mapping[str, Any]
    tracks: Sequence[Mapping[str, Any]]
    classes: Classes
    options: Options
    report: Report
    where: str
    folders: tuple[Path, ...]

    def record(self, frame: int, name: Any) -> Record:
        file_name, image = image_file(name, self.options, *self.folders, report=self.report, expected=False)
        size = sized(self.video.get("height"), self.video.get("width"), image)
        seen = [each for number, track in enumerate(self.tracks) if (each := _sighting(track, frame, number))]
        columns = objects_of(
            seen,
            self.classes,
            size,
            self.report,
            where=f"{self.where}, frame {frame}",
            called="track",
            skip_empty=True,
        )
        times = self.video.get("times_seconds")
        time = times[frame] if isinstance(times, list) and frame < len(times) else None
        return Record(
            file_name=file_name,
            **columns,
            categories=self.classes.categories,
            video=_name(self.video, str(self.video["file_names"][0])),
            frame=frame,
            time=None if time is None else number(time, "time"),
            image=image,
            image_id=identifier(self.video.get("id"), "id of the video"),
        )


def _sighting(track: Mapping[str, Any], frame: int, place: int) -> dict[str, Any] | None:
    """A track in one frame as a COCO annotation; None where it is not seen."""

    def at(name: str) -> Any:
        values = track.get(name)
        return values[frame] if isinstance(values, list) and frame < len(values) else None

    segmentation, box = at("segmentations"), at("bboxes")
    if not segmentation and not (isinstance(box, list) and any(box)):
        return None
    frame_score, track_id = at("scores"), track.get("track_id", track.get("id"))
    return {
        "id": track.get("id"),
        "category_id": track.get("category_id"),
        "segmentation": segmentation,
        "bbox": box,
        "area": at("areas"),
        "score": track.get("score") if frame_score is None else frame_score,
        "track_id": place if track_id is None else track_id,
        "iscrowd": track.get("iscrowd"),
    }


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write all tracks when all frames are there. Objects without track ids become tracks of one frame.

    Stills without them are each a video of its own, as they need not be of one size.
    """
    classes = ClassNumbers(keep=True, first=FIRST_FREE_ID, fixed=COCO_IDS)
    counts = CountsRecord()
    with atomic_file(path, only_own=not options.overwrite) as part, Spool(path.parent) as spool:
        document = TrackDocument(spool, options.facts)
        fresh, frames = 1_000_000_000, 0  # beyond the ids of tracks

        def put(record: Record) -> None:
            nonlocal fresh, frames
            classes.learn(record)
            instances = record.instances
            ids = instances.track_ids
            if ids is None:
                ids = np.arange(fresh, fresh + len(instances))
                fresh += len(instances)
            document.add(
                record.stem if record.frame is None and instances.track_ids is None else record.group,
                instances,
                ids.tolist(),
                file_name=record.file_name,
                time=record.time,
                category_ids=[classes[name] for name in instances.class_names],
                crowd=record.crowds.tolist(),
                digits=None if options.model is None else 2,
            )
            if record.counts is not None:
                counts.add(frames, record.counts)
            frames += 1

        yield put
        if not frames:
            document.begin_empty(path.name.partition(".")[0])
        categories = [{"id": each.id, "name": each.name, "supercategory": "object"} for each in classes]
        with part.open("w", encoding="utf-8") as file:
            more = counts.document() if counts.found else None
            file.writelines(document.pieces(categories, file_info(options), more))
        _warn_of_size(document, report)


def _warn_of_size(document: TrackDocument, report: Report) -> None:
    wasted = document.wasted()
    if wasted >= _MUCH:
        report.warn(
            f"up to {wasted / 1e9:.1f} GB of null, as the format has an entry for each frame of the "
            "video in each track; --save csv or coco holds the same objects in less"
        )


FORMAT = Format(
    name="youtube-vis",
    title="YouTube-VIS",
    layout="one `.json`",
    holds=frozenset(FEATURES) - {"class map"},
    detect=detect,
    read=read,
    write=write,
    suffix=".tracks.json",
    media_type="application/json",
    stills=False,
    needs_tracks=True,
    note="a track has one class and is a crowd in all frames or none",
)
