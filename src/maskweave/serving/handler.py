"""A worker's handler of requests: each kind of work is one method, which reads a file and writes one.

Work names files in the folder that the server made for the request, never a path of the user's.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from maskweave.api import Segmenter, load
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.networks import in_tiles
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.options import Request
from maskweave.outputs import choose_formats, make_writers
from maskweave.outputs.images import encode_image, encode_mask_image
from maskweave.result import Result
from maskweave.run import OnResult, check, formats_for, run, stream, target_for, task_for, write
from maskweave.run_report import RunReport
from maskweave.serving.archives import one_file
from maskweave.serving.label_files import export_labels, read_labels, revise_labels
from maskweave.serving.media import media_type
from maskweave.serving.objects import objects_of
from maskweave.serving.pointing import object_at
from maskweave.serving.preview import Preview
from maskweave.serving.track_files import drawn, export_tracks
from maskweave.sources.base import check_budget
from maskweave.sources.filtered import FilteredSource
from maskweave.sources.images import ImageSource
from maskweave.sources.open_image import one_frame, open_image
from maskweave.stages import StageClock
from maskweave.types.arrays import Image, IntArray, Mask, Size
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Task
from maskweave.types.prompt import Point
from maskweave.types.result import FrameResult

Message: TypeAlias = dict[str, Any]
Notify: TypeAlias = Callable[[Message], None]
Receive: TypeAlias = Callable[[float | None], Message | None]
"""Waits up to so many seconds (None: as long as it takes) for the next thing said; None where nothing was."""

_MAX_MODELS = 2
"""Models that a process keeps loaded."""
_NOTIFY_SECONDS = 0.25
"""Seconds between two reports of a video's progress."""


