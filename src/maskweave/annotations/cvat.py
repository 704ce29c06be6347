"""CVAT 1.1 XML: images with their shapes; the tracks of "CVAT for video" are read, too.

An object of one ring is a ``polygon``, any other a ``mask`` (run lengths row by row, background first, in its box).
Scores, track ids and crowds are attributes called ``score``, ``track_id`` and ``is_crowd``. Source:
https://docs.cvat.ai/docs/manual/advanced/xml_format/.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from maskweave.annotations.base import FEATURES, Format, Put
from maskweave.annotations.options import Options
from maskweave.annotations.outlines import outlines
from maskweave.annotations.places import checked_size, find_image, named_image, own_name, safe_name, sized
from maskweave.annotations.record import Record
from maskweave.annotations.report import DAMAGE, Report
from maskweave.annotations.segmentation import placed_bitmap, points_of
from maskweave.annotations.shapes import Shape, ShapeList, box_corners, ellipse, turned
from maskweave.annotations.texts import open_text
from maskweave.annotations.values import flag, number, score, whole
from maskweave.annotations.xml_stream import Element, stream_elements
from maskweave.errors import BadRecord, InvalidValue
from maskweave.files import TEXT_MARK, atomic_file
from maskweave.ops.polygons import Polygon, fill_polygons, rings_to_mask
from maskweave.spool import Spool
from maskweave.types.arrays import MAX_OBJECT_PIXELS, FloatArray, Size
from maskweave.types.masks import Masks
from maskweave.version import __version__

_SHAPES = ("polygon", "box", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton")
_MAX_FRAMES = 10_000_000
_MAX_COORDINATE = 1e9  # pixels
_MAX_NUMBER = 18  # digits that surely fit into 64 bits
_BEGIN = re.compile(r"<annotations[\s>].*?<(version>\s*1\.\d|image\s|track\s)", re.DOTALL)
_STEP = re.compile(r"step\s*=\s*([1-9][0-9]{0,6})")
_ATTRIBUTES = ("score", "track_id", "is_crowd")


def detect(path: Path) -> str | None:
    """An XML file whose root is annotations, with a version 1 or images or tracks; or the folder of its export."""
    file = _file(path)
    if file.suffix.lower() != ".xml" or not file.is_file():
        return None
    with open_text(file, errors="replace") as opened:
        found = _BEGIN.search(opened.read(65536))
    return f"XML of CVAT's annotations{f' in {file.name}' if path.is_dir() else ''}" if found else None


def _file(path: Path) -> Path:
    """The XML file, also of the folder that an export is unpacked into."""
    return path / "annotations.xml" if path.is_dir() else path


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image, or, of a file with tracks, for each frame of the video."""
    path = _file(path)
    labels: tuple[str, ...] = ()
    meta = None
    number, seen = 0, set[str]()
    with Spool() as spool:
        for element in stream_elements(path, root="annotations"):
            if element.name == "meta":
                meta, labels = element, _labels(element)
            elif element.name == "track":
                _spool_track(element, spool, report, path)
            elif element.name == "image":
                where = f"{path.name}, image {element.attributes.get('name', number)}"
                number += 1
                yield from report.made(
                    where, partial(_image, element, where, labels, options, path, report, seen)
                )
        tracked = _track_frames(spool)
        for video in _videos(path, meta, tracked, report):
            yield from _frames(path, spool, video, labels, report)
        if not number and not tracked:
            raise InvalidValue(f"{path}: need images or tracks, found none")


def _labels(meta: Element) -> tuple[str, ...]:
    for group in ("task", "project", "job"):
        found = meta.find(group, "labels")
        if found is not None:
            names = (label.find("name") for label in found.children)
            return tuple(dict.fromkeys(name.text for name in names if name is not None))
    return ()


def _image(
    element: Element,
    where: str,
    labels: tuple[str, ...],
    options: Options,
    path: Path,
    report: Report,
    seen: set[str],
) -> Record:
    attributes = element.attributes
    folders = (options.images, path.parent, path.parent / "images")
    (own, image), subset = named_image(attributes.get("name"), *folders), attributes.get("subset", "")
    name = safe_name(f"{subset}/{own}") if subset else own
    if name in seen and attributes.get("task_id"):  # frames of several tasks of a project may have one name
        name = safe_name(f"task_{attributes['task_id']}/{name}")
    seen.add(name)
    image = (find_image(name, *folders) if name != own else None) or image
    size = sized(attributes.get("height"), attributes.get("width"), image)
    shapes = [(child.name, _plain(child)) for child in element.children if child.name in _SHAPES]
    report.leave_out("tags of images", sum(child.name == "tag" for child in element.children))
    return _record(name, size, shapes, labels, report, where, image=image)


