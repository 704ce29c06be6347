"""The Python interface: load a model, call it, look at the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeAlias

import numpy as np

from maskweave.catalogue.entries import BUILT_IN
from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.features import feature_network
from maskweave.models.base import Model
from maskweave.models.loading import EngineOptions, load_model
from maskweave.models.tiling import OVERLAP, TiledModel
from maskweave.ops.resize import resize_prediction
from maskweave.ops.tile_grid import check_tiling
from maskweave.outputs.background import parse_background
from maskweave.outputs.base import Target
from maskweave.outputs.coco import coco_document, coco_results
from maskweave.outputs.cutouts import cut_out
from maskweave.outputs.files import atomic_file
from maskweave.outputs.geojson import geojson_text
from maskweave.outputs.overlay import OverlayStyle, draw_overlay
from maskweave.outputs.pictures import encode_masks_picture, encode_picture
from maskweave.outputs.videos import ForegroundVideo, OverlayVideo
from maskweave.pipeline import (
    Report,
    Wish,
    as_task,
    check_every,
    prompted_frames,
    segment_frames,
    write_results,
)
from maskweave.propagation import propagate_frames
from maskweave.sources.base import MAX_PIXELS, Source
from maskweave.sources.find import find_sources
from maskweave.sources.images import ImageSource
from maskweave.sources.pictures import one_frame, open_picture
from maskweave.sources.reading import Reading
from maskweave.tracking import OURS
from maskweave.types.arrays import Array, Image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction, Task
from maskweave.types.prompt import Prompt, boxes_of, points_of
from maskweave.types.semantic import SemanticMap
from maskweave.video import check_tracker, follow_frames

if TYPE_CHECKING:
    import matplotlib.axes
    from PIL.Image import Image as Picture

_MASK_TASKS: dict[str, Task] = {".masks": "instances", ".semantic": "semantic", ".foreground": "foreground"}

ImageInput: TypeAlias = "str | Path | bytes | bytearray | memoryview | BinaryIO | Array | Picture"


def load(  # noqa: PLR0913 - each is a choice of the caller
    name: str | Path = BUILT_IN,
    *,
    device: str = "cpu",
    threads: int | None = None,
    size: int | None = None,
    engine: str | None = None,
    tile: int | None = None,
    overlap: float = OVERLAP,
    offline: bool | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Segmenter:
    """Load a model: the one in the package, a catalogue name, or the path of an .onnx or .pb file.

    ``device``: "cpu", "cuda", …; one that does not serve the model raises `DeviceUnavailable`. ``threads`` of the
    engine (None: the engine chooses). ``size``: the input's long side in pixels, for models that let you choose.
    ``engine``: "onnxruntime", "opencv" or "openvino" (None: what the model needs). ``tile``: look at pictures in
    tiles of so many pixels a side, each ``overlap`` (a share) over the next, and join the results without a seam;
    TIFF is then read piece by piece and may be larger than memory. ``offline``: never fetch a file. ``progress`` is
    called with the bytes fetched so far and in all.

    Raises `UnknownModel`, `ModelNotHere`, `HashMismatch`, `NotAModel`, `UnknownLayout` or `DeviceUnavailable`.
    """
    options = EngineOptions(device=device, threads=threads, engine=engine)
    if tile is not None:
        check_tiling(tile, overlap)  # before anything is fetched
    model = load_model(name, options=options, size=size, offline=offline, progress=progress)
    return Segmenter(model if tile is None else TiledModel(model, tile=tile, overlap=overlap))


class Segmenter:
    """A loaded model that takes pictures and videos. Call it; close it, or use it as a context manager."""

    def __init__(self, model: Model) -> None:
        self.model = model

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
        every_class: bool | None = None,
        max_pixels: int = MAX_PIXELS,
        reading: Reading | None = None,
    ) -> Result:
        """Segment one image: a path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 RGB array.

        ``score`` in [0, 1]: drop what the model is less sure of (None: the model's default). ``classes``: keep
        only these names. ``task``: "instances", "semantic" or "foreground" (None: what the model gives).
        ``every_class``: give an object under every class it may be of, not only under the likeliest (None: where
        ``score`` is under the model's own threshold, as average precision needs).
        ``max_pixels``: refuse larger files before they are decoded. ``reading``: bands and stretch of a raster,
        window of a DICOM image.

        Raises `SourceError` when the image cannot be read and `InvalidValue` for a wrong argument.
        """
        wish = Wish(task or self.model.task, score, classes, every_class)
        source = self._opened(_existing(image), max_pixels, reading or Reading())
        ((frame, prediction),) = segment_frames(source, self.model, wish)
        return Result(frame, prediction, self.name)

    def _opened(self, image: ImageInput, max_pixels: int, reading: Reading) -> Source:
        if not isinstance(image, Path):
            return ImageSource(image, max_pixels=max_pixels)
        reading = replace(reading, tiles=isinstance(self.model, TiledModel))
        return one_frame(open_picture(image, max_pixels=max_pixels, reading=reading))

    def prompt(
        self,
        image: ImageInput,
        *,
        boxes: Sequence[Sequence[float]] = (),
        points: Sequence[Sequence[float]] = (),
        max_pixels: int = MAX_PIXELS,
    ) -> Result:
        """Segment what is pointed at in one image: one object for each box, or one for all points.

        ``boxes``: x1 y1 x2 y2 in pixels. ``points``: x y on the object, or x y 0 beside it. With one box, points say
        more of the object in it. A promptable model ("efficient-sam-ti") finds it itself; of another model a detected
        object is taken that fits, and where none does GrabCut cuts one out. Other arguments as for a call.

        Raises `SourceError` when the image cannot be read, and `InvalidValue` for marks that do not fit it, or where
        nothing stands out.
        """
        marks = Prompt(boxes=boxes_of(boxes), points=points_of(points))
        source = self._opened(_existing(image), max_pixels, Reading())
        ((frame, prediction),) = prompted_frames(source, self.model, marks)
        return Result(frame, prediction, self.name)

    def stream(  # noqa: PLR0913 - each is a choice of the caller
        self,
        source: str | Path | Source,
        *,
        score: float | None = None,
        classes: Sequence[str] = (),
        task: Task | None = None,
        track: bool = True,
        tracker: str = OURS,
        every: int = 1,
        max_pixels: int = MAX_PIXELS,
        as_video: bool = False,
        reading: Reading | None = None,
    ) -> Iterator[Result]:
        """Segment a video (or folder, camera, stream) frame by frame; yields results as they come.

        Memory stays constant. ``track`` gives the objects of a video ids that last, and with ``task`` "foreground"
        finds what moves too (without it foreground is every instance). ``tracker``: "maskweave", or "bytetrack" or
        "botsort", which follow boxes and need the extra ``[trackers]``. ``every`` N: the network looks at each N-th
        frame of a video, and objects are carried along by optical flow in between. ``as_video`` reads a folder of
        pictures, or the pages of a TIFF, as one video. ``reading`` as for a call. Other arguments as for a call;
        wrong ones raise here, not at the first result.

        Raises `InvalidValue`, or `MissingDependency` for a tracker that is not installed.
        """
        wish = Wish(task or self.model.task, score, classes)
        wish.check(self.model)
        check_every(every, self.model)
        check_tracker(tracker, wish.task, track=track)
        sources: Sequence[Source] = (
            [source]
            if isinstance(source, Source)
            else list(
                find_sources(
                    [str(source)],
                    max_pixels=max_pixels,
                    as_video=as_video,
                    reading=replace(reading or Reading(), tiles=isinstance(self.model, TiledModel)),
                )
            )
        )
        return self._results(sources, wish, tracker=tracker if track else None, every=every)

    def _results(
        self, sources: Sequence[Source], wish: Wish, *, tracker: str | None, every: int
    ) -> Iterator[Result]:
        for source in sources:
            with source:
                if source.info.kind == "image":
                    results = segment_frames(source, self.model, wish)
                elif tracker is not None:
                    results = follow_frames(source, self.model, wish, tracker=tracker, every=every)
                else:
                    results = segment_frames(source, self.model, wish, every=every, overlap=True)
                with closing(results):
                    for frame, prediction in results:
                        yield Result(frame, prediction, self.name)

    def close(self) -> None:
        """Free the engine."""
        self.model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Segmenter({self.name}, {len(self.class_names)} classes)"


@dataclass(frozen=True, eq=False)
class Result:
    """One segmented picture: the ``frame`` it was made from, and the ``prediction``."""

    frame: Frame
    prediction: Prediction
    model: str = ""

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 RGB, the picture without drawings; a smaller view of one that is read piece by piece."""
        return self.frame.image

    @property
    def instances(self) -> Instances:
        """The objects; raises `InvalidValue` when the result is a map of classes."""
        if not isinstance(self.prediction, Instances):
            raise InvalidValue("result: this is a semantic map; use result.semantic, or task='instances'")
        return self.prediction

    @property
    def semantic(self) -> SemanticMap:
        """The class map; raises `InvalidValue` when the result is a set of objects."""
        if not isinstance(self.prediction, SemanticMap):
            raise InvalidValue("result: these are instances; use result.instances, or task='semantic'")
        return self.prediction

    def overlay(self, style: OverlayStyle | None = None) -> Image:
        """(H, W, 3) uint8 RGB, the picture (of a large one a smaller view) with the result drawn over it."""
        return draw_overlay(self.image, resize_prediction(self.prediction, self.image.shape[:2]), style)

    def cutout(self, background: str = "transparent", *, refine_edges: bool = False) -> Image:
        """The objects, or the foreground, cut out: (H, W, 4) uint8 RGBA, or (H, W, 3) RGB before a background.

        ``background``: "transparent", "blur", "#rrggbb" or a colour name. ``refine_edges``: soft edges, and colours
        without a halo of what was behind (extra ``[matting]``).

        Raises `InvalidValue` for another background or a map of classes, `MissingDependency` without pymatting.
        """
        return cut_out(self.image, self.prediction, parse_background(background), refine=refine_edges)

    def plot(self, axes: matplotlib.axes.Axes | None = None, *, style: OverlayStyle | None = None) -> Any:
        """Show the overlay with matplotlib and return the axes."""
        import matplotlib.pyplot as plt

        if axes is None:
            height, width = self.frame.size
            scale = 10 / max(height, width)
            _, axes = plt.subplots(
                figsize=(max(2, scale * width), max(2, scale * height)), layout="constrained"
            )
        axes.imshow(self.overlay(style))
        axes.set_axis_off()
        return axes

    def to_coco(self, *, image_id: int | None = None) -> list[dict[str, Any]]:
        """The objects as a list of COCO results: category ids of COCO, boxes x y width height, masks as RLE.

        ``image_id`` None takes 1 for the first frame, 2 for the second, and so on.
        """
        number = self.frame.index + 1 if image_id is None else image_id
        return coco_results(self.instances, image_id=number)

    def to_supervision(self) -> Any:
        """The objects as ``supervision.Detections``, masks dense; needs the extra ``[supervision]``."""
        from maskweave.formats.detections import to_detections

        return to_detections(self.instances)

    @classmethod
    def from_supervision(
        cls, detections: Any, image: ImageInput, *, class_names: Sequence[str] | None = None
    ) -> Result:
        """A result out of ``supervision.Detections`` with masks and the ``image`` they were found in.

        ``class_names``: what their class ids are indices into; None takes the names that they carry. Raises
        `InvalidValue` for detections without masks, or of another size.
        """
        from maskweave.formats.detections import from_detections

        (frame,) = ImageSource(_existing(image))
        return cls(frame, from_detections(detections, frame.size, class_names=class_names))

    def save(self, path: str | Path, *, style: OverlayStyle | None = None) -> Path:
        """Write the overlay picture, or, for a name that ends in ``.json``, a COCO file, in ``.geojson``, GeoJSON in
        longitude and latitude (in pixels where the picture lies on no map).

        ``.masks.png``, ``.semantic.png`` and ``.foreground.png`` write the masks themselves: object ids, class ids,
        1 bit. The file appears only when it is whole. Raises `OutputError`, or `InvalidValue` for another kind of
        name.
        """
        path = Path(path)
        data = self._encode(path, style)
        with atomic_file(path) as temporary:
            temporary.write_bytes(data)
        return path

    def _encode(self, path: Path, style: OverlayStyle | None) -> bytes:
        if path.suffix.lower() == ".json":
            return coco_document(self.frame, self.instances, model=self.model).encode()
        if path.suffix.lower() == ".geojson":
            name = self.frame.file_name or self.frame.source
            pieces = geojson_text(self.instances, self.frame.geo, model=self.model, file_name=name)
            return "".join(pieces).encode()
        task = _MASK_TASKS.get(Path(path.stem).suffix) if path.suffix.lower() == ".png" else None
        if task is not None:
            return encode_masks_picture(as_task(self.prediction, task), task)
        return encode_picture(self.overlay(style), path.suffix)

    def __repr__(self) -> str:
        return f"Result({self.prediction!r})"


def propagate(
    source: str | Path | Source,
    *,
    mask: str | Path | Array | None = None,
    boxes: Sequence[Sequence[float]] = (),
    points: Sequence[Sequence[float]] = (),
    frame: int = 0,
    as_video: bool = False,
    reading: Reading | None = None,
) -> Iterator[Result]:
    """Follow objects that are marked in one frame through a video; yields a result for every frame, in order.

    Mark them by a ``mask``, (H, W) integers or the path of such a PNG: 0 is background, every other number an object;
    or by ``boxes`` x1 y1 x2 y2, one object each; or by ``points``, x y on one object or x y 0 beside it. ``frame`` is
    the number of the marked frame, from 0; frames before it are gone through backwards. ``track_ids`` are the
    objects' numbers. ``as_video`` reads a folder of pictures, or the pages of a TIFF, as one video; the DICOM files
    of a folder are one anyway. ``reading``: the window of these, the stretch of those.

    Raises `InvalidValue` for marks that do not fit, and `SourceError` when the video or the mask cannot be read.
    """
    from maskweave.evaluation.davis_folders import read_id_map

    ids = read_id_map(Path(mask)) if isinstance(mask, str | Path) else mask
    prompt = Prompt(
        frame,
        None if ids is None else np.asarray(ids).astype(np.int64),
        boxes_of(boxes),
        points_of(points),
    )
    if isinstance(source, Source):
        return _propagated(source, prompt)
    (found,) = find_sources([str(source)], as_video=as_video, reading=reading)
    return _propagated(found, prompt)


def _propagated(source: Source, prompt: Prompt) -> Iterator[Result]:
    with closing(feature_network()) as network, source:
        for frame, prediction in propagate_frames(source, prompt, network):
            yield Result(frame, prediction, network.name)


def segment_video(  # noqa: PLR0913 - each is a choice of the caller
    source: str | Path,
    destination: str | Path,
    *,
    model: Segmenter | None = None,
    score: float | None = None,
    classes: Sequence[str] = (),
    task: Task = "instances",
    tracker: str = OURS,
    style: OverlayStyle | None = None,
    progress: Callable[[Frame], None] | None = None,
) -> Report:
    """Segment a video file and write it again with the result drawn over it: H.264, sound and times kept.

    ``task`` "foreground" writes the foreground in white on black. ``destination`` must end in ``.mp4``, must not be
    the source, and appears only when it is whole. ``model`` None takes the one in the package; ``tracker`` as for
    `Segmenter.stream`. Returns what was done, with warnings. Raises `SourceError`, `OutputError`,
    `MissingDependency`, or `InvalidValue` for a wrong argument.
    """
    from maskweave.sources.video import VideoSource  # PyAV takes a third of a second to load

    destination = Path(destination)
    if destination.suffix.lower() != ".mp4":
        raise InvalidValue(f"{destination}: need a name that ends in .mp4")
    wish = Wish(task, score, classes)
    check_tracker(tracker, task)
    with ExitStack() as stack:
        segmenter = stack.enter_context(load()) if model is None else model
        video = stack.enter_context(VideoSource(Path(source)))
        target = Target(
            destination.parent,
            video.info,
            task,
            segmenter.class_names,
            model=segmenter.name,
            style=style or OverlayStyle(),
            inputs=frozenset({Path(source).resolve()}),
        )
        kind = ForegroundVideo if task == "foreground" else OverlayVideo
        report = Report()
        write_results(
            follow_frames(video, segmenter.model, wish, tracker=tracker, clock=report.clock),
            report=report,
            writers=[kind(target, target.checked(destination))],
            progress=progress,
        )
        report.warnings = video.warnings + report.warnings
    return report


def _existing(image: ImageInput) -> ImageInput:
    """Return the input; raises `SourceNotFound` when it is the path of no file."""
    if not isinstance(image, str | Path):
        return image
    try:
        found = Path(image).exists()
    except OSError:  # a name that no file can have
        found = False
    if not found:
        raise SourceNotFound(f"{str(image)[:200]}: need an image file, there is none of that name")
    return Path(image)
