"""The Python interface: load a model, call it, look at the result."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from maskweave.catalog.entry import BUILT_IN
from maskweave.closable import Closable
from maskweave.errors import InvalidValue, SourceWarning
from maskweave.models.base import Model
from maskweave.networks import open_model, propagation_model
from maskweave.options import (
    DEFAULT_TRACKER,
    MIN_TRACK_FRAMES,
    ModelOptions,
    PromptOptions,
    Request,
    SegmentOptions,
    VideoOptions,
)
from maskweave.parsing import LineInput, ZoneInput, boxes_in, lines_in, points_in, zones_in
from maskweave.result import ImageInput, Result, require_file
from maskweave.run import check, stream, target_for, write
from maskweave.run_report import RunReport
from maskweave.sources.base import MAX_PIXELS, Source
from maskweave.sources.images import ImageSource
from maskweave.sources.raster_options import RasterOptions
from maskweave.types.arrays import Array
from maskweave.types.frame import Frame
from maskweave.types.prediction import Task

if TYPE_CHECKING:
    from maskweave.outputs.overlay import OverlayStyle


def load(  # noqa: PLR0913 - each is a choice of the caller
    name: str | Path = BUILT_IN,
    *,
    device: str = "cpu",
    threads: int | None = None,
    size: int | None = None,
    runtime: str | None = None,
    tile: int | None = None,
    overlap: float = ModelOptions.overlap,
    guide: str | Path | None = None,
    offline: bool | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Segmenter:
    """Load a model: the one in the package, a catalog name, or the path of an .onnx or .pb file.

    Args:
        name: Which model.
        device: "cpu", "cuda", …; one that does not serve the model raises `DeviceUnavailable`.
        threads: Threads of the runtime; None lets it choose.
        size: The input's long side in pixels, for models that let you choose.
        runtime: "onnxruntime", "openvino" or "opencv"; None takes what the model needs.
        tile: Look at images in tiles of so many pixels a side, each ``overlap`` (a share) over the next, and join
            the results without a seam; TIFF is then read piece by piece and may be larger than memory.
        overlap: See ``tile``.
        guide: The file of a guide, which answers prompts and draws borders with ``refine``; None takes the one
            in the package.
        offline: Never fetch a file.
        progress: Called with the bytes fetched so far and in all.

    Raises:
        MaskWeaveError: `UnknownModel`, `ModelNotDownloaded`, `HashMismatch`, `NotAModel`, `UnknownLayout`,
            `DeviceUnavailable`, or `InvalidValue` for a wrong argument.
    """
    options = ModelOptions(
        model=str(name),
        device=device,
        threads=threads,
        size=size,
        runtime=runtime,
        tile=tile,
        overlap=overlap,
        guide=None if guide is None else str(guide),
        offline=offline,
    )
    return Segmenter(open_model(options, progress=progress), options)


class Segmenter(Closable):
    """A loaded model for images and videos. Call it; close it, or use it as a context manager.

    Args:
        model: The model.
        options: How it was loaded; further networks that a video needs are loaded in the same way.
    """

    def __init__(self, model: Model, options: ModelOptions | None = None) -> None:
        self.model = model
        self.options = options or ModelOptions()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that the model tells apart."""
        return self.model.class_names

    def __call__(
        self,
        image: ImageInput,
        *,
        score: float | None = None,
        classes: Sequence[str] = (),
        task: Task | None = None,
        multi_label: bool | None = None,
        refine: bool = False,
        max_pixels: int = MAX_PIXELS,
        raster_options: RasterOptions | None = None,
    ) -> Result:
        """Segment one image.

        Args:
            image: A path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 RGB array.
            score: In [0, 1]: drop what the model is less sure of; None takes the model's default.
            classes: Keep only these names.
            task: "instances", "semantic" or "foreground"; None takes what the model gives.
            multi_label: Give an object under every class it may be of, not only under the best one; None does so
                where ``score`` is under the model's own threshold, as average precision needs.
            refine: Look at every object once more, enlarged, so that its border is finer; needs a guide.
            max_pixels: Refuse larger files before they are decoded.
            raster_options: Bands and stretch of a raster, window of a DICOM image.

        Raises:
            SourceError: The image cannot be read.
            InvalidValue: An argument is wrong.

        Warns:
            SourceWarning: The image was not read as it stands: pages were passed over, its profile is damaged.
        """
        options = SegmentOptions(task, score, classes, multi_label, refine)
        source = self._open(image, max_pixels, raster_options)
        return self._segment(source, Request(model=self.options, segment=options))

    def _segment(self, source: Source, request: Request) -> Result:
        (result,) = stream(source, self.model, request)
        _WarningRelay(source, level=4)()
        return Result(result.frame, result.prediction, model=self.name)

    def _open(self, image: ImageInput, max_pixels: int, raster_options: RasterOptions | None) -> Source:
        image = require_file(image)
        if not isinstance(image, Path):
            return ImageSource(image, max_pixels=max_pixels)
        from maskweave.sources.open_image import one_frame, open_image

        return one_frame(
            open_image(image, max_pixels=max_pixels, raster_options=self._raster_options(raster_options))
        )

    def _raster_options(self, given: RasterOptions | None) -> RasterOptions:
        """How rasters are read: piece by piece where the model looks at tiles."""
        return replace(given or RasterOptions(), tiles=self.options.tile is not None)

    def prompt(
        self,
        image: ImageInput,
        *,
        boxes: Sequence[Sequence[float]] = (),
        points: Sequence[Sequence[float]] = (),
        mask: Array | None = None,
        max_pixels: int = MAX_PIXELS,
        raster_options: RasterOptions | None = None,
    ) -> Result:
        """Segment what is pointed at in one image: one object for each box, or one for all points.

        With one box, points say more of the object in it. The guide in the package answers, whatever the model; a
        promptable model ("mobile-sam") answers itself.

        Args:
            image: As for a call.
            boxes: x1 y1 x2 y2 in pixels.
            points: x y on the object, or x y 0 beside it.
            mask: (H, W) bool, the object as it is known: points correct it, and without any its border is drawn anew.
            max_pixels: As for a call.
            raster_options: As for a call.

        Raises:
            SourceError: The image cannot be read.
            InvalidValue: The prompt does not fit the image, or nothing stands out there.
        """
        if mask is not None:
            if boxes:
                raise InvalidValue("prompt: need a mask with points or without, got a mask and boxes")
            (frame,) = self._open(image, max_pixels, raster_options)
            corrected = self.model.prompt_mask(frame.image, mask, points_in(points))
            return Result(frame, corrected, model=self.name)
        prompt = _require_prompt(PromptOptions(boxes=boxes_in(boxes), points=points_in(points)))
        source = self._open(image, max_pixels, raster_options)
        return self._segment(source, Request(model=self.options, prompt=prompt))

    def stream(  # noqa: PLR0913 - each is a choice of the caller
        self,
        source: str | Path | Source,
        *,
        score: float | None = None,
        classes: Sequence[str] = (),
        task: Task | None = None,
        refine: bool = False,
        tracker: str | None = DEFAULT_TRACKER,
        every: int = 1,
        min_track_frames: int = MIN_TRACK_FRAMES,
        lines: Sequence[LineInput] = (),
        zones: Sequence[ZoneInput] = (),
        as_video: bool = False,
        raster_options: RasterOptions | None = None,
    ) -> Iterator[Result]:
        """Segment a video (or folder, camera, stream) frame by frame; yields results as they come.

        Wrong arguments raise here, not at the first result. Memory stays constant.

        Args:
            source: A path, a pattern, a camera ("camera:0"), an address, or a source of `maskweave.sources`.
            score: As for a call.
            classes: As for a call.
            task: As for a call; "foreground" of a video is also what moves, unless ``tracker`` is None.
            refine: As for a call.
            tracker: "maskweave"; "bytetrack" or "botsort", which follow boxes (extra ``[trackers]``); None: no ids.
            every: The network looks at each N-th frame of a video; optical flow carries the objects in between.
            min_track_frames: Frames in which a tracked object must be seen; results come so many late, less one.
            lines: Count the objects that cross them: "x1,y1,x2,y2=name", or four numbers. See `Result.counts`.
            zones: Count the objects in them: "x1,y1,x2,y2,x3,y3=name", or as many numbers.
            as_video: Read a folder of images, or the pages of a TIFF, as one video.
            raster_options: As for a call.

        Raises:
            InvalidValue: An argument is wrong.
            MissingDependency: The tracker is not installed.

        Warns:
            SourceWarning: As it goes along, what is damaged, missing or was passed over.

        Example:
            >>> for result in model.stream("street.mp4", lines=["0,330,854,330=road"]):   # doctest: +SKIP
            ...     crossed = result.counts.lines[0].forward
        """
        request = Request(
            model=self.options,
            segment=SegmentOptions(task, score, classes, refine=refine),
            video=VideoOptions(
                tracker is not None,
                tracker or DEFAULT_TRACKER,
                every,
                lines_in(lines),
                zones_in(zones),
                min_track_frames=min_track_frames,
            ),
        )
        check(request, self.model)
        raster_options = self._raster_options(raster_options)
        return _streamed(_sources(source, as_video, raster_options), self.model, request)

    def close(self) -> None:
        """Free the model's memory."""
        self.model.close()

    def __repr__(self) -> str:
        return f"Segmenter({self.name}, {len(self.class_names)} classes)"