class RequestHandler:
    """What one process does its work with: the models that it has loaded, and its limits.

    ``receive``: what is said to work that is being done, see `live_work`.
    """

    def __init__(self, options: Message, receive: Receive) -> None:
        self._options = options
        self._receive = receive
        self._models: OrderedDict[str, Segmenter] = OrderedDict()
        self._decoded: tuple[bytes, Image] | None = None
        self._default = self._model(None)

    def introduction(self) -> Message:
        """What the server knows of the model that answers by default."""
        model = self._default.model
        return {
            "model": model.name,
            "task": model.task,
            "classes": list(model.class_names),
            "promptable": model.needs_prompt,
        }

    def do(self, work: Message, notify: Notify) -> Message:
        """Do one piece of work; ``notify`` is called with its progress. Raises `MaskWeaveError`."""
        kinds: dict[str, Callable[[Message, Notify], Message]] = {
            "segment": self._segment,
            "refine": self._refine,
            "export": self._export,
            "video": self._video,
            "live": self._live,
            "draw": self._draw,
            "read": read_labels,
            "revise": revise_labels,
            "labels": export_labels,
            "tracks": export_tracks,
        }
        try:
            return kinds[work["kind"]](work, notify)
        except MaskWeaveError as error:  # where the files lie is the server's business
            words = {
                "video": "video",
                "draw": "video",
                "live": "frame",
                "read": "labels",
                "revise": "labels",
                "labels": "labels",
                "tracks": "tracks",
            }
            word = words.get(work["kind"], "image")
            error.args = (str(error).replace(work["file"], word).replace(f"{work['folder']}/", ""),)
            raise

    def _model(self, name: str | None) -> Segmenter:
        """A loaded model by name (None: the default one); the least used of too many is closed."""
        wanted = self._options["model"] if name is None else name
        if wanted not in self._models:
            self._models[wanted] = load(wanted, threads=self._options["threads"], offline=True)
        self._models.move_to_end(wanted)
        while len(self._models) > _MAX_MODELS:
            oldest = next(each for each in self._models if each != self._options["model"])
            self._models.pop(oldest).close()
        return self._models[wanted]

    def _image(self, work: Message) -> Frame:
        """The image, which stays decoded until another comes: whoever corrects one asks about it many times."""
        path = Path(work["file"])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        if self._decoded is None or self._decoded[0] != digest:
            self._decoded = None
            (frame,) = ImageSource(path, "image", max_pixels=self._options["max_pixels"], label="image")
            self._decoded = digest, frame.image
        return Frame(self._decoded[1], source="image")

    def _request(self, work: Message, **changes: Any) -> Request:
        """The options of a piece of work; networks that it needs besides the model are run like the model."""
        request = Request.of(
            **{**work["options"], **changes, "threads": self._options["threads"], "offline": True}
        )
        return replace(request, segment=replace(request.segment, multi_label=False))

    def _segment(self, work: Message, notify: Notify) -> Message:
        segmenter, request, clock = self._model(work["model"]), self._request(work), StageClock()
        model = in_tiles(segmenter.model, request.model)
        check(request, model)
        opened = open_image(
            Path(work["file"]),
            "image",
            max_pixels=self._options["max_pixels"],
            raster_options=request.raster_options,
        )
        with one_frame(opened) as source:
            (found,) = stream(source, model, request, clock=clock)
        result = Result(found.frame, found.prediction, model=segmenter.name)
        task = task_for(request, model)
        seconds = sum(clock.seconds.values()) - clock.seconds["decode"]
        if work["accept"] == "image/png":
            data = encode_mask_image(result.prediction, task)
        elif work["accept"] == "image/jpeg":
            data = encode_image(result.overlay(request.output.style), ".jpg")
        else:
            data = json.dumps(_document(result, segmenter, task, seconds)).encode()
        _write(work, data)
        return {"media_type": work["accept"], "objects": _count(result), "seconds": seconds}

    def _refine(self, work: Message, notify: Notify) -> Message:
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
        return segmenter.model.correct(image, mask, points)

    def _export(self, work: Message, notify: Notify) -> Message:
        """Objects that a user kept or corrected, in one of the formats for images."""
        frame = replace(self._image(work), file_name=work["name"])
        instances = _instances(work["objects"], frame)
        request, model = self._request(work, output=work["folder"]), self._default.model
        info = ImageSource(frame.image, "image").info
        target = replace(target_for(request, info, model), class_names=instances.class_names)
        report = write(
            [FrameResult(frame, instances)], make_writers(formats_for(request, info, model), target)
        )
        path = one_file(report.paths[0])
        return {"name": path.name, "media_type": media_type(path.name)}

    def _video(self, work: Message, notify: Notify) -> Message:
        from maskweave.sources.video import VideoSource  # PyAV takes a third of a second to load

        segmenter, masks = self._model(work["model"]), self._marks(work["masks"])
        request = self._request(work, output=work["folder"], mask=masks or None)
        max_frames, max_seconds = self._options["max_frames"], self._options["max_seconds"]
        with VideoSource(work["file"], "video", max_pixels=self._options["max_pixels"]) as video:
            _check_length(video.info, max_frames, max_seconds)
            notify({"frames": 0, "frames_total": video.info.frame_count})
            frames = partial(_within, max_frames=max_frames, max_seconds=max_seconds, name=work["name"])
            with Preview(Path(work["folder"]), video.info.start) as preview:
                report = run(
                    FilteredSource(video, frames),
                    in_tiles(segmenter.model, request.model),
                    request,
                    progress=_progress(notify, video.info.frame_count, preview if work["preview"] else None),
                )
        return _finished(report)

    def _draw(self, work: Message, notify: Notify) -> Message:
        """The files of a video anew, from tracks that a person corrected."""
        from maskweave.sources.video import VideoSource

        request, model = self._request(work, output=work["folder"]), self._default.model
        max_frames, max_seconds = self._options["max_frames"], self._options["max_seconds"]
        with VideoSource(work["file"], "video", max_pixels=self._options["max_pixels"]) as video:
            _check_length(video.info, max_frames, max_seconds)
            frames = _within(video, max_frames=max_frames, max_seconds=max_seconds, name=work["name"])
            formats = choose_formats(request.output.save, kind="video", task="instances")
            target = replace(target_for(request, video.info, model), task="instances")
            report = write(
                drawn(frames, Path(work["tracks"])),
                make_writers(formats, target),
                progress=_progress(notify, video.info.frame_count, None),
            )
        return _finished(report)

    def _live(self, work: Message, notify: Notify) -> Message:
        from maskweave.serving.live_work import LiveWork

        segmenter, request = self._model(work["model"]), self._request(work)
        request = replace(request, source=replace(request.source, max_pixels=self._options["max_pixels"]))
        return LiveWork(segmenter, request, work, notify=notify, receive=self._receive).run()

    def _marks(self, frames: list[Message]) -> dict[int, IntArray]:
        """The id maps of a request, by the numbers of their frames; a later object lies over those before it."""
        maps: dict[int, IntArray] = {}
        for each in frames:
            height, width = each["objects"][0]["rle"]["size"]
            check_budget(
                width, height, max_pixels=self._options["max_pixels"], label=f"frame {each['frame']}"
            )
            masks = decode_masks([marked["rle"] for marked in each["objects"]], (height, width))
            ids = maps[each["frame"]] = np.zeros((height, width), np.int64)
            for marked, (crop, x, y) in zip(each["objects"], masks.placed(), strict=True):
                ids[y : y + crop.shape[0], x : x + crop.shape[1]][crop] = marked["id"]
        return maps


