"""Results as files. Every format is one class in one visible table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from maskweave.errors import InvalidValue
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.coco import CocoFile
from maskweave.outputs.cutouts import CutoutPicture, CutoutVideo
from maskweave.outputs.davis import DavisFolder
from maskweave.outputs.geojson import GeoJsonFile
from maskweave.outputs.mots import MotsFile
from maskweave.outputs.nrrd import NrrdFile
from maskweave.outputs.pictures import MaskFolder, MaskPicture, OverlayPicture
from maskweave.outputs.table import TableFile
from maskweave.outputs.tracks import TracksFile
from maskweave.outputs.videos import ForegroundVideo, OverlayVideo, SideBySideVideo

FORMATS: MappingProxyType[tuple[str, str, str], type[Writer]] = MappingProxyType(
    {
        # name, kind of source, task
        ("overlay", "image", "instances"): OverlayPicture,
        ("overlay", "image", "semantic"): OverlayPicture,
        ("overlay", "image", "foreground"): OverlayPicture,
        ("overlay", "video", "instances"): OverlayVideo,
        ("overlay", "video", "semantic"): OverlayVideo,
        ("overlay", "video", "foreground"): OverlayVideo,
        ("masks", "image", "instances"): MaskPicture,
        ("masks", "image", "semantic"): MaskPicture,
        ("masks", "image", "foreground"): MaskPicture,
        ("masks", "video", "instances"): MaskFolder,
        ("masks", "video", "semantic"): MaskFolder,
        ("masks", "video", "foreground"): MaskFolder,
        ("coco", "image", "instances"): CocoFile,
        ("coco", "video", "instances"): CocoFile,
        ("foreground", "image", "foreground"): MaskPicture,
        ("foreground", "video", "foreground"): ForegroundVideo,
        ("side-by-side", "video", "instances"): SideBySideVideo,
        ("side-by-side", "video", "semantic"): SideBySideVideo,
        ("side-by-side", "video", "foreground"): SideBySideVideo,
        ("cutout", "image", "instances"): CutoutPicture,
        ("cutout", "image", "foreground"): CutoutPicture,
        ("cutout", "video", "instances"): CutoutVideo,
        ("cutout", "video", "foreground"): CutoutVideo,
        ("davis", "video", "instances"): DavisFolder,
        ("davis", "video", "foreground"): DavisFolder,
        ("tracks", "video", "instances"): TracksFile,
        ("mots", "video", "instances"): MotsFile,
        ("csv", "image", "instances"): TableFile,
        ("csv", "video", "instances"): TableFile,
        ("geojson", "image", "instances"): GeoJsonFile,
        ("nrrd", "image", "instances"): NrrdFile,
        ("nrrd", "image", "semantic"): NrrdFile,
        ("nrrd", "image", "foreground"): NrrdFile,
        ("nrrd", "video", "instances"): NrrdFile,
        ("nrrd", "video", "semantic"): NrrdFile,
        ("nrrd", "video", "foreground"): NrrdFile,
    }
)
"""The writer for each format name, kind of source and task; what is not here cannot be asked for."""

DEFAULTS: MappingProxyType[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("image", "instances"): ("overlay", "masks", "coco"),
        ("image", "semantic"): ("overlay", "masks"),
        ("image", "foreground"): ("overlay", "masks"),
        ("video", "instances"): ("overlay", "coco"),
        ("video", "semantic"): ("overlay", "masks"),
        ("video", "foreground"): ("foreground", "masks"),
    }
)
"""What is written when nothing is asked for."""


_OUTPUT_NAME = re.compile(
    r"\.(overlay\.(jpg|png|mp4)|(masks|semantic|foreground)\.(png|mp4)|cutout\.(png|webm|mp4)|side-by-side\.mp4)$"
)
_OUTPUT_FOLDER = re.compile(r"\.(masks|semantic|foreground|davis)$")


def format_names() -> tuple[str, ...]:
    """Every format that exists."""
    return tuple(dict.fromkeys(name for name, _, _ in FORMATS))


def choose_formats(names: Sequence[str] | None, *, kind: str, task: str) -> tuple[str, ...]:
    """The formats to write for a ``kind`` of source ("image", "video", "live") and a task.

    ``names`` None takes the defaults. Raises `InvalidValue` for an unknown name, one that the task does not have,
    or none at all.
    """
    check_formats(names, task=task)
    if names is None:
        return DEFAULTS[_kind(kind), task]
    for name in names:
        if (name, _kind(kind), task) not in FORMATS:
            raise InvalidValue(
                f"--save {name}: there is no such output of --task {task} for this kind of input"
            )
    return tuple(dict.fromkeys(names))


def check_formats(names: Sequence[str] | None, *, task: str) -> None:
    """Raise `InvalidValue` for an unknown name, one that no kind of source has for the task, or none at all."""
    if names is None:
        return
    if not names:
        raise InvalidValue(f"--save: need at least one of {', '.join(format_names())}, got nothing")
    for name in names:
        if name not in format_names():
            raise InvalidValue(f"--save: need formats out of {', '.join(format_names())}, got {name!r}")
        if not any((name, kind, task) in FORMATS for kind in ("image", "video")):
            raise InvalidValue(f"--save {name}: there is no such output of --task {task}")


def make_writers(names: Sequence[str], target: Target) -> list[Writer]:
    """A writer for each format name; two names for the same file give one."""
    kinds = dict.fromkeys(FORMATS[name, _kind(target.info.kind), target.task] for name in names)
    return [kind(target) for kind in kinds]


def one_picture_a_frame(names: Sequence[str]) -> bool:
    """Whether just one of the formats writes a picture for each frame, so that these may share a folder."""
    return len({"masks", "davis"} & set(names)) == 1


def is_output(path: Path) -> bool:
    """Whether a file is named, or lies in a folder that is named, as this program names what it writes.

    >>> is_output(Path("street.overlay.jpg")), is_output(Path("film.masks/000001.png")), is_output(Path("street.jpg"))
    (True, True, False)
    """
    return bool(_OUTPUT_NAME.search(path.name) or _OUTPUT_FOLDER.search(path.parent.name))


def _kind(kind: str) -> str:
    return "video" if kind == "live" else kind
