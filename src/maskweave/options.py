"""The request: all options of a run, frozen and checked once, for Python, the command line, HTTP and batches.

Every field is an option of all these doors, see `option_fields`. Nothing heavy is imported before a value needs it,
so that help texts cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from maskweave.annotations.table import save_names
from maskweave.catalog.entry import BUILT_IN
from maskweave.errors import InvalidValue
from maskweave.option_fields import check_choices, from_words, option, to_words
from maskweave.parsing import (
    boxes_in,
    classes_in,
    lines_in,
    pixels_in,
    place_words,
    points_in,
    saved_in,
    size_in,
    zones_in,
)

if TYPE_CHECKING:
    from maskweave.outputs.background import Background
    from maskweave.outputs.overlay import OverlayStyle
    from maskweave.sources.raster_options import RasterOptions
    from maskweave.types.arrays import Array
    from maskweave.types.counts import Line, Zone
    from maskweave.types.prediction import Task
    from maskweave.types.prompt import Box, Point, Prompt

DEFAULT_TRACKER = "maskweave"
MIN_TRACK_FRAMES = 4
DEFAULT_OUTPUT = "maskweave-out"
"""The folder for results where none is named."""
MEGAPIXELS = 50.0
RUNTIMES = ("onnxruntime", "openvino", "opencv")
_TASKS = ("instances", "semantic", "foreground")
_TRACKERS = ("maskweave", "bytetrack", "botsort")


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it is run; ``tile``: process images in tiles of this many pixels a side."""

    model: str = option(
        BUILT_IN,
        "built-in, built-in:fast (see doctor), a name from `maskweave models list`, or an .onnx / .pb file.",
        flags=("-m", "--model"),
        local=True,
    )
    size: int | None = option(None, "Long side of the network's input in pixels.", local=True)
    tile: int | None = option(
        None,
        "Process images in tiles of this many pixels a side; lifts --max-pixels for TIFF.",
        metavar="PIXELS",
    )
    overlap: float = option(0.2, "Overlap of neighboring tiles, as a share of their side.")
    device: str = option("cpu", "cpu, cuda, …; an unavailable device is an error.", local=True)
    runtime: str | None = option(
        None, "Runtime of the network.  [default: what the model needs]", choices=RUNTIMES, local=True
    )
    threads: int | None = option(None, "Threads of the runtime.", min=1, local=True)
    guide: str | None = option(
        None,
        "An .onnx file of `maskweave train --task guide`, to answer boxes and points and to draw borders (--refine) "
        "instead of the one in the package.",
        metavar="FILE",
        local=True,
    )
    offline: bool | None = option(
        None,
        "Never fetch a model.",
        flags=("--offline",),
        kind=bool,
        parse=lambda given: given or None,
        local=True,
    )

    def __post_init__(self) -> None:
        """Check what can be checked without the model."""
        check_choices(self)
        if self.tile is not None:
            from maskweave.ops.tile_grid import check_tiling

            check_tiling(self.tile, self.overlap)


@dataclass(frozen=True)
class SegmentOptions:
    """What to find: a task, the minimum score (None: the model's own) and classes (empty: all).

    ``task`` None is what the model gives. ``multi_label``: give an object under every class that it may be of, not
    only under the best one. None: where objects are not tracked and scores under the model's own threshold are asked
    for, as average precision needs. ``refine``: look at every object once more in its own window.
    """

    task: Task | None = option(
        None, "What to find.  [default: what the model gives]", kind=str | None, choices=_TASKS
    )
    score: float | None = option(None, "Minimum score, 0 to 1.  [default: the model's own]")
    classes: Sequence[str] = option(
        (),
        "Comma-separated class names to keep.",
        kind=str | None,
        parse=classes_in,
        to_word=list,
    )
    multi_label: bool | None = None
    refine: bool = option(
        False,
        "Look at every object once more, enlarged, so that its border is finer.",
        flags=("--refine",),
        kind=bool,
    )

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        check_choices(self)
        classes: object = self.classes
        if isinstance(classes, str):
            raise InvalidValue(f"classes: need a list of names, got the text {classes!r}")
        if self.score is not None and not 0 <= self.score <= 1:
            raise InvalidValue(f"score: need a number in [0, 1], got {self.score}")
        object.__setattr__(self, "classes", tuple(self.classes))


