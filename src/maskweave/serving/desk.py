"""What a worker does: each kind of work is one method, which reads a file and writes one.

Work names files in the folder that the server made for the request, never a path of the user's.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from maskweave.api import Result, Segmenter, load
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.outputs import choose_formats, make_writers
from maskweave.outputs.background import TRANSPARENT, parse_background
from maskweave.outputs.base import Target
from maskweave.outputs.overlay import OverlayStyle, draw_overlay
from maskweave.outputs.pictures import encode_masks_picture, encode_picture
from maskweave.pipeline import Report, Wish, write_results
from maskweave.serving.media import media_type
from maskweave.serving.pointing import corrected_object, object_at
from maskweave.sources.images import ImageSource
from maskweave.tracking.counting import Counter, parse_line, parse_zone
from maskweave.types.arrays import Image, Mask, Size
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Task
from maskweave.types.prompt import Point
from maskweave.types.semantic import SemanticMap
from maskweave.video import follow_frames

Message: TypeAlias = dict[str, Any]
Say: TypeAlias = Callable[[Message], None]

_MOST_MODELS = 2
"""Models that a process keeps loaded."""
_TELL_EVERY = 0.25
"""Seconds between two words on a video's progress."""


class Desk:
    """One process's tools: the models that it has loaded, and its limits."""

    def __init__(self, options: Message) -> None:
        self._options = options
        self._models: OrderedDict[str, Segmenter] = OrderedDict()
        self._default = self._model(None)

    def introduction(self) -> Message:
        """What the server tells of the model that answers by default."""
        model = self._default.model
        return {
            "model": model.name,
            "task": model.task,
            "classes": list(model.class_names),
            "promptable": model.needs_prompt,
        }

    def do(self, work: Message, say: Say) -> Message:
        """Do one piece of work; ``say`` tells progress. Raises `MaskWeaveError`."""
        kinds: dict[str, Callable[[Message, Say], Message]] = {
            "segment": self._segment,
            "refine": self._refine,
            "export": self._export,
            "video": self._video,
        }
        try:
            return kinds[work["kind"]](work, say)
        except MaskWeaveError as error:  # where the files lie is the server's business
            told = str(error).replace(work["file"], "video").replace(f"{work['folder']}/", "")
            error.args = (told,)
            raise

    def _model(self, name: str | None) -> Segmenter:
        """A loaded model by name (None: the default one); the least used of too many is closed."""
        wanted = self._options["model"] if name is None else name
        if wanted not in self._models:
            self._models[wanted] = load(wanted, threads=self._options["threads"], offline=True)
        self._models.move_to_end(wanted)
        while len(self._models) > _MOST_MODELS:
            oldest = next(each for each in self._models if each != self._options["model"])
            self._models.pop(oldest).close()
        return self._models[wanted]

    def _image(self, work: Message) -> Frame:
        source = ImageSource(
            Path(work["file"]), "image", max_pixels=self._options["max_pixels"], label="image"
        )
        (frame,) = source
        return Frame(frame.image, source="image")

    def _segment(self, work: Message, say: Say) -> Message:
        segmenter = self._model(work["model"])
        task: Task = work["task"] or segmenter.model.task
        Wish(task, work["score"], work["classes"]).check(segmenter.model)
        frame = self._image(work)
        started = time.perf_counter()
        result = segmenter(
            frame.image, score=work["score"], classes=work["classes"], task=task, every_class=False
        )
        seconds = time.perf_counter() - started
        if work["accept"] == "image/png":
            data = encode_masks_picture(result.prediction, task)
        elif work["accept"] == "image/jpeg":
            data = encode_picture(draw_overlay(result.image, result.prediction, OverlayStyle()), ".jpg")
        else:
            data = json.dumps(_document(result, segmenter, task, seconds)).encode()
        _write(work, data)
        return {"media_type": work["accept"], "objects": _count(result), "seconds": seconds}

    def _refine(self, work: Message, say: Say) -> Message:
        """A new object from a box or points, or a given mask corrected by points."""
        image = self._image(work).image
        mask = self._meant(image, work)
        masks = Masks.from_dense(mask[None])
        (rle,) = encode_masks(masks)
        found = {"area": int(masks.areas[0]), "box": masks.boxes[0].tolist(), "rle": rle}
        _write(work, json.dumps({"object": found}).encode())
        return {"media_type": "application/json"}

    def _meant(self, image: Image, work: Message) -> Mask:
        size = (image.shape[0], image.shape[1])
        points = tuple(Point(x, y, bool(inside)) for x, y, inside in work["points"])
        _check_points(points, size)
        segmenter = self._model(work["model"])
        if work["rle"] is None:
            return object_at(segmenter, image, box=work["box"], points=points)
        (mask,) = decode_masks([work["rle"]], size).dense()
        return corrected_object(segmenter, image, mask, points)

    def _export(self, work: Message, say: Say) -> Message:
        """Objects that a user kept or corrected, in one of the formats for pictures."""
        frame = self._image(work)
        instances = _instances(work["objects"], frame)
        target = Target(
            Path(work["folder"]),
            ImageSource(frame.image, "image").info,
            "instances",
            instances.class_names,
            model=self._default.name,
            style=OverlayStyle(**work["style"]),
            background=TRANSPARENT if work["background"] is None else parse_background(work["background"]),
        )
        formats = choose_formats([work["format"]], kind="image", task="instances")
        report = write_results([(frame, instances)], writers=make_writers(formats, target))
        path = _one_file(report.paths[0])
        return {"name": path.name, "media_type": media_type(path.name)}

    def _video(self, work: Message, say: Say) -> Message:
        from maskweave.sources.video import VideoSource  # PyAV takes a third of a second to load

        with VideoSource(work["file"], "video", max_pixels=self._options["max_pixels"]) as source:
            report = self._followed(source, work, say)
            warnings = source.warnings + report.warnings
        files = [_one_file(each) for each in report.paths]
        results = [
            {"name": each.name, "media_type": media_type(each.name), "bytes": each.stat().st_size}
            for each in files
        ]
        return {"frames": report.frames, "results": results, "warnings": warnings}

    def _followed(self, source: Any, work: Message, say: Say) -> Report:
        info, options = source.info, self._options
        segmenter = self._model(work["model"])
        task = work["task"] or segmenter.model.task
        if (info.frame_count or 0) > options["max_frames"]:
            raise _too_long(f"{options['max_frames']} frames", f"{info.frame_count} frames")
        if (info.duration or 0) > options["max_seconds"]:
            raise _too_long(f"{options['max_seconds']:g} seconds", f"{info.duration:.0f} seconds")
        say({"frames": 0, "frames_total": info.frame_count})
        formats = choose_formats(work["save"], kind="video", task=task)
        target = Target(Path(work["folder"]), info, task, segmenter.class_names, model=segmenter.name)
        results = follow_frames(
            _within(source, options["max_frames"], options["max_seconds"]),
            segmenter.model,
            Wish(task, work["score"], work["classes"], every_class=False),
            counter=_counter(work["lines"], work["zones"], task),
            every=work["every"],
        )
        writers = make_writers(formats, target)
        return write_results(results, writers=writers, progress=_progress(say, info.frame_count))


