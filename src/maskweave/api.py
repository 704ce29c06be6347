"""The Python interface: load a model, call it, look at the result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from maskweave.catalogue.entries import BUILT_IN
from maskweave.errors import InvalidValue, SourceNotFound
from maskweave.models.base import Model, Prediction
from maskweave.models.loading import EngineOptions, load_model
from maskweave.outputs.base import Target, Task
from maskweave.outputs.coco import coco_results
from maskweave.outputs.files import atomic_file
from maskweave.outputs.overlay import OverlayStyle, draw_overlay
from maskweave.outputs.pictures import encode_masks_picture, encode_picture
from maskweave.outputs.videos import ForegroundVideo, OverlayVideo
from maskweave.pipeline import Report, Wish, run, segment_frames
from maskweave.sources.base import Source
from maskweave.sources.find import find_sources
from maskweave.sources.images import ImageSource
from maskweave.tracking import OverlapTracker
from maskweave.types.arrays import Image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.semantic import SemanticMap

if TYPE_CHECKING:
    import matplotlib.axes
    from PIL.Image import Image as Picture

ImageInput: TypeAlias = "str | Path | bytes | np.ndarray[Any, np.dtype[Any]] | Picture"


def load(
    name: str | Path = BUILT_IN,
    *,
    device: str = "cpu",
    threads: int | None = None,
    size: int | None = None,
    engine: str | None = None,
    offline: bool | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Segmenter:
    """Load a model: the one in the package, a catalogue name, or the path of an .onnx or .pb file.

    ``device``: "cpu", "cuda", …; one that does not serve the model raises `DeviceUnavailable`. ``threads`` of the
    engine (None: the engine chooses). ``size``: the input's long side in pixels, for models that let you choose.
    ``engine``: "onnxruntime" or "opencv" (None: what the model needs). ``offline``: never fetch a file.
    ``progress`` is called with the bytes fetched so far and in all.

    Raises `UnknownModel`, `ModelNotHere`, `HashMismatch`, `NotAModel`, `UnknownLayout` or `DeviceUnavailable`.
    """
    options = EngineOptions(device=device, threads=threads, engine=engine)
    return Segmenter(load_model(name, options=options, size=size, offline=offline, progress=progress))


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
    ) -> Result:
        """Segment one image: a path, the bytes of a file, a PIL image, or an (H, W, 3) uint8 RGB array.

        ``score`` in [0, 1]: drop what the model is less sure of (None: the model's default). ``classes``: keep
        only these names. ``task``: "instances", "semantic" or "foreground" (None: what the model gives).

        Raises `SourceError` when the image cannot be read and `InvalidValue` for a wrong argument.
        """
        wish = self._wish(score, classes, task)
        if isinstance(image, str | Path) and not Path(image).is_file():
            raise SourceNotFound(f"{image}: need an image file, there is none of that name")
        with ImageSource(image) as source:
            for frame, prediction in segment_frames(source, self.model, wish):
                return Result(frame, prediction, self.name)
        raise SourceNotFound("image: no picture in it")

    def stream(
        self,
        source: str | Path | Source,
        *,
        score: float | None = None,
        classes: Sequence[str] = (),
        task: Task | None = None,
        track: bool = True,
    ) -> Iterator[Result]:
        """Segment a video (or folder, camera, stream) frame by frame; yields results as they come.

        Memory stays constant. ``track`` gives the objects ids that last; other arguments as for a call.
        """
        wish = self._wish(score, classes, task)
        wish.check(self.model)
        sources = find_sources([str(source)]) if isinstance(source, str | Path) else [source]
        for each in sources:
            tracker = OverlapTracker() if track and each.info.kind != "image" else None
            with each:
                for frame, prediction in segment_frames(each, self.model, wish, tracker=tracker):
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

    def _wish(self, score: float | None, classes: Sequence[str], task: Task | None) -> Wish:
        if isinstance(classes, str):
            raise InvalidValue(f"classes: need a list of names, got the text {classes!r}")
        return Wish(task=task or self.model.task, score=score, classes=tuple(classes))


@dataclass(frozen=True, eq=False)
class Result:
    """One segmented picture: the ``frame`` it was made from, and the ``prediction``."""

    frame: Frame
    prediction: Prediction
    model: str = ""

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 RGB, the picture without drawings."""
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
        """(H, W, 3) uint8 RGB, the picture with the result drawn over it."""
        return draw_overlay(self.image, self.prediction, style)

    def plot(self, axes: matplotlib.axes.Axes | None = None, *, style: OverlayStyle | None = None) -> Any:
        """Show the overlay with matplotlib and return the axes."""
        import matplotlib.pyplot as plt

        if axes is None:
            height, width = self.frame.size
            _, axes = plt.subplots(figsize=(10, 10 * height / width), layout="constrained")
        axes.imshow(self.overlay(style))
        axes.set_axis_off()
        return axes

    def to_coco(self, *, image_id: int = 1) -> list[dict[str, Any]]:
        """The objects as a list of COCO results: category ids of COCO, boxes x y width height, masks as RLE."""
        return coco_results(self.instances, image_id=image_id)

    def save(self, path: str | Path, *, style: OverlayStyle | None = None) -> Path:
        """Write the overlay picture, or, for a name that ends in ``.json``, the COCO results.

        ``.masks.png``, ``.semantic.png`` and ``.foreground.png`` write the masks themselves. The file appears
        only when it is whole. Raises `OutputError`, or `InvalidValue` for another kind of name.
        """
        path = Path(path)
        with atomic_file(path) as temporary:
            temporary.write_bytes(self._encode(path, style))
        return path

    def _encode(self, path: Path, style: OverlayStyle | None) -> bytes:
        if path.suffix.lower() == ".json":
            return json.dumps(self.to_coco()).encode()
        kind = Path(path.stem).suffix
        if path.suffix.lower() == ".png" and kind in (".masks", ".semantic", ".foreground"):
            return encode_masks_picture(self.prediction, kind[1:])
        return encode_picture(self.overlay(style), path.suffix)

    def __repr__(self) -> str:
        return f"Result({self.prediction!r})"


def segment_video(
    source: str | Path,
    destination: str | Path,
    *,
    model: Segmenter | None = None,
    score: float | None = None,
    classes: Sequence[str] = (),
    task: Task = "instances",
    style: OverlayStyle | None = None,
    progress: Callable[[Frame], None] | None = None,
) -> Report:
    """Segment a video file and write it again with the result drawn over it: H.264, sound and times kept.

    ``task`` "foreground" writes the foreground in white on black. ``destination`` must end in ``.mp4`` and
    appears only when it is whole. Returns what was done, with warnings. Raises `SourceError`, `OutputError`.
    """
    from maskweave.sources.video import VideoSource  # PyAV takes a third of a second to load

    destination = Path(destination)
    if destination.suffix.lower() != ".mp4":
        raise InvalidValue(f"{destination}: need a name that ends in .mp4")
    segmenter = model or load()
    with VideoSource(Path(source)) as video:
        target = Target(
            destination.parent,
            video.info,
            task,
            segmenter.class_names,
            model=segmenter.name,
            style=style or OverlayStyle(),
        )
        kind = ForegroundVideo if task == "foreground" else OverlayVideo
        report = run(
            video,
            segmenter.model,
            Wish(task, score, tuple(classes)),
            tracker=OverlapTracker(),
            writers=[kind(target, destination)],
            progress=progress,
        )
        report.warnings = video.warnings + report.warnings
    return report
