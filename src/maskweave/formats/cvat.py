"""CVAT 1.1 XML: images with their shapes; the tracks of "CVAT for video" are read, too.

An object of one ring is a ``polygon``, any other a ``mask`` (run lengths row by row, background first, in its box).
Scores, track ids and crowds are attributes called ``score``, ``track_id`` and ``is_crowd``. Source:
https://docs.cvat.ai/docs/manual/advanced/xml_format/.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from maskweave.errors import BadRecord, InvalidValue, MaskWeaveError
from maskweave.formats.base import Format, Options, Put
from maskweave.formats.ledger import Ledger
from maskweave.formats.outlines import outlines
from maskweave.formats.places import checked_size, find_picture, safe_name
from maskweave.formats.record import Record
from maskweave.formats.xml_stream import Element, stream_elements
from maskweave.ops.polygons import Polygon, fill_polygons, rings_to_mask
from maskweave.outputs.files import atomic_file
from maskweave.outputs.spool import Spool
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate
from maskweave.version import __version__

_SHAPES = ("polygon", "box", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton")
_ELLIPSE_POINTS = 72
_MOST_FRAMES = 10_000_000
_FARTHEST = 1e9  # pixels
_LONGEST_NUMBER = 18  # digits that surely fit into 64 bits
_ATTRIBUTES = ("score", "track_id", "is_crowd")


def recognise(path: Path) -> str | None:
    """An XML file whose root is annotations, with a version 1.1."""
    if path.suffix.lower() != ".xml" or not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(4096).decode("utf-8", "replace")
    return "XML of annotations, version 1.1" if "<annotations" in head and "<version>1.1" in head else None


def read(path: Path, options: Options, ledger: Ledger) -> Iterator[Record]:
    """Yield a record for each image, or, of a file with tracks, for each frame of the video."""
    labels: tuple[str, ...] = ()
    meta = None
    number = 0
    with Spool() as spool:
        for element in stream_elements(path, root="annotations"):
            if element.name == "meta":
                meta, labels = element, _labels(element)
            elif element.name == "track":
                _spool_track(element, spool, ledger, path)
            elif element.name == "image":
                where = f"{path.name}, image {element.attributes.get('name', number)}"
                number += 1
                record = ledger.attempt(where, partial(_image, element, where, labels, options, path, ledger))
                if record is not None:
                    yield record
        frames = sorted(key for key in spool if isinstance(key, int))
        if frames:
            yield from _frames(path, spool, frames, meta, labels, ledger)
        elif not number:
            raise InvalidValue(f"{path}: need images or tracks, found none")


def _labels(meta: Element) -> tuple[str, ...]:
    for group in ("task", "project", "job"):
        found = meta.find(group, "labels")
        if found is not None:
            return tuple(dict.fromkeys(label.text_of("name") for label in found.children))
    return ()


def _image(
    element: Element, where: str, labels: tuple[str, ...], options: Options, path: Path, ledger: Ledger
) -> Record:
    told = element.attributes
    name = safe_name(told.get("name"))
    size = checked_size(told.get("height"), told.get("width"))
    shapes = [(child.name, _plain(child)) for child in element.children if child.name in _SHAPES]
    picture = find_picture(name, options.images, path.parent, path.parent / "images")
    return _record(name, size, shapes, labels, ledger, where, picture=picture)


def _plain(element: Element) -> dict[str, str]:
    """A shape's XML attributes, and with "@" before their names what CVAT calls attributes."""
    own = {f"@{each.attributes.get('name', '')}": each.text.strip() for each in element.children}
    return {**element.attributes, **own}


def _record(
    name: str,
    size: Size,
    shapes: Sequence[tuple[str, Mapping[str, str]]],
    labels: tuple[str, ...],
    ledger: Ledger,
    where: str,
    **more: Any,
) -> Record:
    rows: list[tuple[str, Masks, float, str, bool]] = []
    for number, (kind, told) in enumerate(shapes, start=1):
        try:
            rows.append(_object(kind, told, labels, size))
        except (MaskWeaveError, ValueError, KeyError, OverflowError) as error:
            ledger.problem(f"{where}, shape {number} ({kind})", error)
    names = labels or tuple(dict.fromkeys(row[0] for row in rows))
    masks = concatenate([Masks.empty(size), *(row[1] for row in rows)])
    tracks = [row[3] for row in rows]
    instances = Instances(
        masks=masks,
        boxes=masks.boxes,
        scores=np.array([row[2] for row in rows]),
        class_ids=np.array([names.index(row[0]) for row in rows], dtype=np.int64),
        class_names=names,
        track_ids=np.array(tracks, np.int64) if tracks and all(each.isdecimal() for each in tracks) else None,
    )
    return Record(name, instances, crowd=np.array([row[4] for row in rows], np.bool_), **more)


def _object(
    kind: str, told: Mapping[str, str], labels: tuple[str, ...], size: Size
) -> tuple[str, Masks, float, str, bool]:
    label = told.get("label", "")
    if not label or (labels and label not in labels):
        raise BadRecord(f"need a label of the file ({', '.join(labels)}), got {label!r}")
    score = float(told.get("@score") or 1)
    crowd = told.get("@is_crowd", "").lower() == "true"
    track = told.get("@track_id", "")
    if track.isdecimal() and len(track) > _LONGEST_NUMBER:
        raise BadRecord(f"need a track_id of at most {_LONGEST_NUMBER} digits, got {len(track)}")
    return label, _mask(kind, told, size), score, track, crowd


