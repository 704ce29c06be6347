"""From what a user types to inputs that can be opened: files, folders, patterns, cameras, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from glob import glob
from pathlib import Path

from maskweave.errors import InvalidValue, MaskWeaveError, SourceNotFound, UnreadableImage
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, RECONNECT, Source, exact_rate
from maskweave.sources.dicom_files import dicom_series, has_frames
from maskweave.sources.files import (
    files_in,
    folders_below,
    in_order,
    is_file,
    kind_by_look,
    nearest,
    open_file,
    real_path,
)
from maskweave.sources.found import Found, Settings
from maskweave.sources.kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES, kind_by_suffix
from maskweave.sources.lazy import LazySource
from maskweave.sources.names import distinct_names, safe_stem, stem_within
from maskweave.sources.reading import Reading
from maskweave.sources.streams import address_source, camera, shown_as, standard_input
from maskweave.sources.tiff import has_pages


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
    settings = Settings(
        recursive, max_pixels, as_video, exact_rate(rate), reconnect, reading or Reading(), ignore
    )
    found = _without_repeats(one for text in inputs for one in _find(str(text), settings))
    names = distinct_names([one.stem for one in found], [one.suffix for one in found])
    return [
        LazySource(name, one.label, one.open_as, one.kind, path=one.path)
        for one, name in zip(found, names, strict=True)
    ]


def _find(text: str, settings: Settings) -> Iterator[Found]:
    """What one word of the command line stands for; what is wrong with it is found as an input that fails."""
    try:
        yield from _find_or_raise(text, settings)
    except (MaskWeaveError, OSError, ValueError) as error:
        shown = shown_as(text)
        failure = error if isinstance(error, MaskWeaveError) else _unreadable(shown, error)
        yield Found(safe_stem(Path(shown).stem), shown, _raising(failure), None)


def _find_or_raise(text: str, settings: Settings) -> Iterator[Found]:
    scheme = text.split("://", 1)[0].lower() if "://" in text else ""
    if scheme:
        yield address_source(text, scheme, settings)
        return
    if text == "-":
        yield Found("stdin", "standard input", lambda name: standard_input(name, settings), "image")
        return
    if (match := re.fullmatch(r"camera[: ](\d+)", text)) and not Path(text).exists():
        yield camera(int(match[1]), settings)
        return
    path = Path(text)
    if path.is_dir():
        yield from _folder(path, settings)
    elif path.exists():
        yield _stack(path, settings) if settings.as_video and has_pages(path) else _file(path, None, settings)
    elif any(sign in text for sign in "*?["):
        yield from _pattern(text, settings)
    else:
        raise SourceNotFound(f"{text}: no such file or folder; {nearest(path)}")


def _file(path: Path, folder: Path | None, settings: Settings) -> Found:
    def open_as(name: str) -> Source:
        return open_file(path, name, max_pixels=settings.max_pixels, reading=settings.reading)

    kind = kind_by_look(path)
    if kind == "image" and has_frames(path):
        kind = "video"
    return Found(stem_within(path, folder), str(path), open_as, kind, path.suffix.lower(), path)


def _series(folder: Path, settings: Settings) -> Iterator[Found]:
    """The DICOM series of a folder, and of those further down."""
    for place in [folder, *(folders_below(folder) if settings.recursive else [])]:
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
            yield Found(stem, label, open_as, kind, path=paths[0])


def _folder(folder: Path, settings: Settings) -> Iterator[Found]:
    series = list(_series(folder, settings))
    yield from series
    files, closed = files_in(folder, recursive=settings.recursive and not settings.as_video)
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
        yield Found(stem_within(path, folder), str(path), _raising(failure), None)


def _wanted(files: list[Path], place: Path | str, settings: Settings) -> list[Path]:
    """The files that are not to be ignored; raises `SourceNotFound` when that leaves none of them."""
    wanted = [path for path in files if settings.ignore is None or not settings.ignore(path)]
    if files and not wanted:
        raise SourceNotFound(
            f"{place}: need pictures or videos, this holds nothing but results of an earlier run, "
            f"like {files[0].name}; name a file itself to use it"
        )
    return wanted


def _frames(folder: Path, frames: list[Path], settings: Settings) -> Found:
    def open_as(name: str) -> Source:
        from maskweave.sources.folders import FrameFolderSource

        return FrameFolderSource(frames, name, rate=settings.rate, max_pixels=settings.max_pixels)

    return Found(folder.resolve().name or "frames", str(folder), open_as, "video", path=folder)


def _stack(path: Path, settings: Settings) -> Found:
    def open_as(name: str) -> Source:
        from maskweave.sources.stack import TiffStackSource

        return TiffStackSource(
            path, name, rate=settings.rate, max_pixels=settings.max_pixels, reading=settings.reading
        )

    return Found(path.stem, str(path), open_as, "video", path.suffix.lower(), path)


def _pattern(pattern: str, settings: Settings) -> Iterator[Found]:
    """Files of a known kind that match; ``**`` goes through folders; hidden files do not match."""
    matches = [Path(match) for match in glob(pattern, recursive=True)]  # noqa: PTH207 - absolute ones too
    files = [path for path in matches if is_file(path) and kind_by_look(path) is not None]
    if not files:
        got = f"{len(matches)} other files" if matches else "nothing"
        raise SourceNotFound(f"{pattern}: need pictures or videos, the pattern matches {got}; check it")
    for path in _wanted(sorted(files, key=in_order), pattern, settings):
        yield _file(path, None, settings)


def _without_repeats(found: Iterator[Found]) -> list[Found]:
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
