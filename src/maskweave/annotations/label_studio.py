"""Label Studio: a JSON list of tasks, each with an image and the results of people or models.

Read: brushes, polygons, rectangles and ellipses of the newest annotation that was not cancelled, else of the newest
prediction. Written: brushes, or polygons where they are asked for and an object is one outline; scored objects are
predictions. Image addresses are written for local storage (``/data/local-files/?d=FOLDER/NAME``), which serves no
image that lies in its root itself; the name alone is in ``file_name``.
Source: https://labelstud.io/guide/export and https://labelstud.io/guide/predictions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np

from maskweave.annotations.base import Format, Put
from maskweave.annotations.json_stream import json_outline, read_json, stream_lists
from maskweave.annotations.options import Options
from maskweave.annotations.outlines import Outline, outlines
from maskweave.annotations.places import checked_size, ends_of, find_image, own_name, safe_name, sized
from maskweave.annotations.record import Record
from maskweave.annotations.report import DAMAGE, Report
from maskweave.annotations.segmentation import rectangle
from maskweave.annotations.shapes import Shape, ShapeList, box_corners, ellipse, turned
from maskweave.annotations.text_files import JsonList, text_file
from maskweave.annotations.values import number, score, shown
from maskweave.errors import BadRecord
from maskweave.ops.brush_rle import decode_brush, encode_brush
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.sources.kinds import IMAGE_SUFFIXES
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks

_KINDS = ("brush", "polygon", "rectangle", "ellipse")
_UNREAD = ("keypoint", "video", "videorectangle", "bitmask", "vector", "magicwand")
"""Regions that are not read."""
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that was uploaded."""
_RESULTS = {"annotations", "predictions", "completions"}
_SHORT = {"id", "annotator"}
"""Keys of a task in the form JSON-MIN."""
_LOCAL = "/data/local-files/?d="
_NAME = "file_name"
"""Where a task that we wrote has the image's name, whatever its address is."""
_DIGITS = 8
"""Of coordinates in percent: far finer than a pixel, and free of rounding errors when read back."""


