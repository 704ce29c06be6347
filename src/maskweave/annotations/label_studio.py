"""Label Studio: a JSON list of tasks, each with an image and the results of people or models.

Read: brushes, polygons, rectangles and ellipses of the newest annotation that was not cancelled, else of the newest
prediction. Written: brushes, or polygons where they are asked for and an object is one outline; scored objects are
predictions. Image addresses are written for local storage (``/data/local-files/?d=FOLDER/NAME``), which serves no
image that lies in its root itself; the name alone is in ``file_name``.
Source: https://labelstud.io/guide/export and https://labelstud.io/guide/predictions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np

from maskweave.annotations.base import Format, Put
from maskweave.annotations.json_stream import json_outline, stream_lists
from maskweave.annotations.options import Options
from maskweave.annotations.outlines import Outline, outlines
from maskweave.annotations.places import checked_size, find_image, safe_name, sized
from maskweave.annotations.record import Record
from maskweave.annotations.report import DAMAGE, Report
from maskweave.annotations.segmentation import rectangle
from maskweave.annotations.values import number, score
from maskweave.errors import BadRecord, InvalidValue
from maskweave.files import atomic_file
from maskweave.ops.brush_rle import decode_brush, encode_brush
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.sources.kinds import IMAGE_SUFFIXES
from maskweave.types.arrays import FloatArray, Size
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks, concatenate

_KINDS = ("brush", "polygon", "rectangle", "ellipse")
_ELLIPSE_POINTS = 72
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that was uploaded."""
_LOCAL = "/data/local-files/?d="
_NAME = "file_name"
"""Where a task that we wrote has the image's name, whatever its address is."""
_DIGITS = 8
"""Of coordinates in percent: far finer than a pixel, and free of rounding errors when read back."""


def detect(path: Path) -> str | None:
    """A JSON list whose first task has data, and annotations or predictions."""
    keys = json_outline(path).inner.get("", frozenset())
    known = "data" in keys and bool(keys & {"annotations", "predictions"})
    return "a JSON list of Label Studio's tasks" if known else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each task with an image."""
    for count, (key, task) in enumerate(stream_lists(path, ()), start=1):
        if key != "":
            raise InvalidValue(f"{path}: need a list of tasks, got an object")
        record = report.attempt(f"task {count}", partial(_record, task, path, options, report))
        if record is not None:
            yield record


def _record(task: Any, path: Path, options: Options, report: Report) -> Record:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise BadRecord("need a task with data")
    data = task["data"]
    name = image_name(data)
    image, name = _image(name, options.images, path.parent)
    results, scored = _results(task)
    size = _size(data, results, image)
    labels = _labels_by_id(results)
    rows: list[tuple[str, Masks, float]] = []
    for place, result in enumerate(results, start=1):
        try:
            kind = str(result.get("type", "")).removesuffix("labels")
            if kind in _KINDS:
                label = labels.get(result.get("id"), "object")
                rows.append((label, _mask(kind, result["value"], size), score(result.get("score"))))
        except DAMAGE as error:
            report.problem(f"{name}, result {place}", error)
    names = tuple(dict.fromkeys(label for label, _, _ in rows))
    masks = concatenate([Masks.empty(size), *(mask for _, mask, _ in rows)])
    instances = Instances(
        masks=masks,
        boxes=masks.boxes,
        scores=np.array([sure for _, _, sure in rows]),
        class_ids=np.array([names.index(label) for label, _, _ in rows], dtype=np.int64),
        class_names=names,
    )
    return Record(name, instances, image=image, scored=scored)


def image_name(data: Mapping[str, Any]) -> str:
    """The checked name of a task's image out of its address; raises `BadRecord` where it has none.

    >>> image_name({"image": "/data/local-files/?d=photos/a%20b.jpg"})
    'photos/a b.jpg'
    """
    for address in (data.get(_NAME), *data.values()):
        if not isinstance(address, str):
            continue
        parts = urlsplit(address)
        local = parse_qs(parts.query).get("d")
        name = local[0] if local else unquote(parts.path)
        if Path(name).suffix.lower() in IMAGE_SUFFIXES:
            away = not local and (parts.scheme or name.startswith("/"))
            return safe_name(name.rpartition("/")[2] if away else name)
    raise BadRecord("need the address of an image in the task's data, got none")


def _image(name: str, *folders: Path | None) -> tuple[Path | None, str]:
    """The image of a task and its name: if not found, as it was called before an upload, or in its folder."""
    for each in dict.fromkeys((name, _UPLOADED.sub("", name), name.partition("/")[2])):
        if each and (found := find_image(each, *folders)) is not None:
            return found, each
    return None, name


def _results(task: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], bool]:
    """The results that count, and whether a model scored them."""
    for key, scored in (("annotations", False), ("predictions", True)):
        for each in reversed(task.get(key) or ()):
            if (
                isinstance(each, dict)
                and not each.get("was_cancelled")
                and isinstance(each.get("result"), list)
            ):
                return [result for result in each["result"] if isinstance(result, dict)], scored
    return [], False


def _size(data: Mapping[str, Any], results: Sequence[Mapping[str, Any]], image: Path | None) -> Size:
    for result in results:
        if result.get("original_height") is not None:
            return checked_size(result["original_height"], result.get("original_width"))
    return sized(data.get("height"), data.get("width"), image)


def _labels_by_id(results: Sequence[Mapping[str, Any]]) -> dict[object, str]:
    """The label of each region; regions of a control without labels have theirs in a result of the same id."""
    found: dict[object, str] = {}
    for result in results:
        value = result.get("value")
        for key, labels in value.items() if isinstance(value, dict) else ():
            if key.endswith("labels") and isinstance(labels, list) and labels and isinstance(labels[0], str):
                found[result.get("id")] = labels[0]
    return found


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
    return fill_polygons([Polygon(_round_shape(kind, value, numbers["rotation"], size))], size)


def _round_shape(kind: str, value: Mapping[str, Any], rotation: float, size: Size) -> FloatArray:
    """The outline of an ellipse, or of a rectangle that is turned about its first corner; degrees clockwise."""
    ((x, y),) = _pixels([(value["x"], value["y"])], size)
    if kind == "ellipse":
        ((width, height),) = _pixels([(value["radiusX"], value["radiusY"])], size)
        angles = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)
        own = np.stack([width * np.cos(angles), height * np.sin(angles)], axis=1)
    else:
        ((width, height),) = _pixels([(value["width"], value["height"])], size)
        own = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    turn = np.deg2rad(rotation)
    axes = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    points: FloatArray = own @ axes + (x, y)
    return points


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
    with (
        atomic_file(path, only_own=not options.overwrite) as part,
        part.open("w", encoding="utf-8") as file,
    ):
        file.write("[")
        separator = "\n"

        def put(record: Record) -> None:
            nonlocal separator
            mark = {"written_by": "MaskWeave"} if separator == "\n" else {}  # by which it may be replaced
            file.write(separator + json.dumps(mark | _task(record, options, report)))
            separator = ",\n"

        yield put
        file.write("\n]\n")


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