def _plain(element: Element) -> dict[str, str]:
    """A shape's XML attributes, and with "@" before their names what CVAT calls attributes."""
    own = {f"@{each.attributes.get('name', '')}": each.text.strip() for each in element.children}
    return {**element.attributes, **own}


def _record(
    name: str,
    size: Size,
    shapes: Sequence[tuple[str, Mapping[str, str]]],
    labels: tuple[str, ...],
    report: Report,
    where: str,
    **more: Any,
) -> Record:
    objects = ShapeList(size, labels)
    for place, (kind, attributes) in enumerate(shapes, start=1):
        try:
            group = attributes.get("group_id") or "0"  # shapes of one label and group are one object
            objects.add(_shape(kind, attributes, labels, size), None if group == "0" else group)
        except DAMAGE as error:
            report.problem(f"{where}, shape {place} ({kind})", error)
        report.leave_out(
            "attributes", sum(key[0] == "@" and key[1:] not in _ATTRIBUTES for key in attributes)
        )
    return Record(name, **objects.columns(), **more)


def _shape(kind: str, attributes: Mapping[str, str], labels: tuple[str, ...], size: Size) -> Shape:
    label = attributes.get("label", "")
    if label not in labels and label.strip() in labels:
        label = label.strip()
    if not label or (labels and label not in labels):
        raise BadRecord(f"need a label of the file ({', '.join(labels)}), got {label!r}")
    given = attributes.get("@score")
    track = attributes.get("@track_id", "")
    if track.isdecimal() and len(track) > _MAX_NUMBER:
        raise BadRecord(f"need a track_id of at most {_MAX_NUMBER} digits, got {len(track)}")
    return Shape(
        label,
        _mask(kind, attributes, size),
        score=score(given) if given else None,
        track_id=int(track) if track.isdecimal() else None,
        crowd=flag(attributes.get("@is_crowd"), "is_crowd"),
    )