def detect(path: Path) -> str | None:
    """A JSON list whose first task has data and results, or is of the short form; or one task alone."""
    outline = json_outline(path)
    for keys, what in (
        (outline.inner.get("", frozenset()), "a JSON list of Label Studio's tasks"),
        (frozenset() if outline.fault else outline.keys, "a task of Label Studio"),
    ):
        if ("data" in keys and keys & _RESULTS) or keys >= {"task", "result"}:
            return what
        if keys >= _SHORT:
            return f"{what} in the short form (JSON-MIN)"
    return None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each task with an image."""
    alone = json_outline(path).keys
    tasks = [read_json(path, need="a task")] if alone else (task for _, task in stream_lists(path, ()))
    for count, task in enumerate(tasks, start=1):
        yield from report.made(f"task {count}", partial(_record, task, path, options, report))


def _record(task: Any, path: Path, options: Options, report: Report) -> Record:
    task = _full_form(task)
    if not isinstance(task.get("data"), dict):
        raise BadRecord("need a task with data")
    data = task["data"]
    name = image_name(data)
    image, name = _image(name, options.images, path.parent)
    results, given = _results(task, report)
    size = _size(data, results, image)
    # regions of a control without labels have theirs in a result of the same id
    labels = {result.get("id"): own for result in results if (own := _labels_of(result))}
    objects = ShapeList(size)
    for place, result in enumerate(results, start=1):
        try:
            kind = str(result.get("type", "")).removesuffix("labels")
            own = _labels_of(result) or labels.get(result.get("id"), [])
            if kind in _KINDS:
                mask = _mask(kind, result["value"], size)
                _check_upright(result)
                sure = given if result.get("score") is None else result["score"]
                objects.add(Shape(own[0] if own else "object", mask, None if sure is None else score(sure)))
                report.leave_out("further labels of regions", len(own) - 1 if own else 0)
            elif kind in _UNREAD:
                raise BadRecord(
                    f"need a {', '.join(_KINDS[:-1])} or {_KINDS[-1]}, got a {kind}, which is not read"
                )
            elif kind != "":  # "labels" of regions are read with them
                report.leave_out(f"results of the type {kind}")
        except DAMAGE as error:
            report.problem(f"{name}, result {place}", error)
    return Record(name, **objects.columns(), image=image)


def _full_form(task: Any) -> Mapping[str, Any]:
    """A task with data and annotations, also of an annotation that holds its task, or of the short form."""
    if not isinstance(task, dict):
        raise BadRecord(f"need a task with data, got {shown(task)}")
    if isinstance(task.get("task"), dict) and isinstance(task.get("result"), list):
        return {**task["task"], "annotations": [task]}
    if "data" in task or not task.keys() >= _SHORT:
        return task
    lists = (
        [each for each in value if isinstance(each, dict)]
        for value in task.values()
        if isinstance(value, list)
    )
    results = [
        {**value, "id": number, "type": _kind_of(value), "value": value}
        for number, value in enumerate(value for values in lists for value in values)
    ]
    return {"data": task, "annotations": [{"result": results}]}


def _kind_of(value: Mapping[str, Any]) -> str:
    """The type of a value in the short form, by its keys."""
    signs = {"rle": "brush", "points": "polygon", "radiusX": "ellipse", "width": "rectangle"}
    named = [key for key in value if key.endswith("labels") and key != "labels"]
    return next(iter(named), "") or next((kind for key, kind in signs.items() if key in value), "choices")


def _check_upright(result: Mapping[str, Any]) -> None:
    if number(result.get("image_rotation"), "image_rotation", 0.0) % 360:
        raise BadRecord("need a region of the image as it is, got one drawn on it while it was rotated")


def image_name(data: Mapping[str, Any]) -> str:
    """The checked name of a task's image out of its address; raises `BadRecord` where it has none.

    >>> image_name({"image": "/data/local-files/?d=photos/a%20b.jpg"})
    'photos/a b.jpg'
    """
    if isinstance(data.get(_NAME), str):  # as we write it
        return own_name(data[_NAME])
    addresses = [(key, *_place_of(value)) for key, value in data.items() if isinstance(value, str)]
    images = [each for each in addresses if Path(each[1]).suffix.lower() in IMAGE_SUFFIXES]
    images += [each for each in addresses if each[0] in ("image", "img")]
    for _, name, away in images:
        return safe_name(name.rpartition("/")[2] if away else name)
    raise BadRecord("need the address of an image in the task's data, got none")


def _place_of(address: str) -> tuple[str, bool]:
    """The path of an address, and whether it begins at the root of another machine."""
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    name = local[0] if local else unquote(parts.path)
    return name, not local and bool(parts.scheme or name.startswith("/"))


def _image(name: str, *folders: Path | None) -> tuple[Path | None, str]:
    """The image of a task and its name: where found, that of the file before its upload, or the end of a path."""
    folder, _, last = name.rpartition("/")
    for each in dict.fromkeys(
        (name, f"{folder}/{_UPLOADED.sub('', last)}".lstrip("/"), *ends_of(f"/{name}"))
    ):
        if each[0] != "/" and (found := find_image(each, *folders)) is not None:
            return found, each
    return None, name


def _results(task: Mapping[str, Any], report: Report) -> tuple[list[Mapping[str, Any]], Any]:
    """The results that count, and the score that they have where they have none of their own."""
    for key, default in (("annotations", None), ("completions", None), ("predictions", 1.0)):
        found = [each for each in task.get(key) or () if isinstance(each, dict) and _counts(each)]
        if found:
            report.leave_out(f"older {key}", len(found) - 1)
            given = found[-1].get("score", default) if default is not None else None
            return [result for result in found[-1]["result"] if isinstance(result, dict)], given
    return [], None


def _counts(annotation: Mapping[str, Any]) -> bool:
    return not annotation.get("was_cancelled") and isinstance(annotation.get("result"), list)


def _size(data: Mapping[str, Any], results: Sequence[Mapping[str, Any]], image: Path | None) -> Size:
    for result in results:
        if result.get("original_height") is not None:
            return checked_size(result["original_height"], result.get("original_width"))
    return sized(data.get("height"), data.get("width"), image)


def _labels_of(result: Mapping[str, Any]) -> list[str]:
    """The labels that a result has itself."""
    value = result.get("value")
    for key, labels in value.items() if isinstance(value, dict) else ():
        if key.endswith("labels") and isinstance(labels, list) and labels and isinstance(labels[0], str):
            return labels
    return []


def _mask(kind: str, value: Mapping[str, Any], size: Size) -> Masks:
    """One region as `Masks` of length 1."""
    if kind == "brush":
        if value.get("format", "rle") != "rle":
            raise BadRecord(f"need a brush as rle, got {value.get('format')!r}")
        return Masks.from_dense(decode_brush(value["rle"], size)[None])
    if kind == "polygon":
        return fill_polygons([Polygon(_pixels(value["points"], size))], size)
    numbers = {key: number(value.get(key), key, 0.0) for key in ("x", "y", "width", "height", "rotation")}
    if kind == "rectangle" and not numbers["rotation"]:
        corner, extent = (numbers["x"], numbers["y"]), (numbers["width"], numbers["height"])
        (x, y), (width, height) = _pixels([corner, extent], size)
        return rectangle((x, y, x + width, y + height), size)
    return fill_polygons([Polygon(_drawn(kind, value, numbers["rotation"], size))], size)


def _drawn(kind: str, value: Mapping[str, Any], rotation: float, size: Size) -> FloatArray:
    """The outline of an ellipse, or of a rectangle that is turned about its first corner."""
    ((x, y),) = _pixels([(value["x"], value["y"])], size)
    if kind == "ellipse":
        (radii,) = _pixels([(value["radiusX"], value["radiusY"])], size)
        return turned(ellipse((x, y), radii), (x, y), rotation)
    ((width, height),) = _pixels([(value["width"], value["height"])], size)
    return turned(box_corners(x, y, x + width, y + height), (x, y), rotation)


def _pixels(points: Any, size: Size) -> FloatArray:
    """(P, 2) points in pixels of points in percent."""
    shares = np.asarray(points, dtype=np.float64)
    if shares.ndim != 2 or shares.shape[1] != 2 or not np.isfinite(shares).all():
        raise BadRecord("need finite points x, y in percent, got others")
    pixels: FloatArray = np.round(shares * (size[1], size[0]) / 100, 5)
    return pixels


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write a task for each record, with one annotation, or one prediction where objects have scores."""
    with text_file(path, options) as file:
        tasks = JsonList(file, begin="[")
        yield lambda record: tasks.add(_task(record, options, report), marked=True)
        tasks.finish("\n")