def _document(result: Result, segmenter: Segmenter, task: Task, seconds: float) -> Message:
    """The answer as JSON."""
    prediction = result.prediction
    return {
        "model": segmenter.name,
        "task": task,
        "size": list(result.frame.size),
        "seconds": round(seconds, 4),
        "default_score": round(segmenter.model.default_score, 4),
        "class_names": list(prediction.class_names),
        "objects": _objects(prediction) if isinstance(prediction, Instances) else _regions(prediction),
    }


def _check_points(points: tuple[Point, ...], size: Size) -> None:
    for point in points:
        if not (0 <= point.x < size[1] and 0 <= point.y < size[0]):
            raise InvalidValue(f"points: need them within {size[1]}x{size[0]}, got {point.x:g},{point.y:g}")


def _count(result: Result) -> int:
    return len(result.prediction) if isinstance(result.prediction, Instances) else 0


def _objects(instances: Instances) -> list[Message]:
    columns = zip(
        instances.names,
        instances.scores.tolist(),
        instances.masks.areas.tolist(),
        instances.boxes.tolist(),
        encode_masks(instances.masks),
        strict=True,
    )
    return [
        {"id": number, "class": name, "score": round(score, 5), "area": area, "box": box, "rle": rle}
        for number, (name, score, area, box, rle) in enumerate(columns, start=1)
    ]


