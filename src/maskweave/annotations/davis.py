"""DAVIS: a folder of palette images a video, whose pixels are the objects' numbers.

``Annotations/480p/<video>/<frame>.png`` (read besides: without the two outer folders, or one video alone) and
``JPEGImages/480p/<video>/<frame>.jpg``. 255 is void. Source: https://davischallenge.org.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image as PILImage

from maskweave.annotations.base import Format, Put
from maskweave.annotations.id_images import flattened, has_areas, objects_of_ids, read_id_map, read_indices
from maskweave.annotations.numbering import TrackNumbers
from maskweave.annotations.objects import make_objects
from maskweave.annotations.options import Options
from maskweave.annotations.places import image_of_stem, new_file, put_image
from maskweave.annotations.record import Record
from maskweave.annotations.report import Report
from maskweave.errors import MaskWeaveError, SourceNotFound
from maskweave.files import atomic_files, atomic_folder
from maskweave.ops.masks_png import encode_palette
from maskweave.sources.walk import files_below

CLASS = "object"
"""What every object is called, as the format has no classes."""
_VOID, _MAX_ID = 255, 254
_OTHERS = re.compile(r"TrainIds\.png$|/Segmentation(Class|Object)[^/]*/")
"""Images of numbers of other data sets."""
_SUFFIX = re.compile(r"\.(davis|masks|foreground)$")
"""What ``segment`` and ``propagate`` add to a video's name, so that a folder of theirs is the video's sequence."""


def detect(path: Path) -> str | None:
    """A folder of palette, gray or 1-bit PNGs of numbers, each video's in a folder of its own."""
    root = _root(path)
    first = next(files_below(root, (".png",)), None) if path.is_dir() else None
    if first is None or _OTHERS.search(first.as_posix()):
        return None
    try:
        with PILImage.open(first) as image:
            fits = image.mode == "P" or has_areas(read_indices(first))
    except (OSError, ValueError, SyntaxError, MaskWeaveError):
        return None
    named = root != path or path.suffix == ".davis"
    return "folders of id images" if fits and (named or first.parent != path) else None


def read(path: Path, options: Options, report: Report) -> Iterator[Record]:
    """Yield a record for each image; every object is of the class "object"."""
    for video, files in videos(path):
        for frame, file in enumerate(files):
            yield from report.made(
                f"{video}/{file.name}", partial(_record, path, file, video, frame, options)
            )


def videos(path: Path) -> Iterator[tuple[str, list[Path]]]:
    """The name of each video of a folder and its images in order; a folder of images is one video.

    Raises `SourceNotFound` where there are none.
    """
    if not path.is_dir():
        raise SourceNotFound(f"{path}: need a folder of sequences, but it does not exist")
    root, found = _root(path), False
    for folder, files in groupby(files_below(root, (".png",)), key=lambda file: file.parent):
        found = True
        own = folder.relative_to(root).as_posix()
        yield _SUFFIX.sub("", path.name if own == "." else own), list(files)
    if not found:
        raise SourceNotFound(f"{path}: need folders with PNG masks, one a sequence; found none")


def _root(path: Path) -> Path:
    for name in ("Annotations", "Annotations_unsupervised", "480p", "Full-Resolution"):
        path = path / name if (path / name).is_dir() else path
    return path


def _record(path: Path, file: Path, video: str, frame: int, options: Options) -> Record:
    ids = read_id_map(file)
    numbers, masks = objects_of_ids(ids, without=(0, _VOID))
    stem = f"{video}/{file.stem}"
    images = path / "JPEGImages"
    image = image_of_stem(stem, options.images, images / "480p", images / "Full-Resolution", images)
    return Record(
        file_name=f"{stem}{image.suffix if image else '.jpg'}",
        instances=make_objects(masks, [0] * len(masks), (CLASS,), track_ids=numbers),
        video=video,
        frame=frame,
        image=image,
    )


@contextmanager
def write(path: Path, options: Options, report: Report) -> Iterator[Put]:
    """Write a palette image for each record; stills go into the folder "video"."""
    tracks = TrackNumbers(first=1, last=_MAX_ID)
    opened = (
        atomic_files(path, source=options.source)
        if options.frames == "shared"
        else atomic_folder(path, overwrite=options.overwrite)
    )
    with opened as folder:

        def put(record: Record) -> None:
            names = record.instances.names
            report.lost("classes", sum(name != CLASS for name in names))
            numbers = tracks.of(record, [record.group] * len(names), report)
            fits = numbers > 0
            kept = record.instances[fits].replace(track_ids=numbers[fits])
            painted, seen = flattened(kept, options.overlaps, report)
            own = np.array([0, *([] if seen.track_ids is None else seen.track_ids)], dtype=np.uint8)
            name = f"{PurePosixPath(record.stem).name}.png"
            if options.frames == "named":
                file = new_file(folder / "Annotations" / "480p", f"{record.group}/{name}")
                put_image(record, folder / "JPEGImages" / "480p", options.with_images)
            else:
                file = new_file(folder, name)
            file.write_bytes(encode_palette(own[painted]))

        yield put


FORMAT = Format(
    name="davis",
    title="DAVIS",
    layout="a folder with `Annotations/480p/<video>/`",
    holds=frozenset({"holes", "parts", "tracks", "empty images", "file names"}),
    detect=detect,
    read=read,
    write=write,
    stills=False,
    tasks=("instances", "foreground"),
    note="254 objects a video",
)
