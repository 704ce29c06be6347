"""Write results: one table of what draws each output; annotation formats have their own table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from maskweave.annotations.table import format_named, save_names
from maskweave.errors import InvalidValue, did_you_mean
from maskweave.outputs.base import Target, Writer

_EVERY = ("instances", "semantic", "foreground")
_CUT = ("instances", "foreground")

RENDERED: MappingProxyType[tuple[str, str], tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        ("overlay", "image"): ("images.OverlayImage", _EVERY),
        ("overlay", "video"): ("videos.OverlayVideo", _EVERY),
        ("masks", "image"): ("images.MaskImage", _EVERY),
        ("masks", "video"): ("images.MaskFolder", _EVERY),
        ("foreground", "image"): ("images.MaskImage", ("foreground",)),
        ("foreground", "video"): ("videos.ForegroundVideo", ("foreground",)),
        ("side-by-side", "video"): ("videos.SideBySideVideo", _EVERY),
        ("cutout", "image"): ("cutouts.CutoutImage", _CUT),
        ("cutout", "video"): ("cutouts.CutoutVideo", _CUT),
        ("nrrd", "image"): ("nrrd.NrrdFile", _EVERY),
        ("nrrd", "video"): ("nrrd.NrrdFile", _EVERY),
    }
)
"""Module and class that write each format and kind of source, imported on use, and the tasks that they are for."""

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
_LABEL_FOLDER = re.compile(r"\.(voc|cvat-masks|cityscapes|mots-png|panoptic)/.*\.png$")


def format_names() -> tuple[str, ...]:
    """Every format that exists."""
    return tuple(dict.fromkeys([*(name for name, _ in RENDERED), *save_names()]))


def saved_formats(kind: str, task: str | None = None) -> list[str]:
    """The formats of a ``kind`` of source ("image" or "video") and a task, None for any task."""
    tasks = _EVERY if task is None else (task,)
    return [name for name in format_names() if any(_maker(name, kind, each) for each in tasks)]


def _maker(name: str, kind: str, task: str) -> Callable[[Target], Writer] | None:
    """The maker of a format's writer; None where the kind of source and task have none."""
    place, tasks = RENDERED.get((name, kind), ("", ()))
    if task in tasks:
        module, _, writer = place.rpartition(".")
        found: Any = getattr(import_module(f"maskweave.outputs.{module}"), writer)
        return found  # type: ignore[no-any-return]
    if name not in save_names():
        return None
    form = format_named(save_names()[name])
    if task not in form.tasks or not (form.stills if kind == "image" else form.videos):
        return None
    from maskweave.outputs.annotations import AnnotationWriter

    return partial(AnnotationWriter, form=form, name=name)


def choose_formats(names: Sequence[str] | None, *, kind: str, task: str, source: str = "") -> tuple[str, ...]:
    """The formats to write for a ``kind`` of source ("image", "video", "live") and a task.

    ``names`` None takes the defaults; ``source`` is what an error calls the input. Raises `InvalidValue` for an
    unknown name, one that the task does not have, or none at all.
    """
    check_formats(names, task=task)
    if names is None:
        return DEFAULTS[_kind(kind), task]
    for name in names:
        if _maker(name, _kind(kind), task) is None:
            raise InvalidValue(
                f"{source and source + ': '}--save {name}: need an output of --task {task} for this kind of input "
                f"({', '.join(saved_formats(_kind(kind), task))}), got another"
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
            hint = did_you_mean(name, format_names())
            raise InvalidValue(f"--save: need formats out of {', '.join(format_names())}, got {name!r}{hint}")
        if not any(_maker(name, kind, task) for kind in ("image", "video")):
            possible = dict.fromkeys([*saved_formats("image", task), *saved_formats("video", task)])
            raise InvalidValue(
                f"--save {name}: need an output of --task {task} ({', '.join(possible)}), got another"
            )


def make_writers(names: Sequence[str], target: Target) -> list[Writer]:
    """A writer for each format name; two names for the same file give one."""
    makers: dict[object, Callable[[Target], Writer]] = {}
    for name in names:
        maker = _maker(name, _kind(target.info.kind), target.task)
        if maker is None:
            raise InvalidValue(f"--save {name}: need an output of --task {target.task}, got another")
        makers.setdefault(name if isinstance(maker, partial) else maker, maker)
    return [maker(target) for maker in makers.values()]


def one_image_per_frame(names: Sequence[str]) -> bool:
    """Whether just one of the formats writes an image for each frame, so that these may share a folder."""
    return len({"masks", "davis"} & set(names)) == 1


def is_output(path: Path) -> bool:
    """Whether a file is named, or lies in a folder that is named, as this program names what it writes.

    >>> is_output(Path("street.overlay.jpg")), is_output(Path("clip.masks/000001.png")), is_output(Path("street.jpg"))
    (True, True, False)
    """
    return bool(
        _OUTPUT_NAME.search(path.name)
        or _OUTPUT_FOLDER.search(path.parent.name)
        or _LABEL_FOLDER.search(path.as_posix())
    )


def _kind(kind: str) -> str:
    return "video" if kind == "live" else kind