def _mask(kind: str, told: Mapping[str, str], size: Size) -> Masks:
    if kind == "mask":
        return _bitmap(told, size)
    if kind == "polygon":
        points: FloatArray = np.array(
            [point.split(",") for point in told["points"].split(";")], dtype=np.float64
        )
    elif kind == "box":
        x1, y1, x2, y2 = (_number(told[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
        points = _turned(corners, (x1 + x2) / 2, (y1 + y2) / 2, told)
    elif kind == "ellipse":
        x, y, rx, ry = (_number(told[name]) for name in ("cx", "cy", "rx", "ry"))
        angles = np.linspace(0, 2 * math.pi, _ELLIPSE_POINTS, endpoint=False)
        points = _turned(np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1), x, y, told)
    else:
        raise BadRecord("need a polygon, box, ellipse or mask: this one has no area")
    return fill_polygons([Polygon(points)], size)


def _number(text: str) -> float:
    number = float(text)
    if not abs(number) <= _FARTHEST:  # also NaN
        raise BadRecord(f"need a place in pixels, got {text[:60]}")
    return number


def _turned(points: FloatArray, x: float, y: float, told: Mapping[str, str]) -> FloatArray:
    """Points turned about x, y by the shape's rotation, in degrees clockwise on the screen."""
    angle = math.radians(_number(told.get("rotation", "0")))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    turned: FloatArray = (points - (x, y)) @ turn + (x, y)
    return turned


def _bitmap(told: Mapping[str, str], size: Size) -> Masks:
    left, top, width, height = (int(told[name]) for name in ("left", "top", "width", "height"))
    if not (left >= 0 and top >= 0 and 0 < width <= size[1] - left and 0 < height <= size[0] - top):
        raise BadRecord(
            f"need a mask inside the picture of {size[1]} x {size[0]}, "
            f"got {width} x {height} at {left}, {top}"
        )
    runs = [int(each) for each in told["rle"].split(",")]
    if min(runs) < 0 or sum(runs) != width * height:
        raise BadRecord(f"need run lengths that sum to {width * height}, got {sum(runs)}")
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return Masks([filled], [(left, top)], size)


def _spool_track(track: Element, spool: Spool, ledger: Ledger, path: Path) -> None:
    """Put each shape of a track that is in the picture under its frame's number."""
    for shape in track.children:
        told = {**_plain(shape), "label": track.attributes.get("label", "")}
        told.setdefault("@track_id", track.attributes.get("id", ""))
        frame = told.get("frame", "")
        if not frame.isdecimal() or len(frame) > _LONGEST_NUMBER:
            ledger.problem(f"{path.name}, track {track.attributes.get('id')}", f"need a frame, got {frame!r}")
        elif told.get("outside") != "1":
            spool.add(int(frame), json.dumps([shape.name, told]).encode())


def _frames(
    path: Path,
    spool: Spool,
    frames: Sequence[int],
    meta: Element | None,
    labels: tuple[str, ...],
    ledger: Ledger,
) -> Iterator[Record]:
    """A record for each frame of the video that the file says it has, or up to the last with an object."""
    told = (meta.find("task") or meta.find("job")) if meta is not None else None
    if told is None:
        raise InvalidValue(f"{path}: need the video's size in meta, found none")
    size = checked_size(told.text_of("original_size", "height"), told.text_of("original_size", "width"))
    name = safe_name(told.text_of("source") or told.text_of("name") or path.stem)
    length = told.text_of("size")
    count = max(int(length) if re.fullmatch(r"[0-9]{1,7}", length) else 0, frames[-1] + 1)
    if count > _MOST_FRAMES:
        raise InvalidValue(f"{path}: need at most {_MOST_FRAMES:,} frames, got {count:,}")
    for frame in range(count):
        shapes = [json.loads(spool.read(place)) for place in spool.places(frame)]
        where = f"{path.name}, frame {frame}"
        more = {"video": Path(name).stem, "frame": frame}
        file_name = name if Path(name).suffix else f"{name}/{frame:06d}.png"
        record = ledger.attempt(
            where, partial(_record, file_name, size, shapes, labels, ledger, where, **more)
        )
        if record is not None:
            yield record


@contextmanager
def write(path: Path, options: Options, ledger: Ledger) -> Iterator[Put]:
    """Write images as they come; the labels, which stand before them, when all are known."""
    labels: dict[str, None] = {}
    with atomic_file(path, only_ours=True) as part, TemporaryFile() as body:
        count = 0

        def put(record: Record) -> None:
            nonlocal count
            text = _image_text(record, count, options, ledger)
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
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f"<annotations>\n<version>1.1</version>\n<meta><task><name>Converted by MaskWeave {__version__}</name>"
        f"<size>{count}</size><mode>annotation</mode>\n<labels>\n{listed}\n</labels></task></meta>\n"
    )


def _image_text(record: Record, number: int, options: Options, ledger: Ledger) -> str:
    height, width = record.size
    instances = record.instances
    lines = [
        f'<image id="{number}" name={quoteattr(record.file_name)} width="{width}" height="{height}">',
    ]
    for row, outline in enumerate(outlines(instances.masks, options, ledger)):
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
        label = quoteattr(instances.names[row])
        lines.append(f'<{kind} label={label} source="manual" occluded="0" {shape} z_order="0">{own}</{kind}>')
    return "\n".join([*lines, "</image>\n"])


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
    layout="one `.xml`",
    keeps=frozenset(
        {
            "overlaps",
            "holes",
            "parts",
            "scores",
            "tracks",
            "crowd",
            "class names",
            "empty pictures",
            "file names",
        }
    ),
    recognise=recognise,
    read=read,
    write=write,
)