def _mask(kind: str, attributes: Mapping[str, str], size: Size) -> Masks:
    if kind == "mask":
        return _bitmap(attributes, size)
    if kind == "polygon":
        points = points_of([point.split(",") for point in attributes["points"].split(";") if point.strip()])
    elif kind == "box":
        x1, y1, x2, y2 = (_number(attributes[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        points = _turned(box_corners(x1, y1, x2, y2), ((x1 + x2) / 2, (y1 + y2) / 2), attributes)
    elif kind == "ellipse":
        x, y, rx, ry = (_number(attributes[name]) for name in ("cx", "cy", "rx", "ry"))
        points = _turned(ellipse((x, y), (rx, ry)), (x, y), attributes)
    else:
        raise BadRecord("need a polygon, box, ellipse or mask: this one has no area")
    return fill_polygons([Polygon(points)], size)


def _number(text: str) -> float:
    found = number(text, "a place in pixels")
    if abs(found) > _MAX_COORDINATE:
        raise BadRecord(f"need a place in pixels, got {text[:60]}")
    return found


def _turned(points: FloatArray, center: Sequence[float], attributes: Mapping[str, str]) -> FloatArray:
    """Points turned about a center by the shape's rotation."""
    return turned(points, center, _number(attributes.get("rotation", "0")))


def _bitmap(attributes: Mapping[str, str], size: Size) -> Masks:
    left, top, width, height = (whole(attributes[name], name) for name in ("left", "top", "width", "height"))
    if not (width > 0 and height > 0 and width * height <= MAX_OBJECT_PIXELS):
        raise BadRecord(f"need a mask of at most {MAX_OBJECT_PIXELS:,} pixels, got {width} x {height}")
    runs = [whole(each, "run length") for each in attributes["rle"].split(",") if each.strip()]
    if min(runs, default=-1) < 0 or sum(runs) != width * height:
        raise BadRecord(f"need run lengths that sum to {width * height}, got {sum(runs)}")
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return placed_bitmap(filled, left, top, size)


def _spool_track(track: Element, spool: Spool, report: Report, path: Path) -> None:
    """Put each shape of a track that is in the image under its task's id and its frame's number."""
    task = track.attributes.get("task_id", "")
    for shape in track.children:
        attributes = {**_plain(shape), "label": track.attributes.get("label", "")}
        attributes.setdefault("@track_id", track.attributes.get("id", ""))
        frame = attributes.get("frame", "")
        with report.record(f"{path.name}, track {track.attributes.get('id')}"):
            if not frame.isdecimal() or len(frame) > _MAX_NUMBER:
                raise BadRecord(f"need a frame, got {frame!r}")
            if not flag(attributes.get("outside"), "outside"):
                spool.add((task, int(frame)), json.dumps([shape.name, attributes]).encode())


def _track_frames(spool: Spool) -> dict[str, set[int]]:
    """The numbers of the frames with an object by task, "" where the file is of one alone."""
    found: dict[str, set[int]] = {}
    for key in spool:
        if isinstance(key, tuple):
            found.setdefault(key[0], set()).add(key[1])
    return found


class _Video(NamedTuple):
    """A task's video: the task's id, its file's name, how its records call it, its size and its frames' numbers."""

    task: str
    name: str
    called: str
    size: Size
    frames: range


def _videos(
    path: Path, meta: Element | None, tracked: Mapping[str, set[int]], report: Report
) -> Iterator[_Video]:
    """The videos of the tracks. Of a project's, one that cannot be placed costs itself."""
    tasks = {} if meta is None else _tasks(meta)
    seen = set[str]()
    for task in sorted(tracked):
        try:
            video = _video(path, task, tasks.get(task), tracked[task])
        except DAMAGE as error:
            if len(tracked) == 1:
                raise
            report.problem(f"{path.name}, task {task}", error)
            continue
        if video.called in seen:  # videos of several tasks of a project may have one name
            video = video._replace(name=f"task_{task}/{video.name}", called=f"{video.called}-{task}")
        seen.add(video.called)
        yield video


def _tasks(meta: Element) -> dict[str, Element]:
    """What the file says of its tasks by their ids; of a file with one task also as ""."""
    project = meta.find("project", "tasks")
    alone = meta.find("task") or meta.find("job")
    found = project.children if project is not None else [alone] if alone is not None else []
    by_id = {each.text_of("id"): each for each in found}
    return by_id | {"": found[0]} if len(found) == 1 else by_id


def _video(path: Path, task: str, description: Element | None, seen: set[int]) -> _Video:
    """The video of a task with all frames that the file says it has, or up to the last with an object."""
    if description is None:
        raise InvalidValue(f"{path}: need the video's size in meta, found none")
    size = checked_size(
        description.text_of("original_size", "height"), description.text_of("original_size", "width")
    )
    name = own_name(description.text_of("source") or description.text_of("name") or path.stem)
    frames = _numbers(description, seen)
    if len(frames) > _MAX_FRAMES:
        raise InvalidValue(f"{path}: need at most {_MAX_FRAMES:,} frames, got {len(frames):,}")
    return _Video(task, name, Path(name).stem, size, frames)


def _numbers(description: Element, seen: set[int]) -> range:
    """The frames that a task is of, by their numbers in the video: from a start on, every one or every n-th.

    Tracks name frames by these numbers, whatever part of a video the task has.
    """
    length, start = (
        int(text) if re.fullmatch(r"[0-9]{1,7}", text := description.text_of(name)) else 0
        for name in ("size", "start_frame")
    )
    found = _STEP.search(description.text_of("frame_filter"))
    step = int(found[1]) if found else 1
    numbers = range(start, max(start + length * step, max(seen) + 1), step)
    if all(each in numbers for each in seen):
        return numbers
    return range(max(length, max(seen) + 1))  # another program counts from 0


def _frames(
    path: Path, spool: Spool, video: _Video, labels: tuple[str, ...], report: Report
) -> Iterator[Record]:
    """A record for each frame of a video."""
    of_task = f", task {video.task}" if video.task else ""
    for frame in video.frames:
        shapes = [json.loads(spool.read(place)) for place in spool.places((video.task, frame))]
        where = f"{path.name}{of_task}, frame {frame}"
        more = {"video": video.called, "frame": frame}
        name = video.name if Path(video.name).suffix else f"{video.name}/{frame:06d}.png"
        yield from report.made(
            where, partial(_record, name, video.size, shapes, labels, report, where, **more)
        )


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write images as they come; the labels, which stand before them, when all are known."""
    labels: dict[str, None] = {}
    with atomic_file(path, only_own=not options.overwrite) as part, TemporaryFile() as body:
        count = 0

        def put(record: Record) -> None:
            nonlocal count
            text = _image_text(record, count, options, report)
            labels.update(dict.fromkeys(record.instances.class_names))
            body.write(text.encode())
            count += 1

        yield put
        body.seek(0)
        with part.open("wb") as file:
            file.write(_head(tuple(labels), count).encode())
            shutil.copyfileobj(body, file)
            file.write(b"</annotations>\n")


def _head(labels: Sequence[str], count: int) -> str:
    attributes = "".join(
        f"<attribute><name>{name}</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>"
        for name in _ATTRIBUTES
    )
    listed = "\n".join(
        f"<label><name>{escape(name)}</name><attributes>{attributes}</attributes></label>" for name in labels
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<!-- {TEXT_MARK} -->\n'
        f"<annotations>\n<version>1.1</version>\n<meta><task><name>Converted by MaskWeave {__version__}</name>"
        f"<size>{count}</size><mode>annotation</mode>\n<labels>\n{listed}\n</labels></task></meta>\n"
    )


def _image_text(record: Record, number: int, options: Options, report: Report) -> str:
    height, width = record.size
    instances = record.instances
    lines = [
        f'<image id="{number}" name={quoteattr(record.file_name)} width="{width}" height="{height}">',
    ]
    for row, outline in enumerate(outlines(instances.masks, options, report)):
        if options.masks == "rle" or outline.has_holes or len(outline.polygons) > 1:
            # parts are filled where holes were: the mask is that of the outline
            kind, shape = (
                "mask",
                _mask_attributes(instances.masks, row, filled=outline.exteriors, options=options),
            )
        else:
            points = ";".join(f"{x:g},{y:g}" for x, y in outline.exteriors[0].tolist())
            kind, shape = "polygon", f'points="{points}"'
        own = _own_attributes(record, row)
        label = quoteattr(_xml_text(instances.names[row]))
        lines.append(f'<{kind} label={label} source="manual" occluded="0" {shape} z_order="0">{own}</{kind}>')
    return "\n".join([*lines, "</image>\n"])


def _xml_text(name: str) -> str:
    """A class name, as XML can hold it; raises `BadRecord` for one with control characters."""
    if any(ord(char) < 32 and char not in "\t\n\r" for char in name):
        raise BadRecord(f"need class names without control characters, got {name!r}")
    return name


def _mask_attributes(masks: Masks, row: int, *, filled: Sequence[FloatArray], options: Options) -> str:
    crop, (left, top) = masks.crops[row], masks.corners[row].tolist()
    if options.holes == "fill":
        size = (crop.shape[0], crop.shape[1])
        crop = np.logical_or.reduce([rings_to_mask([ring - (left, top)], size) for ring in filled])
    flat = crop.ravel()
    borders = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(borders, prepend=0, append=len(flat)).tolist()
    rle = ", ".join(map(str, [0, *runs] if flat[0] else runs))
    return f'rle="{rle}" left="{left}" top="{top}" width="{crop.shape[1]}" height="{crop.shape[0]}"'


def _own_attributes(record: Record, row: int) -> str:
    own = {}
    if record.instances.scores[row] != 1:
        own["score"] = repr(float(record.instances.scores[row]))
    if record.instances.track_ids is not None:
        own["track_id"] = str(int(record.instances.track_ids[row]))
    if record.crowds[row]:
        own["is_crowd"] = "true"
    return "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in own.items())


FORMAT = Format(
    name="cvat",
    title="CVAT 1.1 XML",
    layout="one `.xml`; read also: its folder",
    holds=frozenset(FEATURES) - {"boxes", "class map", "category ids"},
    detect=detect,
    read=read,
    write=write,
    suffix=".cvat.xml",
    media_type="application/xml",
)
