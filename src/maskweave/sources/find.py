"""From what a user types to inputs that can be opened: files, folders, patterns, cameras, addresses."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from glob import glob
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from maskweave.errors import InvalidValue, MaskWeaveError, SourceNotFound, UnreadableImage, UnreadableVideo
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, RECONNECT, Source, exact_rate
from maskweave.sources.dicom_files import dicom_series, has_frames
from maskweave.sources.kinds import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    Kind,
    is_regular,
    kind_by_suffix,
    kind_of,
)
from maskweave.sources.live import LiveSource
from maskweave.sources.names import distinct_names, natural_key, safe_stem, stem_within
from maskweave.sources.reading import Reading
from maskweave.sources.tiff import has_pages
from maskweave.types.frame import Frame, SourceInfo

AnyKind: TypeAlias = Literal["image", "video", "live"]


class LazySource:
    """A `Source` that is opened when it is entered, iterated, or asked for its ``info``.

    - ``name``: the stem for its outputs, distinct among the inputs found together.
    - ``label``: what to call it in messages: what the user typed, without passwords.
    - ``kind``: what it is as far as name and first bytes tell, or None when it was not found.
    - ``path``: the file or folder that it reads, or None (address, camera, standard input, not found).
    - ``info``: never raises; of an input that cannot be opened it holds name, kind and path only.

    ``with`` and iterating raise the `SourceError` of an input that was not found or cannot be opened, so
    that one bad input does not stop the others from being done. It may be entered again after closing.
    """

    def __init__(
        self,
        name: str,
        label: str,
        open_as: Callable[[str], Source],
        kind: AnyKind | None = None,
        *,
        path: Path | None = None,
    ) -> None:
        self.name = name
        self.label = label
        self.kind = kind
        self.path = path
        self._open_as = open_as
        self._source: Source | None = None
        self._info: SourceInfo | None = None
        self._warnings: list[str] = []

    @property
    def info(self) -> SourceInfo:
        """What the source promises; opens it."""
        if self._info is None:
            try:
                self._info = self.open().info
            except MaskWeaveError:
                return SourceInfo(self.name, self.kind or "image", self.path)
        return self._info

    @property
    def warnings(self) -> list[str]:
        """What was skipped, repaired or missing; kept after closing."""
        return self._warnings if self._source is None else self._source.warnings

    def open(self) -> Source:
        """The source itself, opened if it is not open; raises `SourceError`."""
        if self._source is None:
            self._source = self._open_as(self.name)
        return self._source

    def stop(self) -> None:
        """End a live source after the frame in the making, also while it waits; see `LiveSource.stop`."""
        if isinstance(self._source, LiveSource):
            self._source.stop()

    def close(self) -> None:
        """Close it if it is open."""
        source, self._source = self._source, None
        if source is not None:
            self._warnings = source.warnings
            source.close()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.open())

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LazySource({self.name!r}, {self.kind}, {self.label})"


@dataclass(frozen=True)
class _Found:
    """An input before names are made distinct."""

    stem: str
    label: str
    open_as: Callable[[str], Source]
    kind: AnyKind | None
    suffix: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class _Settings:
    recursive: bool
    max_pixels: int
    as_video: bool
    rate: Fraction
    reconnect: float
    reading: Reading
    ignore: Callable[[Path], bool] | None


def find_sources(
    inputs: Sequence[str | Path],
    *,
    recursive: bool = False,
    max_pixels: int = MAX_PIXELS,
    as_video: bool = False,
    rate: Fraction | float = FRAME_RATE,
    reconnect: float = RECONNECT,
    ignore: Callable[[Path], bool] | None = None,
    reading: Reading | None = None,
) -> list[LazySource]:
    """List what the user named, in that order, without opening it.

    Each of ``inputs`` is a file (picture or video by its content, whatever its suffix), a folder (its
    pictures and videos in natural order; ``recursive`` also those further down; hidden ones, pipes and
    devices are skipped), a pattern like ``more/*.png``, ``-`` or a pipe for a picture that is read once,
    ``camera:0``, ``rtsp://…``, or the ``http(s)://…`` address of a picture. A file that is named twice is
    done once. A folder further down that may not be read is an input of its own, which fails when opened.

    ``as_video`` reads a folder of pictures, or the pages of a TIFF, as one video of ``rate`` frames per second. The
    DICOM files of a folder are one video for each series. A live source that drops out is waited for ``reconnect``
    seconds (0: it ends). ``ignore`` is asked for each file found in a folder or by a pattern, and True passes it over
    (results of an earlier run); it is never asked for a file that is named itself. ``reading`` says how rasters and
    DICOM are read.

    Output names are file stems; inside a folder input, its sub-folders come first ("sub/beach"). Equal ones
    are told apart as `distinct_names` says. Raises `InvalidValue` when ``inputs`` is empty or ``rate`` is not
    above 0; whatever else is wrong is raised by the source concerned when it is opened.
    """
    if not inputs:
        raise InvalidValue("inputs: need at least one file, folder, pattern, camera or address, got none")
    settings = _Settings(
        recursive, max_pixels, as_video, exact_rate(rate), reconnect, reading or Reading(), ignore
    )
    found = _without_repeats(one for text in inputs for one in _find(str(text), settings))
    names = distinct_names([one.stem for one in found], [one.suffix for one in found])
    return [
        LazySource(name, one.label, one.open_as, one.kind, path=one.path)
        for one, name in zip(found, names, strict=True)
    ]


def open_file(
    path: Path, name: str | None = None, *, max_pixels: int = MAX_PIXELS, reading: Reading | None = None
) -> Source:
    """Open a picture or a video, told apart by content, then by suffix, then by trying both.

    A pipe is taken for a picture. Pictures are decoded when they are iterated.

    Raises `SourceNotFound`, `UnreadableImage`, `UnreadableVideo`, `ImageTooLarge` or `MissingDependency`.
    """
    from maskweave.sources.pictures import open_picture
    from maskweave.sources.video import VideoSource

    kind = _kind(path)
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


def _find(text: str, settings: _Settings) -> Iterator[_Found]:
    """What one word of the command line stands for; what is wrong with it is found as an input that fails."""
    try:
        yield from _find_or_raise(text, settings)
    except (MaskWeaveError, OSError, ValueError) as error:
        shown = _shown(text)
        failure = error if isinstance(error, MaskWeaveError) else _unreadable(shown, error)
        yield _Found(safe_stem(Path(shown).stem), shown, _raising(failure), None)


def _find_or_raise(text: str, settings: _Settings) -> Iterator[_Found]:
    scheme = text.split("://", 1)[0].lower() if "://" in text else ""
    if scheme:
        yield _address(text, scheme, settings)
        return
    if text == "-":
        yield _Found("stdin", "standard input", lambda name: _standard_input(name, settings), "image")
        return
    if (match := re.fullmatch(r"camera[: ](\d+)", text)) and not Path(text).exists():
        yield _camera(int(match[1]), settings)
        return
    path = Path(text)
    if path.is_dir():
        yield from _folder(path, settings)
    elif path.exists():
        yield _stack(path, settings) if settings.as_video and has_pages(path) else _file(path, None, settings)
    elif any(sign in text for sign in "*?["):
        yield from _pattern(text, settings)
    else:
        raise SourceNotFound(f"{text}: no such file or folder; {_nearest(path)}")


def _file(path: Path, folder: Path | None, settings: _Settings) -> _Found:
    def open_as(name: str) -> Source:
        return open_file(path, name, max_pixels=settings.max_pixels, reading=settings.reading)

    kind = _kind(path)
    if kind == "image" and has_frames(path):
        kind = "video"
    return _Found(stem_within(path, folder), str(path), open_as, kind, path.suffix.lower(), path)


def _series(folder: Path, settings: _Settings) -> Iterator[_Found]:
    """The DICOM series of a folder, and of those further down."""
    for place in [folder, *(_folders_below(folder) if settings.recursive else [])]:
        try:
            series = dicom_series(place)
        except OSError:  # told by whoever looks for pictures there
            continue
        for number, (paths, kind) in enumerate(series):

            def open_as(name: str, paths: list[Path] = paths) -> Source:
                from maskweave.sources.dicom import DicomSource

                return DicomSource(paths, name, max_pixels=settings.max_pixels, reading=settings.reading)

            below = place.relative_to(folder).as_posix()
            stem = (folder.resolve().name or "series") if below == "." else below
            label = str(place) if not number else f"{place}, series {number + 1}"
            yield _Found(stem, label, open_as, kind, path=paths[0])


def _folders_below(folder: Path) -> list[Path]:
    below = [each for each in folder.rglob("*") if each.is_dir() and not each.name.startswith(".")]
    return sorted(below, key=_in_order)


def _folder(folder: Path, settings: _Settings) -> Iterator[_Found]:
    series = list(_series(folder, settings))
    yield from series
    files, closed = _files_in(folder, recursive=settings.recursive and not settings.as_video)
    if settings.as_video:
        frames = [path for path in files if kind_by_suffix(path) == "image"]
        if not frames:
            raise SourceNotFound(
                f"{folder}: need a folder of pictures, found none ({' '.join(IMAGE_SUFFIXES)})"
            )
        yield _frames(folder, _wanted(frames, folder, settings), settings)
        return
    if not files and not closed:
        if series:
            return
        deeper = "" if settings.recursive else "; --recursive also looks into folders below"
        raise SourceNotFound(
            f"{folder}: no pictures or videos in this folder; looked for "
            f"{' '.join(IMAGE_SUFFIXES + VIDEO_SUFFIXES)}{deeper}"
        )
    yield from (_file(path, folder, settings) for path in _wanted(files, folder, settings))
    for path, error in closed:
        failure = _unreadable(str(path), error)
        yield _Found(stem_within(path, folder), str(path), _raising(failure), None)


def _wanted(files: list[Path], place: Path | str, settings: _Settings) -> list[Path]:
    """The files that are not to be ignored; raises `SourceNotFound` when that leaves none of them."""
    wanted = [path for path in files if settings.ignore is None or not settings.ignore(path)]
    if files and not wanted:
        raise SourceNotFound(
            f"{place}: need pictures or videos, this holds nothing but results of an earlier run, "
            f"like {files[0].name}; name a file itself to use it"
        )
    return wanted


def _frames(folder: Path, frames: list[Path], settings: _Settings) -> _Found:
    def open_as(name: str) -> Source:
        from maskweave.sources.folders import FrameFolderSource

        return FrameFolderSource(frames, name, rate=settings.rate, max_pixels=settings.max_pixels)

    return _Found(folder.resolve().name or "frames", str(folder), open_as, "video", path=folder)


def _stack(path: Path, settings: _Settings) -> _Found:
    def open_as(name: str) -> Source:
        from maskweave.sources.stack import TiffStackSource

        return TiffStackSource(
            path, name, rate=settings.rate, max_pixels=settings.max_pixels, reading=settings.reading
        )

    return _Found(path.stem, str(path), open_as, "video", path.suffix.lower(), path)


def _pattern(pattern: str, settings: _Settings) -> Iterator[_Found]:
    """Files of a known kind that match; ``**`` goes through folders; hidden files do not match."""
    matches = [Path(match) for match in glob(pattern, recursive=True)]  # noqa: PTH207 - absolute ones too
    files = [path for path in matches if _is_file(path) and _kind(path) is not None]
    if not files:
        got = f"{len(matches)} other files" if matches else "nothing"
        raise SourceNotFound(f"{pattern}: need pictures or videos, the pattern matches {got}; check it")
    for path in _wanted(sorted(files, key=_in_order), pattern, settings):
        yield _file(path, None, settings)


def _camera(index: int, settings: _Settings) -> _Found:
    def open_as(name: str) -> Source:
        from maskweave.sources.camera import CameraSource

        return CameraSource(index, name, reconnect=settings.reconnect, max_pixels=settings.max_pixels)

    return _Found(f"camera-{index}", f"camera {index}", open_as, "live")


def _address(address: str, scheme: str, settings: _Settings) -> _Found:
    shown = _shown(address)
    if scheme in ("rtsp", "rtsps"):
        return _Found(safe_stem(shown.split("://", 1)[1]), shown, _rtsp(address, settings), "live")
    if scheme in ("http", "https"):
        stem = safe_stem(Path(shown.split("://", 1)[1]).stem)
        return _Found(stem, shown, _web(address, shown, settings), "image", Path(shown).suffix.lower())
    raise SourceNotFound(
        f"{shown}: need http, https or rtsp, got {scheme}; load it yourself and pass the file"
    )


def _rtsp(address: str, settings: _Settings) -> Callable[[str], Source]:
    def open_as(name: str) -> Source:
        from maskweave.sources.camera import RtspSource

        return RtspSource(address, name, reconnect=settings.reconnect, max_pixels=settings.max_pixels)

    return open_as


def _web(address: str, shown: str, settings: _Settings) -> Callable[[str], Source]:
    def open_as(name: str) -> Source:
        from maskweave.sources.images import ImageSource
        from maskweave.sources.web import fetch

        return ImageSource(fetch(address), name, max_pixels=settings.max_pixels, label=shown)

    return open_as


def _shown(text: str) -> str:
    """What the user typed, as messages may show it."""
    from maskweave.sources.web import without_secrets

    return without_secrets(text) if "://" in text else text


def _standard_input(name: str, settings: _Settings) -> Source:
    from maskweave.sources.images import ImageSource, read_all

    if sys.stdin is None or sys.stdin.isatty():
        raise UnreadableImage(
            "standard input: need a picture, got a terminal; use: maskweave segment - < a.jpg"
        )
    label = "standard input"
    data = read_all(sys.stdin.buffer, label)
    return ImageSource(data, name, max_pixels=settings.max_pixels, label=label)


def _files_in(folder: Path, *, recursive: bool) -> tuple[list[Path], list[tuple[Path, OSError]]]:
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
    return sorted(found, key=_in_order), sorted(closed, key=lambda each: _in_order(each[0]))


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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder on the way may not be entered
        return False


def _in_order(path: Path) -> tuple[object, str]:
    """Natural order of the stems ("a" before "a10"), the suffix only between equal ones."""
    return natural_key(path.with_suffix("").as_posix()), path.suffix


def real_path(path: Path) -> Path:
    """Where links lead; a link that leads to itself stays as it is, to fail when it is opened."""
    return Path(os.path.realpath(path))


def _without_repeats(found: Iterator[_Found]) -> list[_Found]:
    seen: set[Path] = set()
    kept = []
    for one in found:
        if one.path is not None:
            place = real_path(one.path)
            if place in seen:
                continue
            seen.add(place)
        kept.append(one)
    return kept


def _raising(error: MaskWeaveError) -> Callable[[str], Source]:
    def open_as(name: str) -> Source:
        raise error

    return open_as


def _unreadable(text: str, error: Exception) -> MaskWeaveError:
    reason = getattr(error, "strerror", None) or str(error)
    return UnreadableImage(f"{text}: cannot be read ({reason}); check the path and its permissions")


def _kind(path: Path) -> Kind | None:
    """Kind by content or suffix; unreadable files go by suffix and fail when they are opened.

    A pipe would be used up by a look at its content, and a device may never answer: both are left to `ImageSource`.
    """
    if not is_regular(path):
        return "image"
    try:
        return kind_of(path)
    except OSError:
        return kind_by_suffix(path)


def _nearest(path: Path) -> str:
    """Existing names like the one that is missing, or where to look."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    names = sorted(entry.name for entry in folder.iterdir())[:10_000]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else "check the path"