def _streamed(sources: Sequence[Source], model: Model, request: Request) -> Iterator[Result]:
    for source in sources:
        relay_warnings = _WarningRelay(source, level=3)
        with source, closing(stream(source, model, request)) as results:
            for result in results:
                relay_warnings()
                yield Result(result.frame, result.prediction, result.counts, model.name)
            relay_warnings()


class _WarningRelay:
    """Called, it gives what a source has warned of since as a `SourceWarning` each.

    ``level``: of the caller that they are shown for, as `warnings.warn` counts.
    """

    def __init__(self, source: Source, *, level: int) -> None:
        self._source, self._level = source, level
        self._warned: set[str] = set()

    def __call__(self) -> None:
        for message in self._source.warnings:
            if message not in self._warned:
                self._warned.add(message)
                warnings.warn(f"{self._source.info.name}: {message}", SourceWarning, stacklevel=self._level)


def _sources(
    source: str | Path | Source, as_video: bool, raster_options: RasterOptions | None
) -> Sequence[Source]:
    if isinstance(source, Source):
        return [source]
    from maskweave.sources.find import find_sources

    return find_sources([str(source)], as_video=as_video, raster_options=raster_options)


def propagate(  # noqa: PLR0913 - each is a choice of the caller
    source: str | Path | Source,
    *,
    mask: str | Path | Array | Mapping[int, str | Path | Array] | None = None,
    boxes: Sequence[Sequence[float]] = (),
    points: Sequence[Sequence[float]] = (),
    frame: int = 0,
    model: str | Path | Segmenter = BUILT_IN,
    device: str = "cpu",
    score: float | None = None,
    lines: Sequence[LineInput] = (),
    zones: Sequence[ZoneInput] = (),
    as_video: bool = False,
    raster_options: RasterOptions | None = None,
) -> Iterator[Result]:
    """Follow objects that are marked in one frame through a video; yields a result for every frame, in order.

    ``track_ids`` are the objects' numbers.

    Args:
        source: A video, a folder of frames, or an opened source.
        mask: (H, W) integers or the path of such a PNG: 0 is background, every other number an object. Several, by
            the numbers of their frames, mark objects again that were lost, or others that come later.
        boxes: x1 y1 x2 y2 in pixels, one object each.
        points: x y on one object, or x y 0 beside it.
        frame: Number of the marked frame, from 0; frames before it are gone through backwards.
        model: What finds the objects in boxes or at points, as for `load`, or a loaded one.
        device: Of the networks, as for `load`; not for a loaded model.
        score: In [0, 1]: leave an object out of frames where it is less sure; None leaves all in.
        lines: As for `Segmenter.stream`.
        zones: As for `Segmenter.stream`.
        as_video: Read a folder of images, or the pages of a TIFF, as one video; the DICOM files of a folder are one
            anyway.
        raster_options: Window of a DICOM series, stretch of a TIFF.

    Raises:
        InvalidValue: The prompt does not fit the video.
        SourceError: The video or the mask cannot be read.

    Warns:
        SourceWarning: As `Segmenter.stream`.
    """
    prompt = _require_prompt(PromptOptions(mask, boxes_in(boxes), points_in(points), frame))
    options = model.options if isinstance(model, Segmenter) else propagation_model(str(model), device=device)
    request = Request(
        model=options,
        prompt=prompt,
        segment=SegmentOptions(score=score),
        video=VideoOptions(lines=lines_in(lines), zones=zones_in(zones)),
    )
    (video,) = _sources(source, as_video, raster_options)
    return _propagated(video, model if isinstance(model, Segmenter) else None, request)