@dataclass(frozen=True)
class PromptOptions:
    """Prompts: what is pointed at in an image, or in a frame of a video, through which it is then followed."""

    mask: str | Path | Array | Mapping[int, str | Path | Array] | None = option(
        None,
        "PNG of the objects in one frame: 0 is background, each number an object. Of a folder of such, the numbers "
        "in their names are those of the frames.",
        kind=str | None,
        to_word=str,
        local=True,
    )
    boxes: tuple[Box, ...] = option(
        (),
        "Box around an object: x1,y1,x2,y2 in pixels. Repeatable.",
        name="box",
        kind=list[str] | None,
        parse=boxes_in,
        to_word=lambda boxes: [[box.x1, box.y1, box.x2, box.y2] for box in boxes],
    )
    points: tuple[Point, ...] = option(
        (),
        "Point on the object: x,y, or x,y,0 for a point beside it; all points mark one object. Repeatable.",
        name="point",
        kind=list[str] | None,
        parse=points_in,
        to_word=lambda points: [[point.x, point.y, int(point.inside)] for point in points],
    )
    frame: int = option(0, "Number of the marked frame, from 0.", min=0)

    @cached_property
    def prompt(self) -> Prompt | None:
        """The prompt, or None where nothing is pointed at.

        Raises `InvalidValue` for a mixture that has no meaning, `SourceError` where the mask cannot be read.
        """
        if self.mask is None and not self.boxes and not self.points:
            return None
        from maskweave.types.prompt import Prompt

        masks: dict[int, Any] = {}
        if self.mask is not None:
            from maskweave.annotations.id_images import id_map_of

            masks = {frame: id_map_of(mask) for frame, mask in sorted(self.masks.items())}
        first = min(masks, default=self.frame)
        return Prompt(first, masks.pop(first, None), self.boxes, self.points, masks)

    @cached_property
    def masks(self) -> Mapping[int, Any]:
        """The masks, or their files, by the numbers of their frames."""
        if self.mask is None:
            return {}
        if isinstance(self.mask, Mapping):
            return self.mask
        if isinstance(self.mask, str | Path) and Path(self.mask).is_dir():
            from maskweave.annotations.id_images import id_maps_in

            return id_maps_in(Path(self.mask))
        return {self.frame: self.mask}


@dataclass(frozen=True)
class SourceOptions:
    """Which parts of the inputs are read, and how."""

    recursive: bool = option(
        False, "Look into sub-folders too.", flags=("-r", "--recursive"), kind=bool, local=True
    )
    as_video: bool = option(
        False, "Read a folder of images, or the pages of a file, as one video.", kind=bool, local=True
    )
    fps: float = option(25.0, "Frames per second of a folder --as-video.", min=0.001, local=True)
    frames: int | None = option(None, "Stop after this many frames.", min=1)
    seconds: float | None = option(None, "Stop after this many seconds of video.", min=0)
    reconnect: float = option(
        60.0, "Seconds to wait for a camera or stream that drops out.", min=0, local=True
    )
    max_pixels: int = option(
        round(MEGAPIXELS * 1e6),
        "Refuse larger images, in millions of pixels.",
        kind=float,
        parse=pixels_in,
        to_word=lambda pixels: pixels / 1e6,
        min=0.001,
        max=1e6,
        local=True,
    )
    bands: str | None = option(None, "Of a TIFF, as red, green and blue: 4,3,2; or one for gray.")
    stretch: str | None = option(None, "Percentiles of a TIFF's values that become 0 and 255: 2,98.")
    window: str | None = option(None, "Center and width of a DICOM image's values: 40,400.")

    def __post_init__(self) -> None:
        """Check the numbers in the texts."""
        if (self.bands, self.stretch, self.window) != (None, None, None):
            _ = self.raster_options

    @property
    def raster_options(self) -> RasterOptions:
        """How rasters and DICOM are read."""
        from maskweave.sources.raster_options import RasterOptions

        return RasterOptions.parse(bands=self.bands, stretch=self.stretch, window=self.window)


