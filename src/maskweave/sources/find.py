"""Find inputs from what a user types: files, folders, patterns, cameras, addresses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from glob import glob
from pathlib import Path

from maskweave.errors import (
    InvalidValue,
    MaskWeaveError,
    MissingDependency,
    SourceNotFound,
    UnreadableImage,
)
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, RECONNECT, Source, exact_rate
from maskweave.sources.files import (
    FolderContents,
    contents_of,
    has_frames,
    in_order,
    is_file,
    kind_of_path,
    nearest,
    open_file,
    real_path,
)
from maskweave.sources.inputs import Input, InputSettings
from maskweave.sources.kinds import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from maskweave.sources.lazy import LazySource
from maskweave.sources.names import distinct_names, safe_stem, stem_within
from maskweave.sources.raster_options import RasterOptions

_CAMERA = re.compile(r"camera[: ]\d+")


def find_sources(
    inputs: Sequence[str | Path],
    *,
    recursive: bool = False,
    max_pixels: int = MAX_PIXELS,
    as_video: bool = False,
    rate: Fraction | float = FRAME_RATE,
    reconnect: float = RECONNECT,
    ignore: Callable[[Path], bool] | None = None,
    raster_options: RasterOptions | None = None,
) -> list[LazySource]:
    """List what the user named, in that order, without opening it.

    Each of ``inputs`` is a file (image or video by its content, whatever its suffix), a folder (its images and
    videos, by content too, in natural order; ``recursive`` also those further down; hidden ones, pipes and devices
    are skipped; what else was passed over is counted in the warnings of its first input), a pattern like
    ``more/*.png``, ``-`` or a pipe for an image that is read once, ``camera:0``, ``rtsp://…``, or the
    ``http(s)://…`` address of an image. A file that is named twice is done once. A folder further down that may not
    be read is an input of its own, which fails when opened.

    ``as_video`` reads a folder of images or the pages of a TIFF as one video of ``rate`` frames per second, and the
    frames of an animation as one of its own times. The DICOM files of a folder are one video for each series. A live
    source that drops out is waited for ``reconnect`` seconds (0: it ends). ``ignore`` is asked for each file found in
    a folder or by a pattern, and True passes it over (results of an earlier run); it is never asked for a file that
    is named itself. ``raster_options`` says how rasters and DICOM are read.

    Output names are file stems; inside a folder input, its sub-folders come first ("sub/beach"). Equal ones
    are told apart as `distinct_names` says. Raises `InvalidValue` when ``inputs`` is empty or ``rate`` is not
    above 0; whatever else is wrong is raised by the source concerned when it is opened.
    """
    if not inputs:
        raise InvalidValue("inputs: need at least one file, folder, pattern, camera or address, got none")
    settings = InputSettings(
        recursive,
        max_pixels,
        as_video,
        exact_rate(rate),
        reconnect,
        raster_options or RasterOptions(),
        ignore,
    )
    found = _without_repeats(one for text in inputs for one in _find(str(text), settings))
    names = distinct_names([one.stem for one in found], [one.suffix for one in found])
    return [
        LazySource(name, one.label, one.open_as, one.kind, path=one.path, notes=one.notes)
        for one, name in zip(found, names, strict=True)
    ]


def _find(text: str, settings: InputSettings) -> Iterator[Input]:
    """What one word of the command line stands for; what is wrong with it is found as an input that fails."""
    try:
        yield from _find_or_raise(text, settings)
    except (MaskWeaveError, OSError, ValueError) as error:
        from maskweave.sources.streams import shown_as

        shown = shown_as(text)
        failure = error if isinstance(error, MaskWeaveError) else _unreadable(shown, error)
        yield Input(safe_stem(Path(shown).stem), shown, _raising(failure), None)


def _find_or_raise(text: str, settings: InputSettings) -> Iterator[Input]:
    path = Path(text)
    if "://" in text[1:] or text == "-" or (_CAMERA.fullmatch(text) and not path.exists()):
        from maskweave.sources.streams import stream_named

        yield stream_named(text, settings)
    elif path.is_dir():
        yield from _folder(path, settings)
    elif path.exists():
        yield _as_video(path, settings) if settings.as_video else _file(path, None, settings)
    elif any(sign in text for sign in "*?["):
        yield from _pattern(text, settings)
    elif path.is_symlink():
        raise SourceNotFound(f"{text}: a link that leads nowhere ({path.readlink()}); name the file itself")
    else:
        raise SourceNotFound(f"{text}: no such file or folder; {nearest(path)}")


def _file(path: Path, folder: Path | None, settings: InputSettings) -> Input:
    def open_as(name: str) -> Source:
        return open_file(path, name, max_pixels=settings.max_pixels, raster_options=settings.raster_options)

    kind = kind_of_path(path)
    if kind == "image" and has_frames(path):
        kind = "video"
    return Input(stem_within(path, folder), str(path), open_as, kind, path.suffix.lower(), path)


def _as_video(path: Path, settings: InputSettings) -> Input:
    """A file whose pages or animation frames are a video; any other as it is without ``as_video``."""
    from maskweave.sources.tiff import has_pages

    if has_pages(path):
        return _stack(path, settings)
    from maskweave.sources.animation import frames_in

    if frames_in(path) < 2:
        return _file(path, None, settings)

    def open_as(name: str) -> Source:
        from maskweave.sources.animation import AnimationSource

        return AnimationSource(path, name, max_pixels=settings.max_pixels)

    return Input(path.stem, str(path), open_as, "video", path.suffix.lower(), path)


def _series(place: Path, files: Sequence[Path], folder: Path, settings: InputSettings) -> Iterator[Input]:
    """The DICOM series of one place in a folder; a file that cannot be read is an input of its own, which fails."""
    below = place.relative_to(folder).as_posix()
    stem = (folder.resolve().name or "series") if below == "." else below
    from maskweave.sources.dicom_files import sort_dicom

    try:
        sorted_files = sort_dicom(files)
    except MissingDependency as error:
        yield Input(stem, str(place), _raising(error), None)
        return
    passed = len(sorted_files.no_images)
    some = f"{passed} DICOM file{'s' if passed > 1 else ''} without pixels"
    for number, (paths, kind) in enumerate(sorted_files.series):

        def open_as(name: str, paths: list[Path] = paths) -> Source:
            from maskweave.sources.dicom import DicomSource

            return DicomSource(
                paths, name, max_pixels=settings.max_pixels, raster_options=settings.raster_options
            )

        label = str(place) if not number else f"{place}, series {number + 1}"
        notes = (f"{place}: passed over {some}",) if passed and not number else ()
        where = paths[0] if len(paths) == 1 else place
        yield Input(stem, label, open_as, kind, path=where, notes=notes, part=number + 1)
    for path, failure in sorted_files.damaged:
        yield Input(stem_within(path, folder), str(path), _raising(failure), None)
    if passed and not sorted_files.series and not sorted_files.damaged:
        yield Input(
            stem, str(place), _raising(UnreadableImage(f"{place}: need DICOM images, got {some}")), None
        )


def _folder(folder: Path, settings: InputSettings) -> Iterator[Input]:
    contents = contents_of(folder, recursive=settings.recursive)
    found = [
        one
        for place in sorted(contents.dicom, key=in_order)
        for one in _series(place, contents.dicom[place], folder, settings)
    ]
    found += _media(folder, contents, settings, has_series=bool(found))
    for path, error in contents.closed:
        failure = _unreadable(str(path), error)
        found.append(Input(stem_within(path, folder), str(path), _raising(failure), None))
    notes = _passed_over(folder, contents, settings)
    if found:
        found[0] = replace(found[0], notes=found[0].notes + notes)
    yield from found


def _media(
    folder: Path, contents: FolderContents, settings: InputSettings, *, has_series: bool
) -> Iterator[Input]:
    """The images and videos of a folder, or the one video that its images are."""
    if settings.as_video:
        frames = [path for path, kind in contents.media if kind == "image" and path.parent == folder]
        if frames or not has_series:
            if not frames:
                raise SourceNotFound(
                    f"{folder}: need a folder of images, found none ({' '.join(IMAGE_SUFFIXES)})"
                )
            yield _frames(folder, _wanted(frames, folder, settings), settings)
        return
    if not contents.media and not contents.closed and not has_series:
        deeper = "" if settings.recursive else "; --recursive also looks into folders below"
        raise SourceNotFound(
            f"{folder}: no images or videos in this folder; looked for "
            f"{' '.join(IMAGE_SUFFIXES + VIDEO_SUFFIXES)}{deeper}"
        )
    files = [path for path, _ in contents.media]
    yield from (_file(path, folder, settings) for path in _wanted(files, folder, settings))


def _passed_over(folder: Path, contents: FolderContents, settings: InputSettings) -> tuple[str, ...]:
    """Count the files of a folder that are no inputs."""
    others = list(contents.others)
    if settings.as_video:
        others += [path for path, kind in contents.media if kind == "video" and path.parent == folder]
    others = [path for path in others if settings.ignore is None or not settings.ignore(path)]
    notes = []
    if others:
        notes.append(f"{folder}: passed over {files_in_words(others)}")
    unvisited = [
        each.name for each in contents.unvisited if settings.ignore is None or not settings.ignore(each)
    ]
    if unvisited and not settings.as_video:
        listed = ", ".join(sorted(unvisited)[:3]) + (" …" if len(unvisited) > 3 else "")
        notes.append(f"{folder}: folders below were not looked into ({listed}); --recursive does")
    return tuple(notes)


def files_in_words(paths: Sequence[Path]) -> str:
    """Count files by their suffixes, the most frequent first.

    >>> files_in_words([Path("a.txt"), Path("b.txt"), Path("LICENSE")])
    '3 files that are no images or videos (2 .txt, 1 LICENSE)'
    """
    kinds = Counter(path.suffix.lower() or path.name for path in paths).most_common()
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds[:5]) + (" …" if len(kinds) > 5 else "")
    some = (
        "1 file that is no image or video"
        if len(paths) == 1
        else f"{len(paths)} files that are no images or videos"
    )
    return f"{some} ({listed})"


def _wanted(files: list[Path], place: Path | str, settings: InputSettings) -> list[Path]:
    """The files that are not to be ignored; raises `SourceNotFound` when that leaves none of them."""
    wanted = [path for path in files if settings.ignore is None or not settings.ignore(path)]
    if files and not wanted:
        raise SourceNotFound(
            f"{place}: need images or videos, this holds nothing but results of an earlier run, "
            f"like {files[0].name}; name a file itself to use it"
        )
    return wanted


def _frames(folder: Path, frames: list[Path], settings: InputSettings) -> Input:
    def open_as(name: str) -> Source:
        from maskweave.sources.folders import FrameFolderSource

        return FrameFolderSource(
            frames,
            name,
            rate=settings.rate,
            max_pixels=settings.max_pixels,
            raster_options=settings.raster_options,
        )

    return Input(folder.resolve().name or "frames", str(folder), open_as, "video", path=folder)


def _stack(path: Path, settings: InputSettings) -> Input:
    def open_as(name: str) -> Source:
        from maskweave.sources.stack import TiffStackSource

        return TiffStackSource(
            path,
            name,
            rate=settings.rate,
            max_pixels=settings.max_pixels,
            raster_options=settings.raster_options,
        )

    return Input(path.stem, str(path), open_as, "video", path.suffix.lower(), path)


def _pattern(pattern: str, settings: InputSettings) -> Iterator[Input]:
    """Files of a known kind that match; ``**`` goes through folders; hidden files do not match."""
    matches = [Path(match) for match in glob(pattern, recursive=True)]  # noqa: PTH207 - absolute ones too
    regular = [path for path in matches if is_file(path)]
    files = [path for path in regular if kind_of_path(path) is not None]
    if not files:
        got = f"{len(matches)} other files" if matches else "nothing"
        raise SourceNotFound(f"{pattern}: need images or videos, the pattern matches {got}; check it")
    ignore = settings.ignore or (lambda _: False)
    others = [path for path in set(regular).difference(files) if not ignore(path)]
    notes = (f"{pattern}: passed over {files_in_words(others)}",) if others else ()
    for number, path in enumerate(_wanted(sorted(files, key=in_order), pattern, settings)):
        found = _file(path, None, settings)
        yield found if number else replace(found, notes=notes)


def _without_repeats(found: Iterator[Input]) -> list[Input]:
    seen: set[tuple[Path, int]] = set()
    kept = []
    for one in found:
        if one.path is not None:
            place = (real_path(one.path), one.part)
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