def _regions(semantic: SemanticMap) -> list[Message]:
    """One entry for each class that is seen, but the background."""
    names = [name for name in semantic.present() if name != "background"]
    dense = np.array([semantic.mask(name) for name in names], dtype=bool).reshape(-1, *semantic.size)
    masks = Masks.from_dense(dense)
    columns = zip(names, masks.areas.tolist(), masks.boxes.tolist(), encode_masks(masks), strict=True)
    return [
        {"id": number, "class": name, "score": None, "area": area, "box": box, "rle": rle}
        for number, (name, area, box, rle) in enumerate(columns, start=1)
    ]


def _instances(objects: list[Message], frame: Frame) -> Instances:
    """The objects of a request; ids other than 1, 2, 3, … are kept as track ids, which pictures of ids then show."""
    masks = decode_masks([each["rle"] for each in objects], frame.size)
    names = tuple(dict.fromkeys(each["class"] for each in objects)) or ("object",)
    ids = [each["id"] for each in objects]
    if len(set(ids)) < len(ids):
        raise InvalidValue("objects: need an id of its own for each, got one twice")
    return Instances(
        masks,
        masks.boxes,
        np.array([1.0 if each["score"] is None else each["score"] for each in objects]),
        np.array([names.index(each["class"]) for each in objects], dtype=np.int64),
        names,
        track_ids=None if ids == list(range(1, len(ids) + 1)) else np.array(ids, dtype=np.int64),
    )


def _counter(lines: list[str], zones: list[str], task: str) -> Counter | None:
    if not lines and not zones:
        return None
    if task != "instances":
        raise InvalidValue(f"line and zone: need task=instances, got {task}: they count objects")
    return Counter(
        [parse_line(text, number=number) for number, text in enumerate(lines, start=1)],
        [parse_zone(text, number=number) for number, text in enumerate(zones, start=1)],
    )


def _too_long(most: str, got: str) -> InvalidValue:
    return InvalidValue(f"video: need at most {most}, got {got}; send a part of it")


def _within(frames: Iterable[Frame], most: int, seconds: float) -> Iterator[Frame]:
    """The frames, until there are more than the header said or allowed: then `InvalidValue`."""
    begin: Fraction | None = None
    for frame in frames:
        begin = frame.time if begin is None else begin
        if frame.index >= most:
            raise _too_long(f"{most} frames", "more")
        if frame.time - begin > seconds:
            raise _too_long(f"{seconds:g} seconds", "more")
        yield frame


def _progress(say: Say, total: int | None) -> Callable[[Frame], None]:
    told = time.monotonic()

    def moved(frame: Frame) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY:
            told = time.monotonic()
            say({"frames": frame.index + 1, "frames_total": total})

    return moved


def _write(work: Message, data: bytes) -> None:
    Path(work["answer"]).write_bytes(data)


def _one_file(path: Path) -> Path:
    """The file itself, or a zip of a folder."""
    if not path.is_dir():
        return path
    packed = Path(shutil.make_archive(str(path), "zip", root_dir=path.parent, base_dir=path.name))
    shutil.rmtree(path)
    return packed