@dataclass(frozen=True)
class VideoOptions:
    """What applies to videos only: tracking, frames that the network skips, counting."""

    track: bool = option(True, "Track objects through videos, so that each keeps its id.")
    tracker: str = option(
        DEFAULT_TRACKER,
        "Tracker for videos; all but maskweave need the extra [trackers].",
        choices=_TRACKERS,
    )
    every: int = option(
        1,
        "Run the network on every N-th frame of a video; optical flow moves the objects in between.",
        min=1,
        max=1000,
    )
    lines: tuple[Line, ...] = option(
        (),
        "x1,y1,x2,y2[=name] in pixels: count the objects that cross it. Repeatable.",
        name="line",
        kind=list[str] | None,
        parse=lines_in,
        to_word=place_words,
    )
    zones: tuple[Zone, ...] = option(
        (),
        "x1,y1,x2,y2,x3,y3,…[=name] in pixels: count the objects in it. Repeatable.",
        name="zone",
        kind=list[str] | None,
        parse=zones_in,
        to_word=place_words,
    )
    drawn_on: tuple[int, int] | None = option(
        None,
        "WIDTHxHEIGHT of the image that lines and zones are given in, where it is another size than the frames': "
        "players stretch pixels that are not square.",
        kind=str | None,
        parse=size_in,
        to_word=lambda size: f"{size[0]}x{size[1]}",
    )
    min_track_frames: int = option(
        MIN_TRACK_FRAMES,
        "Frames in which an object of a video must be seen; what lives shorter is left out everywhere.",
        min=1,
        max=1000,
    )

    def __post_init__(self) -> None:
        """Check names and numbers."""
        if self.every < 1:
            raise InvalidValue(f"every: need 1 or more, got {self.every}")
        if self.min_track_frames < 1:
            raise InvalidValue(f"min_track_frames: need 1 or more, got {self.min_track_frames}")
        if self.tracker != DEFAULT_TRACKER and not self.track:
            raise InvalidValue(f"tracker {self.tracker}: needs tracking, which is turned off")
        if self.counts:
            from maskweave.video.counting import Counter

            if not self.track:
                raise InvalidValue("--line and --zone: need tracking, got --no-track: they count ids")
            Counter(self.lines, self.zones)

    @property
    def counts(self) -> bool:
        """Whether objects are to be counted."""
        return bool(self.lines or self.zones)


@dataclass(frozen=True)
class OutputOptions:
    """Where results go, in which formats, and how they look."""

    output: str | None = option(
        None, f"Folder for the results.  [default: {DEFAULT_OUTPUT}]", flags=("-o", "--output"), local=True
    )
    save: tuple[str, ...] | None = option(
        None,
        f"Comma-separated: overlay, side-by-side, masks, foreground, cutout, nrrd, {', '.join(save_names())}. "
        "By default what suits task and input.",
        kind=str | None,
        parse=saved_in,
        to_word=list,
    )
    opacity: float = option(0.45, "Of the masks in overlays, 0 to 1.")
    color_by: Literal["instance", "class"] = option(
        "instance", "One color per object or per class.", choices=("instance", "class")
    )
    trail: float = option(0.0, "Draw each object's path over the last SECONDS into overlays of videos.")
    background: str | None = option(
        None, "Behind cut-outs: transparent (the default), blur, #rrggbb or a color name."
    )
    refine_edges: bool = option(
        False,
        "Soft edges for cut-outs, without a halo (extra [matting]).",
        flags=("--refine-edges",),
        kind=bool,
    )
    geojson_crs: Literal["wgs84", "source"] = option(
        "wgs84", "Coordinates of GeoJSON: WGS 84, or the raster's own.", choices=("wgs84", "source")
    )

    def __post_init__(self) -> None:
        """Check names, numbers and what goes together."""
        check_choices(self)
        if self.opacity != OutputOptions.opacity or self.trail:
            _ = self.style
        if self.background is not None:
            _ = self.cutout_background
        if self.background is not None and "cutout" not in (self.save or ()):
            raise InvalidValue("--background: is for cut-outs; add --save cutout")
        if self.refine_edges:
            if "cutout" not in (self.save or ()):
                raise InvalidValue("--refine-edges: is for cut-outs; add --save cutout")
            from maskweave.ops.matting import check_matting

            check_matting()

    @property
    def folder(self) -> Path:
        """Where results go."""
        return Path(self.output or DEFAULT_OUTPUT)

    @property
    def style(self) -> OverlayStyle:
        """How overlays look."""
        from maskweave.outputs.overlay import OverlayStyle

        return OverlayStyle(opacity=self.opacity, color_by=self.color_by, trail=self.trail)

    @property
    def cutout_background(self) -> Background | None:
        """The background of cut-outs; None for transparent."""
        if self.background is None:
            return None
        from maskweave.outputs.background import parse_background

        return parse_background(self.background)