def _propagated(source: Source, segmenter: Segmenter | None, request: Request) -> Iterator[Result]:
    with _model_of(segmenter, request) as model:
        yield from _streamed([source], model, request)


@contextmanager
def _model_of(segmenter: Segmenter | None, request: Request) -> Iterator[Model]:
    """The model that is loaded already, or else one for the block."""
    if segmenter is not None:
        yield segmenter.model
        return
    with closing(open_model(request.model)) as model:
        yield model


def segment_video(  # noqa: PLR0913 - each is a choice of the caller
    source: str | Path,
    destination: str | Path,
    *,
    model: Segmenter | None = None,
    score: float | None = None,
    classes: Sequence[str] = (),
    task: Task = "instances",
    tracker: str = DEFAULT_TRACKER,
    every: int = 1,
    lines: Sequence[LineInput] = (),
    zones: Sequence[ZoneInput] = (),
    style: OverlayStyle | None = None,
    progress: Callable[[Frame], None] | None = None,
) -> RunReport:
    """Segment a video file and write it again with the result drawn over it: H.264, audio and times kept.

    Args:
        source: The video.
        destination: Where it goes; must end in ``.mp4``, must not be the source, and appears only when it is whole.
        model: None takes the one in the package.
        score: As for a call of a `Segmenter`.
        classes: As for a call of a `Segmenter`.
        task: "foreground" writes the foreground in white on black.
        tracker: As for `Segmenter.stream`.
        every: As for `Segmenter.stream`.
        lines: As for `Segmenter.stream`; they and their counts are drawn.
        zones: As for `Segmenter.stream`.
        style: How overlays look, `OverlayStyle(trail=2)` with the way that each object came.
        progress: Called after each frame.

    Returns:
        What was done, with warnings.

    Raises:
        MaskWeaveError: `SourceError`, `OutputError`, `MissingDependency`, or `InvalidValue` for a wrong argument.
    """
    from maskweave.outputs.videos import ForegroundVideo, OverlayVideo
    from maskweave.sources.video import VideoSource  # PyAV takes a third of a second to load

    destination = Path(destination)
    if destination.suffix.lower() != ".mp4":
        raise InvalidValue(f"{destination}: need a name that ends in .mp4")
    request = Request(
        model=model.options if model else ModelOptions(),
        segment=SegmentOptions(task, score, classes),
        video=VideoOptions(True, tracker, every, lines_in(lines), zones_in(zones)),
    )
    writer, report = (ForegroundVideo if task == "foreground" else OverlayVideo), RunReport()
    with _model_of(model, request) as network, VideoSource(source) as video:
        target = target_for(request, video.info, network, inputs=frozenset({Path(source).resolve()}))
        target = target if style is None else replace(target, style=style)
        write(
            stream(video, network, request, clock=report.clock),
            [writer(target, target.checked(destination))],
            report=report,
            progress=progress and (lambda result: progress(result.frame)),
        )
        report.warnings = video.warnings + report.warnings
    return report


def _require_prompt(prompt: PromptOptions) -> PromptOptions:
    """The prompt; raises `InvalidValue` where nothing is pointed at."""
    if prompt.prompt is None:
        raise InvalidValue("prompt: need a mask, boxes or points that mark an object, got none of them")
    return prompt
