"""The seam to file formats: a writer is opened for one source and given its frames in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from maskweave.errors import OutputError
from maskweave.files import atomic_files, atomic_folder
from maskweave.outputs.overlay import OverlayStyle
from maskweave.types.frame import Frame, SourceInfo
from maskweave.types.prediction import Task
from maskweave.types.result import FrameResult

if TYPE_CHECKING:
    from maskweave.outputs.background import Background


@dataclass(frozen=True)
class Target:
    """Where a source's results go, and what a writer must know about the run.

    ``folder``: the output folder. ``info``: the source. ``task``: what was asked for. ``class_names``: the
    model's. ``model``: name of the model, for the record. ``style``: how overlays look. ``background``: what lies
    behind cut-outs (None: nothing), and ``refine_edges`` whether theirs are matted. ``inputs``: the resolved paths
    of everything the run reads, which no output may replace. ``flat``: the images of a folder of frames go into
    ``folder`` itself, named as the frames. ``geojson_crs``: whether GeoJSON is in longitude and latitude (WGS 84),
    or in the image's own map coordinates.
    """

    folder: Path
    info: SourceInfo
    task: Task
    class_names: tuple[str, ...]
    model: str = ""
    style: OverlayStyle = field(default_factory=OverlayStyle)
    inputs: frozenset[Path] = frozenset()
    background: Background | None = None
    flat: bool = False
    geojson_crs: Literal["wgs84", "source"] = "wgs84"
    refine_edges: bool = False

    def path(self, suffix: str) -> Path:
        """The file ``<folder>/<source name><suffix>``; raises `OutputError` when that is an input of the run."""
        return self.checked(self.folder / f"{self.info.name}{suffix}")

    def checked(self, path: Path) -> Path:
        """Return ``path``; raises `OutputError` when it is an input of the run."""
        if path.resolve() in self.inputs:
            raise OutputError(f"{path}: would replace an input of this run; choose another folder with -o")
        return path

    @property
    def source(self) -> str:
        """The path of what the results are of, "" where it has none."""
        return "" if self.info.path is None else str(self.info.path.resolve())

    @property
    def is_flat(self) -> bool:
        """Whether this source's images of frames go into ``folder`` itself: not beside the frames they are of."""
        source = self.info.path
        return (
            self.flat and source is not None and source.is_dir() and source.resolve() != self.folder.resolve()
        )

    def images_path(self, suffix: str) -> Path:
        """The folder for one image a frame: ``<folder>/<source name><suffix>``, or ``folder`` when flat."""
        return self.folder if self.is_flat else self.path(suffix)

    def open_images(self, suffix: str) -> AbstractContextManager[Path]:
        """A folder to fill with one image a frame; what is in it appears at `images_path` when it is whole."""
        path = self.images_path(suffix)
        return atomic_files(path, source=self.source) if self.is_flat else atomic_folder(path)

    @property
    def video_facts(self) -> dict[str, Any]:
        """Facts of a video for our JSON: the seconds that were taken off its times, and the shape of its pixels."""
        if self.info.kind == "image":
            return {}
        aspect = self.info.pixel_aspect.as_integer_ratio()
        return {"start_seconds": round(float(self.info.start), 6), "pixel_aspect_ratio": list(aspect)}

    def frame_name(self, frame: Frame) -> str:
        """The stem of a frame's own file: its name where it has one, else its number."""
        return frame.name or f"{frame.index:06d}"

    def file_name(self, frame: Frame) -> str:
        """The name of the file that a frame is from: its own, else its source's. Never made up."""
        path = self.info.path
        return frame.file_name or frame.name or (path.name if path else self.info.name)


class Writer(ABC):
    """Writes one output of one source. Use as a context manager.

    The final name appears only when the file is whole: leaving the ``with`` block by an exception removes what
    was begun. Subclasses enter their files into ``self.files``, which commits or removes them.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.files = ExitStack()

    @property
    @abstractmethod
    def path(self) -> Path:
        """The file or folder that is there after success."""

    @property
    def warnings(self) -> list[str]:
        """What the user should know about the output, one line each."""
        return []

    def begin(self) -> None:  # noqa: B027 - a file of one image is opened when the image comes
        """Open what the frames go into. Called once, by ``with``."""

    @abstractmethod
    def write(self, result: FrameResult) -> None:
        """Add one frame's result; raises `OutputError` when it cannot be written."""

    def finish(self) -> None:  # noqa: B027 - most files have nothing at their end
        """Write what belongs at the end of the file. Called once, after the last frame."""

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.push(self.files)
            self.begin()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.files.__exit__(kind, error, trace)
            return
        with self.files:
            self.finish()
