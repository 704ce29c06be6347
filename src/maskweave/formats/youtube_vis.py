"""YouTube-VIS: COCO for videos, one annotation a track with a mask in each frame.

Source: https://youtube-vos.org/dataset/vis/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from maskweave.errors import BadRecord, InvalidValue
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.classes import ClassNumbers
from maskweave.formats.coco import IdSet, objects_of, read_categories, whole, with_picture
from maskweave.formats.json_stream import json_ends, stream_lists
from maskweave.formats.ledger import Ledger
from maskweave.formats.places import checked_size, safe_name
from maskweave.formats.record import Category, Record
from maskweave.ops.coco_names import COCO_IDS, FIRST_FREE_ID
from maskweave.outputs.coco import converted_info
from maskweave.outputs.files import atomic_file
from maskweave.outputs.spool import Spool
from maskweave.outputs.tracks import TrackDocument


def recognise(path: Path) -> str | None:
    """A JSON file with videos and annotations."""
    text = json_ends(path)
    return "JSON with videos and tracks" if '"videos"' in text and '"annotations"' in text else None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each frame of each video; the tracks of one video are in memory at a time."""
    with Spool() as spool:
        categories = _spool_lists(path, spool, ledger)
        folders = (options.images, path.parent, path.parent / "JPEGImages")
        for place in spool.places("videos"):
            video = json.loads(spool.read(place))
            where = f"{path.name}, video {video.get('id')!r}"
            found = ledger.attempt(where, partial(_video, video))
            if found is None:
                continue
            number, names = found
            tracks = [json.loads(spool.read(each)) for each in spool.places(number)]
            for frame, name in enumerate(names):
                record = ledger.attempt(
                    f"{where}, frame {frame}",
                    partial(_frame, video, tracks, frame, name, categories, ledger, path),
                )
                if record is not None:
                    yield with_picture(record, options.images, *folders, ledger=ledger)


def _spool_lists(path: Path, spool: Spool, ledger: Ledger) -> tuple[Category, ...]:
    """Put videos under "videos", tracks under the ids of their videos; returns the categories."""
    categories: list[dict[str, Any]] = []
    ids, any_video = IdSet(), False
    for key, value in stream_lists(path, ("videos", "annotations", "categories")):
        if key not in ("videos", "annotations", "categories"):
            continue
        where = f"{path.name}, {key} {value.get('id') if isinstance(value, dict) else value!r}"
        if not isinstance(value, dict):
            ledger.problem(where, "need objects")
        elif key == "categories":
            categories.append(value)
        elif key == "videos":
            any_video = True
            spool.add("videos", json.dumps(value).encode())
        elif type(value.get("video_id")) is not int:
            ledger.problem(where, "need a video_id that is a whole number")
        elif not ids.add(value.get("id")):
            ledger.problem(where, "its id is another annotation's, too")
        else:
            spool.add(value["video_id"], json.dumps(value).encode())
    if not any_video:
        raise InvalidValue(f"{path}: need the list videos with at least one video, got none")
    return read_categories(path, categories, ledger)


def _video(video: Mapping[str, Any]) -> tuple[int, list[Any]]:
    """A video's id and the names of its frames."""
    checked_size(video.get("height"), video.get("width"))
    names = video.get("file_names")
    if not isinstance(names, list) or not names:
        raise BadRecord("need file_names, a list of its frames")
    return whole(video.get("id"), "id of the video"), names


def _frame(
    video: Mapping[str, Any],
    tracks: Sequence[Mapping[str, Any]],
    frame: int,
    name: Any,
    categories: tuple[Category, ...],
    ledger: Ledger,
    path: Path,
) -> Record:
    file_name = safe_name(name)
    size = checked_size(video.get("height"), video.get("width"))
    seen = [each for track in tracks if (each := _sighting(track, frame)) is not None]
    instances, crowd = objects_of(seen, categories, size, ledger, where=f"{path.name}, frame {frame}")
    times = video.get("times_seconds")
    time = times[frame] if isinstance(times, list) and frame < len(times) else None
    parts = file_name.rpartition("/")
    return Record(
        file_name=file_name,
        instances=instances,
        crowd=crowd,
        categories=categories,
        video=str(video.get("name") or parts[0] or f"video-{video.get('id')}"),
        frame=frame,
        time=float(time) if isinstance(time, int | float) else None,
    )


def _sighting(track: Mapping[str, Any], frame: int) -> dict[str, Any] | None:
    """A track in one frame as a COCO annotation; None where it is not seen."""

    def at(name: str) -> Any:
        values = track.get(name)
        return values[frame] if isinstance(values, list) and frame < len(values) else None

    segmentation = at("segmentations")
    if not segmentation:
        return None
    score = at("scores")
    return {
        "id": track.get("id"),
        "category_id": track.get("category_id"),
        "segmentation": segmentation,
        "bbox": at("bboxes"),
        "score": track.get("score") if score is None else score,
        "track_id": track.get("track_id", track.get("id")),
        "iscrowd": track.get("iscrowd", 0),
    }


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write all tracks when all frames are there. Objects without track ids become tracks of one frame.

    Stills without them are each a video of its own, as they need not be of one size.
    """
    classes = ClassNumbers(keep=True, first=FIRST_FREE_ID, fixed=COCO_IDS)
    with atomic_file(path, only_ours=True) as part, Spool(path.parent) as spool:
        document = TrackDocument(spool)
        fresh = 1_000_000_000  # beyond the ids of tracks

        def put(record: Record) -> None:
            nonlocal fresh
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
                digits=None,
            )

        yield put
        categories = [{"id": each.id, "name": each.name, "supercategory": "object"} for each in classes]
        with part.open("w", encoding="utf-8") as file:
            file.writelines(document.pieces(categories, converted_info()))


FORMAT = Format(
    name="youtube-vis",
    title="YouTube-VIS",
    layout="one `.json`",
    keeps=frozenset(
        {
            *("overlaps", "holes", "parts", "boxes", "scores", "tracks", "crowd", "class names"),
            *("category ids", "empty pictures", "file names"),
        }
    ),
    recognise=recognise,
    read=read,
    write=write,
    note="a track has one class and is a crowd in all frames or none",
)
