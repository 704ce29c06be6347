"""Results as files. Every format is one class in one visible table."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from maskweave.errors import InvalidValue
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.coco import CocoFile
from maskweave.outputs.pictures import MaskFolder, MaskPicture, OverlayPicture
from maskweave.outputs.videos import ForegroundVideo, OverlayVideo

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
        ("foreground", "video", "foreground"): ForegroundVideo,
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


def format_names() -> tuple[str, ...]:
    """Every format that exists."""
    return tuple(dict.fromkeys(name for name, _, _ in FORMATS))


def choose_formats(names: Sequence[str] | None, *, kind: str, task: str) -> tuple[str, ...]:
    """The formats to write for a ``kind`` of source ("image", "video", "live") and a task.

    ``names`` None takes the defaults. Raises `InvalidValue` for an unknown name, or one that the task does
    not have for any source; one that only another kind of source has is passed over.
    """
    kind = "video" if kind == "live" else kind
    if names is None:
        return DEFAULTS[kind, task]
    for name in names:
        if name not in format_names():
            raise InvalidValue(f"--save: need formats out of {', '.join(format_names())}, got {name!r}")
        if not any(key[0] == name and key[2] == task for key in FORMATS):
            raise InvalidValue(f"--save {name}: there is no such output of --task {task}")
    return tuple(name for name in dict.fromkeys(names) if (name, kind, task) in FORMATS)


def open_writers(names: Sequence[str], target: Target) -> list[Writer]:
    """Open a writer for each format name; if one cannot be opened, those before it are undone."""
    kind = "video" if target.info.kind == "live" else target.info.kind
    writers: list[Writer] = []
    try:
        for name in names:
            writers.append(FORMATS[name, kind, target.task](target))  # noqa: PERF401 - undone one by one below
    except BaseException as error:
        for writer in writers:
            writer.__exit__(type(error), error, error.__traceback__)
        raise
    return writers