def _finished(report: RunReport) -> Message:
    """What a job says of the files that a run wrote."""
    files = [one_file(each) for each in report.paths]
    results = [
        {"name": each.name, "media_type": media_type(each.name), "bytes": each.stat().st_size}
        for each in files
    ]
    return {"frames": report.frames, "results": results, "warnings": report.warnings}


def _check_length(info: SourceInfo, max_frames: int, max_seconds: float) -> None:
    if (info.frame_count or 0) > max_frames:
        raise _too_long(f"{max_frames} frames", f"{info.frame_count} frames")
    if (info.duration or 0) > max_seconds:
        raise _too_long(f"{max_seconds:g} seconds", f"{info.duration:.0f} seconds")


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
        "objects": objects_of(prediction),
    }


def _check_points(points: tuple[Point, ...], size: Size) -> None:
    for point in points:
        if not (0 <= point.x < size[1] and 0 <= point.y < size[0]):
            raise InvalidValue(f"points: need them within {size[1]}x{size[0]}, got {point.x:g},{point.y:g}")


def _count(result: Result) -> int:
    return len(result.prediction) if isinstance(result.prediction, Instances) else 0


def _instances(objects: list[Message], frame: Frame) -> Instances:
    """The objects of a request; ids other than 1, 2, 3, … are kept as track ids, which images of ids then show."""
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


def _too_long(limit: str, got: str) -> InvalidValue:
    return InvalidValue(f"video: need at most {limit}, got {got}; send a part of it")


def _within(frames: Iterable[Frame], max_frames: int, max_seconds: float, name: str) -> Iterator[Frame]:
    """The frames under the file's own name, until there are more than allowed: then `InvalidValue`."""
    begin: Fraction | None = None
    for frame in frames:
        begin = frame.time if begin is None else begin
        if frame.index >= max_frames:
            raise _too_long(f"{max_frames} frames", "more")
        if frame.time - begin > max_seconds:
            raise _too_long(f"{max_seconds:g} seconds", "more")
        yield replace(frame, file_name=name)


def _progress(notify: Notify, total: int | None, preview: Preview | None) -> OnResult:
    notified = time.monotonic()

    def moved(result: FrameResult) -> None:
        nonlocal notified
        if preview is not None:
            preview.add(result)
        if time.monotonic() - notified >= _NOTIFY_SECONDS:
            notified = time.monotonic()
            notify({"frames": result.frame.index + 1, "frames_total": total})

    return moved


def _write(work: Message, data: bytes) -> None:
    Path(work["answer"]).write_bytes(data)
