"""Open a file as what it is, and list the files of folders."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from maskweave.errors import MaskWeaveError, UnreadableImage, UnreadableVideo
from maskweave.sources.base import MAX_PIXELS, Source
from maskweave.sources.kinds import (
    AUDIO_SUFFIXES,
    HEAD,
    IMAGE_SUFFIXES,
    TRACKS,
    Kind,
    has_video_track,
    is_dicom,
    is_nifti,
    is_regular,
    kind_by_content,
    kind_by_suffix,
    kind_of,
    read_head,
    wrapping,
)
from maskweave.sources.names import natural_key
from maskweave.sources.raster_options import RasterOptions

_SAMPLED_FILES = 1000  # entries of a folder that is not looked into, by whose names it is judged


def open_file(
    path: Path,
    name: str | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    raster_options: RasterOptions | None = None,
) -> Source:
    """Open an image or a video, distinguished by content, then by suffix, then by trying both.

    A pipe is taken for an image. Images are decoded when they are iterated.

    Raises `SourceNotFound`, `UnreadableImage`, `UnreadableVideo`, `ImageTooLarge` or `MissingDependency`.
    """
    kind = kind_of_path(path)
    if kind == "image":
        from maskweave.sources.open_image import open_image

        return open_image(path, name, max_pixels=max_pixels, raster_options=raster_options)
    from maskweave.sources.video import VideoSource

    try:
        return VideoSource(path, name, max_pixels=max_pixels)
    except UnreadableVideo as error:
        if kind == "video":
            raise
        found = wrapping(_head(path, HEAD)) or "something that is neither; check the file"
        raise UnreadableImage(f"{path}: need an image or a video, got {found}") from error


def kind_of_path(path: Path) -> Kind | None:
    """Kind by content or suffix; unreadable files go by suffix and fail when they are opened.

    A pipe would be used up by a look at its content, and a device may never answer: both are left to `ImageSource`.
    """
    if not is_regular(path):
        return "image"
    try:
        return kind_of(path)
    except OSError:
        return kind_by_suffix(path)


@dataclass
class FolderContents:
    """What is in a folder, and with ``recursive`` below it; hidden files and links to folders are left out.

    - ``media``: images and videos by content, else by suffix, in natural order.
    - ``dicom``: the DICOM files of each folder. ``others``: files that are none of these.
    - ``unvisited``: folders with media that were not looked into. ``closed``: those that cannot be read.
    """

    media: list[tuple[Path, Kind]] = field(default_factory=list)
    dicom: dict[Path, list[Path]] = field(default_factory=dict)
    others: list[Path] = field(default_factory=list)
    unvisited: list[Path] = field(default_factory=list)
    closed: list[tuple[Path, OSError]] = field(default_factory=list)


def contents_of(folder: Path, *, recursive: bool) -> FolderContents:
    """Look at the beginning of every file; raises `OSError` where the folder itself cannot be read."""
    found = FolderContents()
    waiting = [folder]
    while waiting:
        directory = waiting.pop()
        try:
            files, folders = _entries(directory)
        except OSError as error:
            if directory is folder:
                raise
            found.closed.append((directory, error))
            continue
        for path in files:
            _sort_in(path, found)
        if recursive:
            waiting += folders
        else:
            found.unvisited += [each for each in folders if _holds_media(each)]
    found.media.sort(key=lambda each: in_order(each[0]))
    found.closed.sort(key=lambda each: in_order(each[0]))
    return found


def _sort_in(path: Path, found: FolderContents) -> None:
    try:
        head = _head(path, head_length(path.name))
    except OSError:  # told when it is opened, where its name promises something
        head = b""
    kind = kind_in_folder(path.name, head)
    if is_dicom(head) and path.suffix.lower() not in IMAGE_SUFFIXES:
        found.dicom.setdefault(path.parent, []).append(path)
    elif kind is not None:
        found.media.append((path, kind))
    else:
        found.others.append(path)


def head_length(name: str) -> int:
    """How many bytes of the beginning of a file of that name `kind_in_folder` looks at."""
    return TRACKS if name.lower().endswith(AUDIO_SUFFIXES) else HEAD


def kind_in_folder(name: str, head: bytes) -> Kind | None:
    """Kind of a file that was found in a folder: by its beginning, else by its suffix; None for any other."""
    is_audio = name.lower().endswith(AUDIO_SUFFIXES)
    found = None if is_audio and not has_video_track(head) else kind_by_content(head)
    return found or kind_by_suffix(Path(name))


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Regular files and folders, without hidden ones and links to folders."""
    files: list[Path] = []
    folders: list[Path] = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            folders += [] if path.is_symlink() else [path]  # a link may lead back up
        elif is_regular(path):
            files.append(path)
    return files, folders


def _holds_media(folder: Path) -> bool:
    """Whether one of the first files of a folder has the suffix of an image or a video."""
    try:
        return any(kind_by_suffix(each) for each in islice(folder.iterdir(), _SAMPLED_FILES))
    except OSError:
        return False


def _head(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def has_frames(path: Path) -> bool:
    """Whether a file is DICOM or NIfTI with several frames; False also where that is unknown."""
    head = read_head(path)
    try:
        if is_dicom(head):
            from maskweave.sources.dicom import frame_count

            return frame_count(path) > 1
        if is_nifti(head):
            from maskweave.sources.nifti import slice_count

            return slice_count(path) > 1
    except MaskWeaveError:  # told when it is opened
        return False
    return False


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


def nearest(path: Path) -> str:
    """Existing names like the one that is missing, or where to look."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    names = sorted(entry.name for entry in folder.iterdir())[:10_000]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else "check the path"
