"""Find the images of a data set by their names, and keep names inside its folder."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

from maskweave.annotations.options import ImagePolicy, Options
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.annotations.values import shown, whole
from maskweave.errors import BadRecord, InvalidValue, OutputError
from maskweave.files import output_errors
from maskweave.sources.kinds import IMAGE_SUFFIXES
from maskweave.sources.walk import files_below
from maskweave.types.arrays import Size

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_MAX_SIDE = 1_000_000  # pixels; a size beyond that is damage


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


def own_name(name: object) -> str:
    r"""The name of an image in a data set; one that leads elsewhere, as on the machine it is from, is its last part.

    >>> own_name("https://host/bucket/a.jpg?signature=1")
    'a.jpg'

    >>> own_name("trip\\a.jpg"), own_name("C:\\photos\\a.jpg"), own_name("/home/me/a.jpg"), own_name("../a.jpg")
    ('trip/a.jpg', 'a.jpg', 'a.jpg', 'a.jpg')

    Raises `BadRecord` for what is no name.
    """
    try:
        if isinstance(name, str) and _ADDRESS.match(name):
            return safe_name(unquote(urlsplit(name).path).rpartition("/")[2])
        return safe_name(name)
    except BadRecord:
        if not isinstance(name, str):
            raise
        last = name.replace("\\", "/").rpartition("/")[2]
        if last in ("", ".", "..") or "\0" in name:
            raise
        return safe_name(last)


def ends_of(name: str) -> Iterator[str]:
    r"""A path as it is, then its ends below ever more of its folders: those of a path of another machine are here.

    >>> list(ends_of("C:\\set\\images\\a.jpg"))
    ['C:\\set\\images\\a.jpg', 'set/images/a.jpg', 'images/a.jpg', 'a.jpg']
    >>> list(ends_of("train/a.jpg"))
    ['train/a.jpg']
    """
    yield name
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    is_foreign = path.is_absolute() or bool(PureWindowsPath(name).drive)
    parts = [part for part in path.parts if part != "/" and not part.endswith(":")]
    if is_foreign and ".." not in parts:
        yield from ("/".join(parts[at:]) for at in range(len(parts)))
    elif plain != name:
        yield plain


def checked_size(height: object, width: object) -> Size:
    """(height, width) as a data set says, in any spelling; raises `BadRecord` for what is no size.

    >>> checked_size("480", 640.0)
    (480, 640)
    """
    try:
        sides = whole(height, "height"), whole(width, "width")
    except BadRecord:
        sides = (0, 0)
    if not all(0 < side <= _MAX_SIDE for side in sides):
        raise BadRecord(f"need a height and a width in pixels, got {shown(height)} and {shown(width)}")
    return sides


def sized(height: object, width: object, image: Path | None) -> Size:
    """(height, width) of an image as its label says; of one that does not say, that of the image file.

    A side of 0 or -1, or null, says nothing. Raises `BadRecord` where neither says it.
    """
    from maskweave.sources.images import image_size

    if not (_says_nothing(height) or _says_nothing(width)):
        return checked_size(height, width)
    if image is None:
        raise BadRecord(
            f"need a height and a width in pixels, got {shown(height)} and {shown(width)}, and the image was not "
            "found; say where it is with --images"
        )
    return image_size(image)


def _says_nothing(side: object) -> bool:
    return side is None or str(side).strip() in ("", "0", "0.0", "-1", "-1.0")


def image_file(
    name: object, options: Options, *folders: Path, report: Report, expected: bool = True
) -> tuple[str, Path | None]:
    """The name of an image, as `own_name` has it, and its file, looked for in ``--images`` and in ``folders``.

    A path of another machine is looked for by its ends, the longest first, and the one found is the name. Where
    ``--images`` says in which folder it is ``expected`` and it is not there, that is a problem.
    """
    file_name, found = named_image(name, options.images, *folders)
    if len(file_name) < len(str(name).removeprefix("./")):
        report.warn("names of images say where they lay on another machine; their last parts are taken")
    if found is None and options.images is not None and expected:
        report.problem(
            file_name, f"the image is missing from {options.images}; its objects are read all the same"
        )
    return file_name, found


def named_image(name: object, *folders: Path | None) -> tuple[str, Path | None]:
    """The name of an image in a data set and its file; of a path of another machine the longest end that is found."""
    file_name = own_name(name)
    for each in ends_of(str(name)):
        with suppress(BadRecord):
            end = safe_name(each)
            if (found := find_image(end, *folders)) is not None:
                return (end if end == file_name else end.removeprefix("images/")), found
    return file_name, find_image(file_name, *folders)


def find_image(name: str, *folders: Path | None) -> Path | None:
    """The image called ``name`` in the first of ``folders`` that has it (None: no such folder), however spelled."""
    for folder in folders:
        for each in _spellings(name) if folder is not None else ():
            with suppress(OSError):  # a name that no file can have: there is none
                if folder is not None and (folder / each).is_file():
                    return folder / each
    return None


def _spellings(name: str) -> Iterator[str]:
    """A name, then as it is without the escapes of an address, in the other normal forms, and with another suffix.

    >>> list(_spellings("my%20photo.JPG"))
    ['my%20photo.JPG', 'my photo.JPG', 'my%20photo.jpg']
    """
    seen = {name}
    yield name
    plain = unquote(name)
    stem, dot, suffix = name.rpartition(".")
    others = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    with suppress(BadRecord):  # escaped, it may lead elsewhere
        others.insert(0, safe_name(plain))
    for other in (*others, stem + dot + suffix.lower(), stem + dot + suffix.upper()):
        if other not in seen and "/" not in suffix:
            seen.add(other)
            yield other


def image_of_stem(stem: str, *folders: Path | None) -> Path | None:
    """The image called ``stem`` and a suffix of images, in the first of ``folders`` that has it."""
    for suffix in IMAGE_SUFFIXES:
        found = find_image(stem + suffix, *folders)
        if found is not None:
            return found
    return None


def label_files(path: Path, suffix: str, *, need: str) -> Iterator[tuple[Path, str]]:
    """The label files of a folder and of those below it, or the one that is given, each with its name in the folder.

    Raises `InvalidValue` that says what was needed where there is none.
    """
    root = path if path.is_dir() else path.parent
    found = False
    for file in files_below(path, (suffix,)) if path.is_dir() else (path,):
        found = True
        yield file, file.relative_to(root).as_posix()
    if not found:
        raise InvalidValue(f"{path}: need {need}, found none")


def new_file(folder: Path, name: str) -> Path:
    """``folder / name``, not there yet, its parent made; raises `BadRecord` when two records need one file."""
    path = folder / safe_name(name)
    if path.exists():
        raise BadRecord(f"need names that differ without their suffix, {name} is written already")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def put_image(record: Record, folder: Path, policy: ImagePolicy) -> None:
    """Copy or hard-link a record's image to its place in ``folder``, as the policy says.

    Raises `BadRecord` where it was not found, `OutputError` where it cannot be linked.
    """
    if policy == "none":
        return
    if record.image is None:
        raise BadRecord("need the image itself for --with-images, it was not found; say where with --images")
    place = new_file(folder, record.file_name)
    try:
        if policy == "link":
            os.link(record.image.resolve(), place)
        else:
            shutil.copyfile(record.image, place)
    except OSError as error:
        hint = "; --with-images copy works across disks" if policy == "link" else ""
        raise OutputError(f"{place.name}: the image cannot be written ({error.strerror}){hint}") from error
