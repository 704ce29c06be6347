"""Names of pictures in data sets, kept inside their folder."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

from maskweave.errors import BadRecord, OutputError
from maskweave.formats.base import PicturePolicy
from maskweave.formats.record import Record
from maskweave.outputs.files import output_errors
from maskweave.sources.kinds import IMAGE_SUFFIXES
from maskweave.types.arrays import Size

_MOST_SIDE = 1_000_000  # pixels; a size beyond that is damage


def safe_name(name: object) -> str:
    r"""A file name out of a data set, "/"-separated; raises `BadRecord` when it leads outside its folder.

    >>> safe_name("./a\\b.jpg")
    'a/b.jpg'
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise BadRecord(f"need a file name, got {name!r}")
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts or not path.name:
        raise BadRecord(f"need a file name that stays in its folder, got {name!r}")
    return str(path)


def checked_size(height: object, width: object) -> Size:
    """(height, width) as a data set says; raises `BadRecord` for what is no size."""
    sides = []
    for side in (height, width):
        if isinstance(side, str) and re.fullmatch(r"[0-9]{1,7}", side):
            side = int(side)  # noqa: PLW2901 - XML has only text
        if isinstance(side, float) and side.is_integer():
            side = int(side)  # noqa: PLW2901
        if not isinstance(side, int) or isinstance(side, bool) or not 0 < side <= _MOST_SIDE:
            raise BadRecord(f"need a height and a width in pixels, got {height!r} and {width!r}")
        sides.append(side)
    return sides[0], sides[1]


def find_picture(name: str, *folders: Path | None) -> Path | None:
    """The picture called ``name`` in the first of ``folders`` that has it (None: no such folder)."""
    for folder in folders:
        with suppress(OSError):  # a name that no file can have: there is none
            if folder is not None and (folder / name).is_file():
                return folder / name
    return None


def picture_of_stem(stem: str, *folders: Path | None) -> Path | None:
    """The picture called ``stem`` and a suffix of pictures, in the first of ``folders`` that has it."""
    for suffix in (*IMAGE_SUFFIXES, *(each.upper() for each in IMAGE_SUFFIXES[:6])):
        found = find_picture(stem + suffix, *folders)
        if found is not None:
            return found
    return None


def new_file(folder: Path, name: str) -> Path:
    """``folder / name``, not there yet, its parent made; raises `BadRecord` when two records need one file."""
    path = folder / safe_name(name)
    if path.exists():
        raise BadRecord(f"need names that differ without their suffix, {name} is written already")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def put_picture(record: Record, folder: Path, policy: PicturePolicy) -> None:
    """Copy or hard-link a record's picture to its place in ``folder``, as the policy says.

    Raises `BadRecord` where it was not found, `OutputError` where it cannot be linked.
    """
    if policy == "none":
        return
    if record.picture is None:
        raise BadRecord("need the picture itself for --pictures, it was not found; say where with --images")
    place = new_file(folder, record.file_name)
    try:
        if policy == "link":
            os.link(record.picture.resolve(), place)
        else:
            shutil.copyfile(record.picture, place)
    except OSError as error:
        hint = "; --pictures copy works across disks" if policy == "link" else ""
        raise OutputError(f"{place.name}: the picture cannot be written ({error.strerror}){hint}") from error