def _task(record: Record, options: Options, report: Report) -> dict[str, Any]:
    height, width = record.size
    instances = record.instances
    scored = options.model is not None or bool((instances.scores != 1).any())
    drawn = outlines(instances.masks, options, report) if options.masks == "polygons" else None
    results = [
        result_of(instances[row], str(row + 1), outline=None if drawn is None else drawn[row], scored=scored)
        for row in range(len(instances))
    ]
    model = options.model or "MaskWeave"
    return {
        "data": {**_image_data(record, options), "width": width, "height": height},
        "annotations": [] if scored else [{"result": results}],
        "predictions": [{"model_version": model, "result": results}] if scored else [],
    }


def _image_data(record: Record, options: Options) -> dict[str, str]:
    """The address of an image below the folder that its data set lies in, where that is known, and its name."""
    name = record.image_name if record.video else record.file_name
    path = record.image or (Path(options.source) if options.source else None)
    folder = ""
    if path is not None and path.as_posix().endswith(f"/{name}"):
        folder = Path(path.as_posix().removesuffix(name)).resolve().name
    return {"image": f"{_LOCAL}{quote(f'{folder}/{name}'.lstrip('/'))}", _NAME: name}


def result_of(
    instance: Instances,
    key: str,
    *,
    outline: Outline | None = None,
    scored: bool = True,
    control: Mapping[str, str] | None = None,
    label: str | None = None,
    image: str = "image",
) -> dict[str, Any]:
    """One object as a region: a polygon where its ``outline`` is given and is one ring, else a brush.

    ``control``: the names of the controls for "brushlabels" and "polygonlabels". ``label``: other than the class.
    """
    height, width = instance.size
    single = outline is not None and len(outline.polygons) == 1 and not outline.has_holes
    kind = "polygonlabels" if single else "brushlabels"
    value: dict[str, Any] = {kind: [label or instance.names[0]]}
    if single and outline is not None:
        points = outline.polygons[0].exterior * 100 / (width, height)
        value |= {"points": np.round(points, _DIGITS).tolist(), "closed": True}
    else:
        value |= {"format": "rle", "rle": encode_brush(instance.masks.union())}
    return {
        "id": key,
        "type": kind,
        "from_name": (control or {}).get(kind, "label"),
        "to_name": image,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
        **({"score": round(float(instance.scores[0]), 6)} if scored else {}),
    }


FORMAT = Format(
    name="label-studio",
    title="Label Studio tasks",
    layout="one `.json`",
    holds=frozenset(
        {"overlaps", "holes", "parts", "scores", "class names", "empty images", "file names"},
    ),
    detect=detect,
    read=read,
    write=write,
    suffix=".label-studio.json",
    media_type="application/json",
    videos=False,
)