@dataclass(frozen=True)
class Request:
    """All options of one run, whichever interface they come from.

    ``segment`` what to find, ``prompt`` what is pointed at, ``video`` what videos get, ``source`` how inputs are
    read, ``model`` which network, ``output`` what is written.

    Raises `InvalidValue` for options that do not go together, before anything is loaded.
    """

    model: ModelOptions = field(default_factory=ModelOptions)
    source: SourceOptions = field(default_factory=SourceOptions)
    segment: SegmentOptions = field(default_factory=SegmentOptions)
    prompt: PromptOptions = field(default_factory=PromptOptions)
    video: VideoOptions = field(default_factory=VideoOptions)
    output: OutputOptions = field(default_factory=OutputOptions)

    def __post_init__(self) -> None:
        """Check what goes together; a tracker that is not installed raises `MissingDependency`."""
        if self.prompt.prompt is not None:
            self.check_prompted()
        task = self.segment.task or "instances"
        if self.video.tracker != DEFAULT_TRACKER and task != "instances":
            raise InvalidValue(
                f"tracker {self.video.tracker}: needs --task instances, got {task}: it follows objects"
            )
        if self.video.counts and task != "instances":
            raise InvalidValue(f"--line and --zone: need --task instances, got {task}: they count objects")
        if self.video.tracker != DEFAULT_TRACKER:
            from maskweave.video.tracking import make_tracker

            make_tracker(self.video.tracker)
        if self.output.save is not None:
            from maskweave.outputs import check_formats

            check_formats(self.output.save, task=task)

    def check_prompted(self) -> None:
        """Raise `InvalidValue` for options that have no meaning for an object that is pointed at."""
        if self.segment.classes:
            raise InvalidValue("--box and --point: say what is meant; leave --classes out")
        if self.model.tile is not None:
            raise InvalidValue("--box and --point: need an image as a whole; leave --tile out")
        if self.video.every != 1 or self.video.tracker != DEFAULT_TRACKER:
            raise InvalidValue(
                "--box, --point and --mask: what is marked is followed through every frame; leave --every and "
                "--tracker out"
            )

    @classmethod
    def of(cls, **words: Any) -> Self:
        """From the options' own names: ``Request.of(task="semantic", tile=1024, line=["0,9,99,9=gate"])``."""
        return from_words(cls, words)

    def to_words(self) -> dict[str, Any]:
        """All options by their names, as JSON can hold them; ``Request.of(**words)`` is the same request."""
        return to_words(self)

    def changed(self, **words: Any) -> Self:
        """The same request with some options changed, given as in `of`."""
        return type(self).of(**{**self.to_words(), **words})

    @property
    def raster_options(self) -> RasterOptions:
        """How rasters and DICOM are read; in pieces where images are looked at in tiles."""
        return replace(self.source.raster_options, tiles=self.model.tile is not None)
