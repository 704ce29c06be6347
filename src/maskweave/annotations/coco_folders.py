"""Where the COCO files of a data set lie, as tools export it, and where the images of each are looked for.

A folder of COCO files, as ``segment`` writes it; ``annotations/instances_train2017.json`` beside ``train2017/`` or
``images/``, as COCO and CVAT have it; or ``train/_annotations.coco.json`` among the images, as Roboflow has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from maskweave.annotations.json_stream import json_outline
from maskweave.annotations.report import Report
from maskweave.errors import InvalidValue

_LOOKED_AT = 3
_OTHERS = (".tracks.json", ".results.json")


class CocoFile(NamedTuple):
    """A COCO file of a data set.

    Attributes:
        path: The file.
        part: "train", "val" or "test"; "" where nothing says so.
        name: How the part is called.
        folders: Where its images are looked for.
    """

    path: Path
    part: str = ""
    name: str = ""
    folders: tuple[Path, ...] = ()


def is_coco(file: Path) -> bool:
    """Whether a JSON file has COCO's lists, which are neither videos' nor panoptic."""
    outline = json_outline(file)
    is_other = "videos" in outline.keys or "segments_info" in outline.inner.get("annotations", ())
    lists = outline.keys & {"images", "annotations", "categories"}
    return len(lists) > 1 and not is_other


def coco_files(folder: Path) -> list[CocoFile]:
    """The COCO files of a folder, or else those of ``annotations`` in it, or else of its parts; [] in one of YOLO."""
    if (folder / "data.yaml").is_file():
        return []
    own = _files_in(folder)
    if own:
        return [CocoFile(each) for each in own]
    named = _files_in(folder / "annotations")
    if named:
        masks = [each for each in named if each.stem.startswith("instances")]
        return [_of_annotations(folder, each) for each in masks or named]
    below = sorted(each for each in folder.glob("*") if _part_of(each.name) and each.is_dir())
    return [CocoFile(file, _part_of(each.name), each.name) for each in below for file in _files_in(each)]


def files_of_part(path: Path, part: str | None, report: Report) -> list[CocoFile]:
    """The files of a folder, or of one part of it; JSON files beside them are reported.

    Raises `InvalidValue` where it has parts, and not that one.
    """
    found = coco_files(path)
    parts = {each.part: None for each in found if each.part}
    files = [each for each in found if each.part == part] if part is not None and parts else found
    if not files:
        raise InvalidValue(f"{path}: has no {part} part, but {', '.join(parts)}")
    known = {each.path for each in found}
    beside = sorted(file for each in {each.parent for each in known} for file in each.glob("[!.]*.json"))
    passed = [file.relative_to(path).as_posix() for file in beside if file not in known]
    if passed:
        report.warn(f"passed over, as not among COCO's instances: {listed(passed)}")
    return files


def listed(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _of_annotations(folder: Path, file: Path) -> CocoFile:
    """A file such as ``annotations/instances_train2017.json``."""
    name = file.stem.partition("_")[2]
    own = (folder / "images" / name, folder / name) if name else ()
    return CocoFile(file, _part_of(name), name, (*own, folder / "images", folder))


def _part_of(name: str) -> str:
    """The part of a data set that a name begins with, "" where it is none."""
    found = re.match("train|val|test", name.lower())
    return found[0] if found else ""


def _files_in(folder: Path) -> list[Path]:
    """The COCO files in a folder but those of tracks or results; [] where none of the first files is one."""
    files = [file for file in sorted(folder.glob("[!.]*.json")) if not file.name.endswith(_OTHERS)]
    return [file for file in files if is_coco(file)] if any(map(is_coco, files[:_LOOKED_AT])) else []
