"""A file opened as what it is, and the files of folders."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from maskweave.errors import UnreadableImage, UnreadableVideo
from maskweave.sources.base import MAX_PIXELS, Source
from maskweave.sources.kinds import Kind, is_regular, kind_by_suffix, kind_of
from maskweave.sources.names import natural_key
from maskweave.sources.reading import Reading


def open_file(
    path: Path, name: str | None = None, *, max_pixels: int = MAX_PIXELS, reading: Reading | None = None
) -> Source:
    """Open a picture or a video, told apart by content, then by suffix, then by trying both.

    A pipe is taken for a picture. Pictures are decoded when they are iterated.

    Raises `SourceNotFound`, `UnreadableImage`, `UnreadableVideo`, `ImageTooLarge` or `MissingDependency`.
    """
    from maskweave.sources.pictures import open_picture
    from maskweave.sources.video import VideoSource

    kind = kind_by_look(path)
    if kind == "image":
        return open_picture(path, name, max_pixels=max_pixels, reading=reading)
    try:
        return VideoSource(path, name, max_pixels=max_pixels)
    except UnreadableVideo as error:
        if kind == "video":
            raise
        raise UnreadableImage(
            f"{path}: need a picture or a video, got something that is neither; check the file"
        ) from error


def kind_by_look(path: Path) -> Kind | None:
    """Kind by content or suffix; unreadable files go by suffix and fail when they are opened.

    A pipe would be used up by a look at its content, and a device may never answer: both are left to `ImageSource`.
    """
    if not is_regular(path):
        return "image"
    try:
        return kind_of(path)
    except OSError:
        return kind_by_suffix(path)


def files_in(folder: Path, *, recursive: bool) -> tuple[list[Path], list[tuple[Path, OSError]]]:
    """Pictures and videos by suffix, in natural order, and the folders further down that cannot be read."""
    found: list[Path] = []
    closed: list[tuple[Path, OSError]] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            files, folders = _entries(here)
        except OSError as error:
            if here is folder:
                raise
            closed.append((here, error))
            continue
        found += files
        waiting += folders if recursive else []
    return sorted(found, key=in_order), sorted(closed, key=lambda each: in_order(each[0]))


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Regular files with a known suffix, and folders, without hidden ones and links to folders."""
    files: list[Path] = []
    folders: list[Path] = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            folders += [] if path.is_symlink() else [path]  # a link may lead back up
        elif kind_by_suffix(path) is not None and is_regular(path):
            files.append(path)
    return files, folders


def is_file(path: Path) -> bool:
    """Whether it is there, may be reached, and is a file."""
    try:
        return path.is_file()
    except OSError:  # a folder on the way may not be entered
        return False


def in_order(path: Path) -> tuple[object, str]:
    """Natural order of the stems ("a" before "a10"), the suffix only between equal ones."""
    return natural_key(path.with_suffix("").as_posix()), path.suffix


def real_path(path: Path) -> Path:
    """Where links lead; a link that leads to itself stays as it is, to fail when it is opened."""
    return Path(os.path.realpath(path))


def folders_below(folder: Path) -> list[Path]:
    """All folders further down that are not hidden, in natural order."""
    below = [each for each in folder.rglob("*") if each.is_dir() and not each.name.startswith(".")]
    return sorted(below, key=in_order)


def nearest(path: Path) -> str:
    """Existing names like the one that is missing, or where to look."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    names = sorted(entry.name for entry in folder.iterdir())[:10_000]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else "check the path"
